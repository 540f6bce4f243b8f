// swift-format-ignore-file: AlwaysUseLowerCamelCase

// (the names are those of the C contract)
import CBridge

// A network's life, and what can be looked at and set in it.

@_cdecl("sb_create_net")
public func sb_create_net(
  _ config: UnsafePointer<sb_config>?, _ net: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in
    guard let config, let net else { throw .value("the configuration is missing") }
    switch config.pointee.dtype {
    case SB_FLOAT32: net.pointee = handle(NetHandle(try FloatNetwork(config.pointee)))
    case SB_FLOAT64: net.pointee = handle(NetHandle(try DoubleNetwork(config.pointee)))
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
    copy.pointee = handle(NetHandle(try engine(net).copied()))
  }
}

@_cdecl("sb_destroy_net")
public func sb_destroy_net(_ net: OpaquePointer?) {
  guard let net else { return }
  Unmanaged<NetHandle>.fromOpaque(UnsafeRawPointer(net)).release()
}

@_cdecl("sb_reset")
public func sb_reset(
  _ net: OpaquePointer?, _ seed: UInt64, _ error: UnsafeMutablePointer<sb_error>?
) -> sb_status {
  status(error) { () throws(EngineError) in try engine(net).reset(seed: seed) }
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
    case SB_OPTION_PRECISION: result = Double(engine.precision.rawValue)
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
        throw .value("\(name) must be a finite number >= 0")
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
    case SB_OPTION_PRECISION: try engine.setPrecision(value)
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
      throw .value("a generator's state must be four numbers that are not all zero")
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
