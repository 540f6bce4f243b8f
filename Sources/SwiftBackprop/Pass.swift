import CBridge

/// One explicit forward pass and the backward pass that may follow: every z, a, grad_z and
/// grad_a kept apart, to be looked at.
struct Pass<T: Scalar> {
  enum State { case forward, backward, spent }

  /// X [N, D(0)], in the caller's memory; nil once it was released.
  var input: Matrix<T>?
  let rows: Int
  let forward: Quantities<T>
  var backward: Quantities<T>?
  /// grad_a(0) [N, D(0)], made when somebody asks
  var inputGradient: Storage<T>?
  var state = State.forward
}

/// t [N, D(L)], the row scales wₙ/Σw [N] and the costs Cₙ [N] of one batch.
struct TargetMemory<T: Scalar> {
  private let storage: Storage<T>
  let rows: Int
  let t, scale, cost: UnsafeMutablePointer<T>

  init(rows: Int, outputs: Int) throws(EngineError) {
    let (count, overflow) = rows.multipliedReportingOverflow(by: outputs + 2)
    guard !overflow else { throw .memory(bytes: Int.max) }
    storage = try Storage(count: count)
    self.rows = rows
    t = storage.base
    scale = t + rows * outputs
    cost = scale + rows
  }
}

extension Network {
  /// Refuses an X whose shape does not fit.
  func checkShape(_ x: Source, mayBeEmpty: Bool = false) throws(EngineError) {
    let inputs = layout.sizes[0]
    guard x.array.ndim == 2 else {
      let hint =
        x.rows == inputs
        ? ": for one example write X[None, :]"
        : inputs == 1 ? ": for one number per example write X[:, None]" : ""
      throw .shape("X has shape \(x.shape), but layer 1 wants (N, D(0)) = (N, \(inputs))\(hint)")
    }
    guard x.cols == inputs else {
      let hint =
        x.rows == inputs
        ? "; X.T has the shape that fits: examples are rows here, the lectures' columns" : ""
      throw .shape("X has shape \(x.shape), but layer 1 wants (N, D(0)) = (N, \(inputs))\(hint)")
    }
    guard x.rows > 0 || mayBeEmpty else {
      throw .shape("X has shape \(x.shape): there is no example in it")
    }
    guard x.rows <= Int(Int32.max) else {
      throw .shape("X has \(x.rows) rows; at most \(Int32.max) are possible")
    }
  }

  /// Refuses an X with NaN or infinity; `first` is the number of its first row, `largest`
  /// becomes the bits of its largest |x|.
  func checkFinite(_ x: Matrix<T>, first: Int) throws(EngineError) -> T.Bits {
    let largest = x.magnitude()
    guard largest >= T.infinityBits else { return largest }
    var row = 0
    while row < x.rows - 1, x.rows(row, row + 1).magnitude() < T.infinityBits { row += 1 }
    throw .value(
      "X contains NaN or infinity (or a value beyond the network's dtype) in row \(first + row)")
  }

  func forward(_ x: Source) throws(EngineError) {
    try BLAS.require()
    try checkShape(x)
    guard let input = x.inPlace(T.self) else {
      throw .copy("X cannot be used where it lies")
    }
    _ = try checkFinite(input, first: 0)
    recyclePass()
    let quantities = try forwardPool.take(rows: x.rows, layout: layout)
    let tape = Tape(input: input, z: quantities.z, a: quantities.a)
    do {
      try withThreads(rows: x.rows, work: workPerRow * Double(x.rows)) {
        (plan) throws(EngineError) in
        try check(overRows(plan, x.rows) { rows, _, watch in forward(tape, rows, &watch) })
      }
    } catch {
      forwardPool.give(quantities)
      throw error
    }
    pass = Pass(input: input, rows: x.rows, forward: quantities)
  }

  private func recyclePass() {
    guard let old = pass else { return }
    pass = nil
    forwardPool.give(old.forward)
    if let backward = old.backward { backwardPool.give(backward) }
  }

  /// Ends the explicit pass: its z, a and gradients are those of other weights.
  func forgetPass() { recyclePass() }

  /// Forgets X, and the memory of passes that nobody looks at.
  func releaseInput() {
    pass?.input = nil
    forwardPool.empty()
    backwardPool.empty()
  }

  /// The gradients of C at the last forward pass. Returns C.
  func backward(
    _ y: Source, weights: Source?, accumulate: Bool
  ) throws(EngineError) -> Double {
    guard let current = pass else { throw .order("call forward first: backward needs its z and a") }
    guard let input = current.input else {
      throw .order("the input of the last forward was released: call forward again")
    }
    guard current.state != .spent else {
      throw .order("the weights have changed since the last forward: call forward again")
    }
    let rows = current.rows
    let outputs = layout.sizes[layout.layers]
    let targets = try Targets(y, rows: rows, outputs: outputs)
    let rowWeights = try RowWeights(weights, rows: rows)
    let memory = try targetMemory(rows: rows)
    try rowWeights.check(0..<rows, scratch: memory.scale)
    try targets.check(0..<rows, domain: loss.domain, loss: lossInfo.name, scratch: memory.t)
    if targets.areIndices { targets.read(RowSelection(0..<rows), into: memory.t) }
    let weight = rowWeights.scale(RowSelection(0..<rows), into: memory.scale)
    if let old = current.backward { backwardPool.give(old) }
    pass?.backward = nil
    let quantities = try backwardPool.take(rows: rows, layout: layout)
    pass?.backward = quantities
    pass?.state = .forward
    pass?.inputGradient = nil
    let tape = Tape(
      input: input, z: current.forward.z, a: current.forward.a, gradZ: quantities.z,
      gradA: quantities.a)
    let before = gradientState
    gradientState = .spoiled
    let cost = try withThreads(rows: rows, work: 2 * workPerRow * Double(rows)) {
      (plan) throws(EngineError) in
      let watch = try overRows(plan, rows) { rows, sums, watch in
        costs(tape, memory, rows)
        backward(tape, memory, rows, sums: sums, &watch)
      }
      let cost = self.cost(memory, rows: rows)
      try check(cost: cost)
      try check(watch)
      parameterGradients(tape, plan, accumulate: accumulate)
      return cost
    }
    pass?.state = .backward
    let stays = accumulate && before == .ready
    gradientState = weight == 0 && !stays ? .weightless : .ready
    return cost
  }

  private func targetMemory(rows: Int) throws(EngineError) -> TargetMemory<T> {
    if let memory = targetMemory, memory.rows == rows { return memory }
    let memory = try TargetMemory<T>(rows: rows, outputs: layout.sizes[layout.layers])
    targetMemory = memory
    return memory
  }

  // MARK: looking inside

  /// Quantity `what` of layer m as memory that outlives the network.
  func view(_ what: Int32, _ m: Int) throws(EngineError) -> sb_view {
    let flat = { (storage: Storage<T>, start: Int, count: Int) in
      makeView(storage.block, storage.base + start, [count])
    }
    switch what {
    case SB_PARAMETERS: return flat(parameters, 0, layout.parameterCount)
    case SB_GRADIENTS: return flat(gradients, 0, layout.parameterCount)
    case SB_SLOT:
      guard m >= 0, m < slots.count else { throw noOption }
      return flat(slots[m], 0, layout.parameterCount)
    case SB_GRAD_A where m == 0: return try inputGradientView()
    default: break
    }
    guard m >= 1, m <= layout.layers else {
      throw .value("there is no layer \(m); layers are numbered 1..\(layout.layers)")
    }
    let (rows, cols) = (layout.sizes[m], layout.sizes[m - 1])
    let storage = what == SB_W || what == SB_B ? parameters : gradients
    switch what {
    case SB_W, SB_GRAD_W:
      // W lies transposed in memory: the rows of the view are one element apart.
      return makeView(storage.block, storage.base + layout.weights(m), [rows, cols], apart: 1)
    case SB_B, SB_GRAD_B: return flat(storage, layout.bias(m), rows)
    case SB_Z, SB_A:
      guard let pass else { throw .order("call forward first") }
      let start = what == SB_Z ? pass.forward.z[m - 1] : pass.forward.a[m - 1]
      return makeView(pass.forward.block, start, [pass.rows, rows], readonly: true)
    case SB_GRAD_Z, SB_GRAD_A:
      let quantities = try gradientQuantities()
      let start = what == SB_GRAD_Z ? quantities.z[m - 1] : quantities.a[m - 1]
      return makeView(quantities.block, start, [quantities.rows, rows], readonly: true)
    default: throw noOption
    }
  }

  private func gradientQuantities() throws(EngineError) -> Quantities<T> {
    guard let pass else { throw .order("call forward and backward first") }
    guard let quantities = pass.backward, pass.state != .forward else {
      throw .order("call backward first")
    }
    return quantities
  }

  /// grad_a(0) = grad_z(1) W(1) [N, D(0)]; a product that training never needs, so it is made
  /// when asked for, from the W(1) of that moment.
  private func inputGradientView() throws(EngineError) -> sb_view {
    let quantities = try gradientQuantities()
    let shape = [quantities.rows, layout.sizes[0]]
    if let ready = pass?.inputGradient {
      return makeView(ready.block, ready.base, shape, readonly: true)
    }
    guard pass?.state == .backward else {
      throw .order(
        "grad_a of layer 0 is made when asked for, and W of layer 1 has changed since "
          + "backward: read it before step")
    }
    let (count, overflow) = shape[0].multipliedReportingOverflow(by: shape[1])
    guard !overflow else { throw .memory(bytes: Int.max) }
    let storage = try Storage<T>(count: count)
    let gradZ = Matrix(UnsafePointer(quantities.z[0]), shape[0], layout.sizes[1])
    _ = sb_enter_blas()
    defer { sb_leave_blas() }
    multiply(gradZ, weights(1).transpose, into: storage.base)
    pass?.inputGradient = storage
    return makeView(storage.block, storage.base, shape, readonly: true)
  }
}

/// A view of `shape` on memory in `block`; dense rows unless `apart` gives the elements
/// between rows (then the columns are `shape[0]` apart).
func makeView<T: Scalar>(
  _ block: Block, _ start: UnsafeMutablePointer<T>, _ shape: [Int], apart: Int? = nil,
  readonly: Bool = false
) -> sb_view {
  let size = Int64(MemoryLayout<T>.stride)
  var view = sb_view()
  view.data = UnsafeMutableRawPointer(start)
  view.ndim = Int32(shape.count)
  view.shape.0 = Int64(shape[0])
  view.strides.0 = size
  if shape.count == 2 {
    view.shape.1 = Int64(shape[1])
    view.strides.0 = size * Int64(apart ?? shape[1])
    view.strides.1 = size * Int64(apart == nil ? 1 : shape[0])
  }
  view.dtype = T.dtype
  view.readonly = readonly ? 1 : 0
  view.owner = block.hold()
  return view
}
