// swift-format-ignore-file: AlwaysUseLowerCamelCase

// (the names are those of the C contract)
import CBridge

// The door: every @_cdecl function of swift_backprop.h, documented there. Here opaque handles
// become objects, thrown errors become statuses, and nothing else happens.

/// The object behind an `sb_net`.
private final class Net {
  let engine: any Engine
  init(_ engine: any Engine) { self.engine = engine }
}

/// The object behind an `sb_evaluation`.
private final class EvaluationHandle {
  let session: any EvaluationSession
  init(_ session: any EvaluationSession) { self.session = session }
}

/// The object behind an `sb_fit`.
private final class FitHandle {
  let session: any FitSession
  init(_ session: any FitSession) { self.session = session }
}

private func handle(_ object: AnyObject) -> OpaquePointer {
  OpaquePointer(Unmanaged.passRetained(object).toOpaque())
}

private func engine(_ net: OpaquePointer?) throws(EngineError) -> any Engine {
  guard let net else { throw .order("there is no network: call sb_create_net first") }
  return Unmanaged<Net>.fromOpaque(UnsafeRawPointer(net)).takeUnretainedValue().engine
}

private func source(_ array: UnsafePointer<sb_array>?) throws(EngineError) -> Source {
  guard let array else { throw .value("an array is missing") }
  return try Source(array.pointee)
}

private var missingResult: EngineError { .value("the place for the result is missing") }

/// Runs `body`; an error goes to the caller's struct, its status is returned.
@inline(__always)
private func status(
  _ error: UnsafeMutablePointer<sb_error>?, _ body: () throws(EngineError) -> Void
) -> sb_status {
  do {
    try body()
    return SB_OK
  } catch {
    return failed(error)
  }
  func failed(_ thrown: EngineError) -> sb_status {
    thrown.write(to: error)
    return thrown.status
  }
}

// MARK: BLAS and versions

@_cdecl("sb_set_blas")
public func sb_set_blas(_ blas: UnsafePointer<sb_blas>?, _ error: UnsafeMutablePointer<sb_error>?)
  -> sb_status
{
  status(error) { () throws(EngineError) in
    guard let blas else { throw .value("the BLAS table is missing") }
    try BLAS.install(blas.pointee)
  }
}

@_cdecl("sb_has_blas")
public func sb_has_blas() -> Int32 { BLAS.isInstalled ? 1 : 0 }

@_cdecl("sb_abi_version")
public func sb_abi_version() -> Int32 { SB_ABI_VERSION }

@_cdecl("sb_cpu_level")
public func sb_cpu_level() -> Int32 { sb_supported_level() }

@_cdecl("sb_engine_level")
public func sb_engine_level() -> Int32 { sb_compiled_level() }

// MARK: rules

@_cdecl("sb_rule_count")
public func sb_rule_count(_ kind: Int32) -> Int64 { Int64(Rules.list(kind)?.count ?? 0) }

@_cdecl("sb_rule_at")
public func sb_rule_at(
  _ kind: Int32, _ index: Int64, _ info: UnsafeMutablePointer<sb_rule_info>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let list = Rules.list(kind), index >= 0, index < list.count, let info else {
      throw .value("there is no such rule")
    }
    info.pointee = list[Int(index)].described
  }
}

@_cdecl("sb_apply_activation")
public func sb_apply_activation(
  _ rule: UnsafePointer<sb_rule>?, _ order: Int32, _ dtype: Int32, _ x: UnsafeRawPointer?,
  _ out: UnsafeMutableRawPointer?, _ rows: Int64, _ cols: Int64,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let rule, let x, let out, rows >= 0, cols >= 0,
      !rows.multipliedReportingOverflow(by: cols).overflow
    else { throw .value("the rule or an array is missing, or its size is none") }
    try Rules.apply(
      activation: rule.pointee, order: order, dtype: dtype, x, out, Int(rows), Int(cols))
  }
}

@_cdecl("sb_apply_loss")
public func sb_apply_loss(
  _ rule: UnsafePointer<sb_rule>?, _ order: Int32, _ dtype: Int32, _ a: UnsafeRawPointer?,
  _ t: UnsafeRawPointer?, _ out: UnsafeMutableRawPointer?, _ count: Int64,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let rule, let a, let t, let out, count >= 0 else {
      throw .value("the rule or an array is missing")
    }
    try Rules.apply(loss: rule.pointee, order: order, dtype: dtype, a, t, out, Int(count))
  }
}

// MARK: nets

@_cdecl("sb_create_net")
public func sb_create_net(
  _ config: UnsafePointer<sb_config>?, _ net: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let config, let net else { throw .value("the configuration is missing") }
    switch config.pointee.dtype {
    case SB_FLOAT32: net.pointee = handle(Net(try Network<Float>(config.pointee)))
    case SB_FLOAT64: net.pointee = handle(Net(try Network<Double>(config.pointee)))
    default: throw .type("a network computes in float32 or float64")
    }
  }
}

@_cdecl("sb_copy_net")
public func sb_copy_net(
  _ net: OpaquePointer?, _ copy: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let copy else { throw missingResult }
    copy.pointee = handle(Net(try engine(net).copied()))
  }
}

@_cdecl("sb_destroy_net")
public func sb_destroy_net(_ net: OpaquePointer?) {
  guard let net else { return }
  Unmanaged<Net>.fromOpaque(UnsafeRawPointer(net)).release()
}

@_cdecl("sb_reset")
public func sb_reset(
  _ net: OpaquePointer?, _ seed: UInt64, _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in try engine(net).reset(seed: seed) }
}

@_cdecl("sb_forward")
public func sb_forward(
  _ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?, _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    try engine(net).forward(source(x), by: .matrices, training: false)
  }
}

@_cdecl("sb_in_place")
public func sb_in_place(_ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?) -> Int32 {
  var fits = false
  _ = status(nil) { () throws(EngineError) in fits = try engine(net).canUseInPlace(source(x)) }
  return fits ? 1 : 0
}

@_cdecl("sb_release_input")
public func sb_release_input(_ net: OpaquePointer?) {
  _ = status(nil) { () throws(EngineError) in try engine(net).releaseInput() }
}

@_cdecl("sb_backward")
public func sb_backward(
  _ net: OpaquePointer?, _ y: UnsafePointer<sb_array>?, _ weights: UnsafePointer<sb_array>?,
  _ accumulate: Int32, _ loss: UnsafeMutablePointer<Double>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    let value = try engine(net).backward(
      source(y), weights: optional(weights), accumulate: accumulate != 0, by: .matrices)
    loss?.pointee = value
  }
}

@_cdecl("sb_step")
public func sb_step(_ net: OpaquePointer?, _ error: UnsafeMutablePointer<sb_error>?) -> sb_status {
  status(error) { () throws(EngineError) in try engine(net).step() }
}

// MARK: passes by loops or by vectors

@_cdecl("sb_forward_by")
public func sb_forward_by(
  _ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?, _ method: Int32, _ training: Int32,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    try engine(net).forward(source(x), by: Method(method), training: training != 0)
  }
}

@_cdecl("sb_backward_by")
public func sb_backward_by(
  _ net: OpaquePointer?, _ y: UnsafePointer<sb_array>?, _ weights: UnsafePointer<sb_array>?,
  _ accumulate: Int32, _ method: Int32, _ loss: UnsafeMutablePointer<Double>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    let value = try engine(net).backward(
      source(y), weights: optional(weights), accumulate: accumulate != 0, by: Method(method))
    loss?.pointee = value
  }
}

// MARK: a pass in parts

@_cdecl("sb_pass_begin")
public func sb_pass_begin(
  _ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?, _ last: Int64, _ training: Int32,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    try engine(net).beginPass(source(x), last: Int(last), training: training != 0)
  }
}

@_cdecl("sb_pass_forward")
public func sb_pass_forward(
  _ net: OpaquePointer?, _ first: Int64, _ last: Int64, _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in try engine(net).resumeForward(Int(first), Int(last)) }
}

@_cdecl("sb_pass_put")
public func sb_pass_put(
  _ net: OpaquePointer?, _ what: Int32, _ m: Int64, _ values: UnsafePointer<sb_array>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in try engine(net).put(what, Int(m), source(values)) }
}

@_cdecl("sb_pass_backward")
public func sb_pass_backward(
  _ net: OpaquePointer?, _ first: Int64, _ last: Int64, _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in try engine(net).resumeBackward(Int(first), Int(last)) }
}

@_cdecl("sb_pass_end")
public func sb_pass_end(
  _ net: OpaquePointer?, _ accumulate: Int32, _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    try engine(net).endBackward(accumulate: accumulate != 0)
  }
}

@_cdecl("sb_pass_forget")
public func sb_pass_forget(_ net: OpaquePointer?) {
  _ = status(nil) { () throws(EngineError) in try engine(net).forgetPass() }
}

// MARK: looking inside

@_cdecl("sb_get_view")
public func sb_get_view(
  _ net: OpaquePointer?, _ what: Int32, _ m: Int64, _ view: UnsafeMutablePointer<sb_view>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let view else { throw .value("the view is missing") }
    view.pointee = try engine(net).view(what, Int(m))
  }
}

@_cdecl("sb_release_owner")
public func sb_release_owner(_ owner: OpaquePointer?) {
  guard let owner else { return }
  Block.release(owner)
}

@_cdecl("sb_new_matrix")
public func sb_new_matrix(
  _ dtype: Int32, _ rows: Int64, _ cols: Int64, _ view: UnsafeMutablePointer<sb_view>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let view, rows >= 0, cols >= 0 else { throw .value("the view is missing") }
    let (count, overflow) = Int(rows).multipliedReportingOverflow(by: Int(cols))
    guard !overflow else { throw .memory(bytes: Int.max) }
    try checkScalar(dtype)
    if dtype == SB_FLOAT32 {
      let storage = try Storage<Float>(count: count)
      view.pointee = makeView(storage.block, storage.base, [Int(rows), Int(cols)])
    } else {
      let storage = try Storage<Double>(count: count)
      view.pointee = makeView(storage.block, storage.base, [Int(rows), Int(cols)])
    }
  }
}

@_cdecl("sb_parameter_count")
public func sb_parameter_count(_ net: OpaquePointer?) -> Int64 {
  var count: Int64 = 0
  _ = status(nil) { () throws(EngineError) in
    count = Int64(try engine(net).layout.parameterCount)
  }
  return count
}

@_cdecl("sb_slot_count")
public func sb_slot_count(_ net: OpaquePointer?) -> Int64 {
  var count: Int64 = 0
  _ = status(nil) { () throws(EngineError) in count = Int64(try engine(net).slotCount) }
  return count
}

@_cdecl("sb_get_option")
public func sb_get_option(
  _ net: OpaquePointer?, _ option: Int32, _ value: UnsafeMutablePointer<Double>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let value else { throw missingResult }
    let engine = try engine(net)
    let result: Double
    switch option {
    case SB_OPTION_L1: result = engine.l1
    case SB_OPTION_L2: result = engine.l2
    case SB_OPTION_CLIP_NORM: result = engine.clipNorm
    case SB_OPTION_STEPS: result = Double(engine.steps)
    case SB_OPTION_PENALTY_PER_SAMPLE: result = engine.sharesPenalties ? 1 : 0
    case SB_OPTION_MAX_NORM: result = engine.maxNorm
    case SB_OPTION_INPUT_SCALE: result = engine.inputScale
    case SB_OPTION_TRAINABLE...:
      result = try layerOption(engine.isTrainable, option - SB_OPTION_TRAINABLE) ? 1 : 0
    case SB_OPTION_DROPOUT...:
      result = try layerOption(engine.dropout, option - SB_OPTION_DROPOUT)
    default: result = try engine.hyperparameter(Int(option) - Int(SB_OPTION_HYPER))
    }
    value.pointee = result
  }
}

private func layerOption<Value>(_ values: [Value], _ m: Int32) throws(EngineError) -> Value {
  guard m >= 1, m <= values.count else { throw EngineError.noOption }
  return values[Int(m) - 1]
}

@_cdecl("sb_set_option")
public func sb_set_option(
  _ net: OpaquePointer?, _ option: Int32, _ value: Double,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    let engine = try engine(net)
    guard option < SB_OPTION_TRAINABLE else {
      return try engine.setTrainable(Int(option - SB_OPTION_TRAINABLE), value != 0)
    }
    guard option < SB_OPTION_DROPOUT else {
      return try engine.setDropout(Int(option - SB_OPTION_DROPOUT), value)
    }
    guard option < SB_OPTION_HYPER else {
      return try engine.setHyperparameter(Int(option) - Int(SB_OPTION_HYPER), value)
    }
    func check(_ name: StaticString) throws(EngineError) {
      guard value >= 0, value.isFinite else {
        throw .value("\(name) must be finite and at least 0")
      }
    }
    switch option {
    case SB_OPTION_L1:
      try check("l1")
      engine.l1 = value
    case SB_OPTION_L2:
      try check("l2")
      engine.l2 = value
    case SB_OPTION_CLIP_NORM:
      try check("clip_norm")
      engine.clipNorm = value
    case SB_OPTION_MAX_NORM:
      try check("max_norm")
      engine.maxNorm = value
    case SB_OPTION_INPUT_SCALE:
      try check("input_scale")
      engine.inputScale = value
    case SB_OPTION_STEPS:
      try check("the number of steps")
      // 2⁵³: the range in which a double counts without gaps.
      engine.steps = Int(Swift.min(value, 0x1p53))
    case SB_OPTION_PENALTY_PER_SAMPLE: engine.sharesPenalties = value != 0
    default: throw EngineError.noOption
    }
  }
}

@_cdecl("sb_get_generator")
public func sb_get_generator(_ net: OpaquePointer?, _ state: UnsafeMutablePointer<UInt64>?) {
  _ = status(nil) { () throws(EngineError) in
    let words = try engine(net).random.state
    guard let state else { return }
    (state[0], state[1], state[2], state[3]) = words
  }
}

@_cdecl("sb_set_generator")
public func sb_set_generator(
  _ net: OpaquePointer?, _ state: UnsafePointer<UInt64>?, _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let state, state[0] | state[1] | state[2] | state[3] != 0 else {
      throw .value("a generator's state is four numbers that are not all zero")
    }
    try engine(net).random.state = (state[0], state[1], state[2], state[3])
  }
}

@_cdecl("sb_draw_order")
public func sb_draw_order(
  _ net: OpaquePointer?, _ order: UnsafeMutablePointer<Int32>?, _ count: Int64,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let order, count >= 0, count <= Int64(Int32.max) else {
      throw .value("an order has 0 to \(Int32.max) places")
    }
    try engine(net).drawOrder(order, count: Int(count))
  }
}

@_cdecl("sb_work")
public func sb_work(_ net: OpaquePointer?, _ rows: Int64) -> Double {
  var work = 0.0
  _ = status(nil) { () throws(EngineError) in work = try engine(net).workPerRow * Double(rows) }
  return work
}

@_cdecl("sb_plan")
public func sb_plan(_ net: OpaquePointer?, _ rows: Int64, _ threads: Int32) -> Int32 {
  var parts = 1
  _ = status(nil) { () throws(EngineError) in
    parts = try engine(net).plan(rows: rows, threads: threads).parts
  }
  return Int32(truncatingIfNeeded: parts)
}

@_cdecl("sb_maker")
public func sb_maker(
  _ net: OpaquePointer?, _ quantity: Int32, _ m: Int32, _ rows: Int64, _ threads: Int32
) -> Int32 {
  var productKernel: Int32 = -1
  _ = status(nil) { () throws(EngineError) in
    let engine = try engine(net)
    let plan = engine.plan(rows: rows, threads: threads)
    productKernel = try engine.productKernel(of: quantity, Int(m), rows: rows, plan).rawValue
  }
  return productKernel
}

// MARK: whole data sets

@_cdecl("sb_predict")
public func sb_predict(
  _ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?, _ first: Int64, _ last: Int64,
  _ out: UnsafeMutableRawPointer?, _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let out, first >= 0, first <= last else { throw .value("no rows to predict") }
    try engine(net).predict(source(x), Int(first)..<Int(last), into: out)
  }
}

@_cdecl("sb_block_rows")
public func sb_block_rows(_ net: OpaquePointer?) -> Int64 {
  var rows: Int64 = 1
  _ = status(nil) { () throws(EngineError) in
    let engine = try engine(net)
    // 10 ms at a cautious 10 GFLOP/s, in whole blocks.
    let blocks = Swift.min(1e8 / (engine.workPerRow * Double(engine.blockRows)), 1e6)
    rows = Int64(engine.blockRows) * Swift.max(1, Int64(blocks))
  }
  return rows
}

@_cdecl("sb_evaluation_begin")
public func sb_evaluation_begin(
  _ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?, _ y: UnsafePointer<sb_array>?,
  _ weights: UnsafePointer<sb_array>?, _ evaluation: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let evaluation else { throw missingResult }
    let session = try engine(net).evaluation(
      x: source(x), y: source(y), weights: optional(weights))
    evaluation.pointee = handle(EvaluationHandle(session))
  }
}

private func evaluationSession(_ evaluation: OpaquePointer?) throws(EngineError)
  -> any EvaluationSession
{
  guard let evaluation else { throw .order("there is no evaluation: begin one first") }
  return Unmanaged<EvaluationHandle>.fromOpaque(UnsafeRawPointer(evaluation))
    .takeUnretainedValue().session
}

@_cdecl("sb_evaluation_run")
public func sb_evaluation_run(
  _ evaluation: OpaquePointer?, _ maxNanoseconds: Int64, _ done: UnsafeMutablePointer<Int32>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let done else { throw missingResult }
    done.pointee = try evaluationSession(evaluation).run(for: maxNanoseconds) ? 1 : 0
  }
}

@_cdecl("sb_evaluation_result")
public func sb_evaluation_result(
  _ evaluation: OpaquePointer?, _ metrics: UnsafeMutablePointer<sb_metrics>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let metrics else { throw missingResult }
    metrics.pointee = try evaluationSession(evaluation).metrics()
  }
}

@_cdecl("sb_evaluation_end")
public func sb_evaluation_end(_ evaluation: OpaquePointer?) {
  guard let evaluation else { return }
  Unmanaged<EvaluationHandle>.fromOpaque(UnsafeRawPointer(evaluation)).release()
}

// MARK: derivatives to study

/// Runs `body` with the caller's walk, which moves on also when it fails.
private func walking(
  _ walk: UnsafeMutablePointer<sb_walk>?, _ error: UnsafeMutablePointer<sb_error>?,
  _ body: (inout BlockIterator) throws(EngineError) -> Void
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let walk else { throw .value("the walk is missing") }
    var steps = BlockIterator(from: Int(walk.pointee.next), for: walk.pointee.max_ns)
    defer { walk.pointee.next = Int64(steps.next) }
    try body(&steps)
  }
}

@_cdecl("sb_layer_size")
public func sb_layer_size(_ net: OpaquePointer?, _ m: Int64) -> Int64 {
  var size: Int64 = 0
  _ = status(nil) { () throws(EngineError) in
    let sizes = try engine(net).layout.sizes
    if m >= 0, m < sizes.count { size = Int64(sizes[Int(m)]) }
  }
  return size
}

@_cdecl("sb_jacobian")
public func sb_jacobian(
  _ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?, _ of: Int32, _ wrt: Int32, _ m: Int64,
  _ out: UnsafeMutableRawPointer?, _ walk: UnsafeMutablePointer<sb_walk>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  walking(walk, error) { (walk) throws(EngineError) in
    let engine = try engine(net)
    let task = try JacobianTask(
      of: LayerQuantity(of), wrt: LayerQuantity(wrt), m: Int(m), layers: engine.layout.layers)
    guard let out else { throw missingResult }
    try engine.jacobian(source(x), task, into: out, &walk)
  }
}

@_cdecl("sb_input_gradient")
public func sb_input_gradient(
  _ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?, _ y: UnsafePointer<sb_array>?,
  _ weights: UnsafePointer<sb_array>?, _ perExample: Int32, _ out: UnsafeMutableRawPointer?,
  _ walk: UnsafeMutablePointer<sb_walk>?, _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  walking(walk, error) { (walk) throws(EngineError) in
    guard let out else { throw missingResult }
    try engine(net).inputGradient(
      source(x), source(y), weights: perExample != 0 ? nil : optional(weights),
      perExample: perExample != 0, into: out, &walk)
  }
}

@_cdecl("sb_gradient_norms")
public func sb_gradient_norms(
  _ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?, _ y: UnsafePointer<sb_array>?,
  _ perLayer: Int32, _ out: UnsafeMutableRawPointer?, _ walk: UnsafeMutablePointer<sb_walk>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  walking(walk, error) { (walk) throws(EngineError) in
    guard let out else { throw missingResult }
    try engine(net).gradientNorms(
      source(x), source(y), perLayer: perLayer != 0, into: out, &walk)
  }
}

@_cdecl("sb_hvp")
public func sb_hvp(
  _ net: OpaquePointer?, _ x: UnsafePointer<sb_array>?, _ y: UnsafePointer<sb_array>?,
  _ weights: UnsafePointer<sb_array>?, _ v: UnsafePointer<sb_array>?,
  _ out: UnsafeMutableRawPointer?, _ walk: UnsafeMutablePointer<sb_walk>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  walking(walk, error) { (walk) throws(EngineError) in
    guard let out else { throw missingResult }
    try engine(net).hessianProduct(
      source(x), source(y), weights: optional(weights), source(v), into: out, &walk)
  }
}

// MARK: fit

@_cdecl("sb_fit_begin")
public func sb_fit_begin(
  _ net: OpaquePointer?, _ config: UnsafePointer<sb_fit_config>?,
  _ fit: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let config, let fit else { throw .value("the configuration is missing") }
    fit.pointee = handle(FitHandle(try engine(net).fit(config.pointee)))
  }
}

private func fitSession(_ fit: OpaquePointer?) throws(EngineError) -> any FitSession {
  guard let fit else { throw .order("there is no training session: begin one first") }
  return Unmanaged<FitHandle>.fromOpaque(UnsafeRawPointer(fit)).takeUnretainedValue().session
}

@_cdecl("sb_fit_run")
public func sb_fit_run(
  _ fit: OpaquePointer?, _ maxNanoseconds: Int64, _ progress: UnsafeMutablePointer<sb_progress>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let progress else { throw missingResult }
    let session = try fitSession(fit)
    try session.run(for: maxNanoseconds)
    progress.pointee = session.progress
  }
}

@_cdecl("sb_fit_set_rates")
public func sb_fit_set_rates(
  _ fit: OpaquePointer?, _ rates: UnsafePointer<Double>?, _ count: Int64,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    let session = try fitSession(fit)
    guard count >= 0, count <= session.progress.batches, rates != nil || count == 0 else {
      throw .value("there is a learning rate for each batch of an epoch at most")
    }
    session.rates = Array(UnsafeBufferPointer(start: rates, count: Int(count)))
  }
}

@_cdecl("sb_fit_epoch")
public func sb_fit_epoch(
  _ fit: OpaquePointer?, _ epoch: Int64, _ record: UnsafeMutablePointer<sb_epoch>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let record else { throw missingResult }
    record.pointee = try fitSession(fit).record(Int(epoch))
  }
}

@_cdecl("sb_fit_end")
public func sb_fit_end(_ fit: OpaquePointer?) {
  guard let fit else { return }
  let handle = Unmanaged<FitHandle>.fromOpaque(UnsafeRawPointer(fit))
  handle.takeUnretainedValue().session.settle()
  handle.release()
}
