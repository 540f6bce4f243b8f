import CBridge

/// One explicit forward pass and the backward pass that may follow: every z, a, grad_z and
/// grad_a kept apart, to be looked at.
struct Pass<T: Scalar> {
  enum State { case forward, backward, spent }

  /// X [N, D(0)], in the caller's memory; nil once it was released.
  var input: Matrix<T>?
  let rows: Int
  let forward: ActivationBuffers<T>
  var backward: ActivationBuffers<T>?
  /// What dropout dropped; nil for a pass in evaluation mode
  let masks: Masks?
  let rates: Storage<Double>?
  /// What normalised layers keep, in `Network.normMemory`
  let norms: Norms<T>?
  /// grad_a(0) [N, D(0)], made when somebody asks
  var inputGradient: Storage<T>?
  var state = State.forward
}

/// t [N, D(L)], the row scales wₙ/Σw [N] and the costs Cₙ [N] of one batch.
struct TargetMemory<T: Scalar> {
  private let storage: Storage<T>
  let rows: Int
  var block: Block { storage.block }
  let t, scale, cost: UnsafeMutablePointer<T>

  init(rows: Int, outputs: Int, inPages: Bool = false) throws(EngineError) {
    let (count, overflow) = rows.multipliedReportingOverflow(by: outputs + 2)
    guard !overflow else { throw .memory(bytes: Int.max) }
    storage = try Storage(count: count, inPages: inPages)
    self.rows = rows
    t = storage.base
    scale = t + rows * outputs
    cost = scale + rows
  }
}

/// How a pass fills its numbers: three ways to the same ones, up to rounding.
enum Method {
  /// The whole batch by matrix products, on all threads: Backprop.swift.
  case matrices
  /// One example after the other by matrix-vector products: Vectors.swift.
  case vectors
  /// One number after the other: Loops.swift.
  case loops

  init(_ code: Int32) throws(EngineError) {
    switch code {
    case SB_MATRICES: self = .matrices
    case SB_VECTORS: self = .vectors
    case SB_LOOPS: self = .loops
    default: throw .value("there is no method \(code) of computing a pass")
    }
  }
}

extension Network {
  /// Refuses an X whose shape does not fit.
  func checkShape(_ x: Source, mayBeEmpty: Bool = false) throws(EngineError) {
    let inputs = layout.sizes[0]
    guard x.array.ndim == 2, x.cols == inputs else {
      throw .shape(
        "X: layer 1 expected shape (N, D(0)) = (N, \(inputs)), got \(x.shape); \(hint(x))")
    }
    guard x.rows > 0 || mayBeEmpty else {
      throw .shape("X: expected at least one row, got shape \(x.shape)")
    }
    guard x.rows <= Int(Int32.max) else {
      throw .shape("X must have at most \(Int32.max) rows, got \(x.rows)")
    }
  }

  /// What may be wrong about the shape of X, and what to write.
  private func hint(_ x: Source) -> Message {
    let inputs = layout.sizes[0]
    let outputs = layout.sizes[layout.layers]
    if x.array.ndim == 1 {
      if x.rows == inputs { return "for one example write X[None, :]" }
      if inputs == 1 { return "for one number per example write X[:, None]" }
      return "X is a matrix with one example a row"
    }
    if x.rows == inputs {
      return "X.T has the shape that fits: examples are rows here, the lectures' columns"
    }
    if x.cols == outputs {
      return "D(L) is \(outputs): are the sizes in reverse order? They go from inputs to outputs"
    }
    if x.rows &* x.cols == inputs { return "for one example write X.reshape(1, -1)" }
    return "D(0), the first of the sizes, is the number of columns of X"
  }

  /// Refuses an X with NaN or infinity; `first` is the number of its first row. Returns the bits of
  /// its largest |x|.
  func checkFinite(_ x: Matrix<T>, first: Int) throws(EngineError) -> T.Bits {
    let largest = try magnitude(x)
    guard largest >= T.infinityBits else { return largest }
    var row = 0
    while row < x.rows - 1, x.rows(row, row + 1).magnitude() < T.infinityBits { row += 1 }
    let (start, step) = x.transposed ? (row, x.stride) : (row * x.stride, 1)
    var column = 0
    while column < x.cols - 1, x.base[start + column * step].isFinite { column += 1 }
    throw .value(
      "X contains NaN or infinity (or a value beyond the network's dtype) in row "
        + "\(first + row), column \(column)")
  }

  /// The bits of the largest |x|. A large x is waited for, as an update is, on all threads; each
  /// reads the rows that a pass gives it, and has them in its cache then.
  private func magnitude(_ x: Matrix<T>) throws(EngineError) -> T.Bits {
    let count = x.rows * x.cols
    guard count > 1 << 18 else { return x.magnitude() }
    return try withThreads(rows: x.rows, work: 24 * Double(count)) { (plan) throws(EngineError) in
      try overRows(plan, x.rows) { part, flags in
        flags.z = x.rows(part.rows.lowerBound, part.rows.upperBound).magnitude()
      }.z
    }
  }

  /// z(m) and a(m), m = 1..L, of a batch, by `method`; they stay to be looked at. With dropout if
  /// `training`.
  func forward(_ x: Source, by method: Method, training: Bool) throws(EngineError) {
    try BLAS.require()
    try checkShape(x)
    guard let input = x.inPlace(T.self) else {
      throw .copy("X cannot be used where it lies")
    }
    _ = try checkFinite(input, first: 0)
    try checkMethod(
      method, isMasked: training && rates != nil,
      isBatchNormalised: training && normalisesBatches)
    if external != nil { return try forwardAsking(input, training: training) }
    if training { try checkBatch(rows: x.rows) }
    let masks = training ? drawMasks() : nil
    recyclePass()
    let norms = try beginNorms(rows: x.rows, training: training)
    let quantities = try forwardPool.take(rows: x.rows, layout: layout)
    let tape = Tape(input: input, z: quantities.z, a: quantities.a, masks: masks, norms: norms)
    do {
      try forward(tape, by: method)
    } catch {
      forwardPool.give(quantities)
      throw error
    }
    follow(tape)
    pass = Pass(
      input: input, rows: x.rows, forward: quantities, masks: masks, rates: rates, norms: norms)
  }

  /// What the normalised layers of an explicit pass keep, in memory for its rows.
  private func beginNorms(rows: Int, training: Bool) throws(EngineError) -> Norms<T>? {
    guard !norms.isEmpty else { return nil }
    if normMemory?.rows != rows {
      normMemory = nil
      normMemory = try NormMemory(self, rows: rows)
    }
    return normMemory?.begin(self, training: training)
  }

  /// Refuses a method that knows nothing of masks, or not the whole batch.
  private func checkMethod(
    _ method: Method, isMasked: Bool, isBatchNormalised: Bool
  ) throws(EngineError) {
    if let external, method != .matrices {
      let place: Message =
        external.layers.isEmpty ? "the loss" : "the activation of layer \(external.layers[0])"
      throw .value(
        "loops and vectors are for the engine's own functions, and \(place) is one of yours: "
          + "leave method out")
    }
    if isBatchNormalised, method == .vectors {
      throw .value(
        "method=\"vectors\" takes one example after the other, and batch norm in training needs the "
          + "statistics of the batch: take method=\"loops\", or leave it out")
    }
    if isMasked, method != .matrices {
      throw .value("a pass with dropout needs method=\"matrices\": leave method out")
    }
  }

  /// Fills z and a.
  private func forward(_ tape: Tape<T>, by method: Method) throws(EngineError) {
    let rows = tape.input.rows
    switch method {
    case .matrices:
      return try withThreads(rows: rows, work: workPerRow * Double(rows)) {
        (plan) throws(EngineError) in
        try check(
          overRows(plan, tape, tape.forwardSegments) { segment, part, flags in
            forward(tape, part, &flags, segment: segment)
          })
      }
    case .vectors: try withThreads { (_) throws(EngineError) in forwardByVectors(tape) }
    case .loops: forwardByLoops(tape)
    }
    var flags = OverflowFlags<T>()
    for m in 1...layout.layers {
      let count = rows * layout.sizes[m]
      flags.see(z: largestMagnitude(tape.z[m - 1], count), m)
      if let layer = tape.norms?.layer(m) {
        let u = layer.norm.isAfter ? tape.a[m - 1] : layer.between
        flags.see(z: largestMagnitude(u, count), m)
      }
    }
    try check(flags)
  }

  /// z(m) and a(m), m = first..L, of the last forward once more, in the same memory, after some
  /// of these layers' parameters have changed.
  func forward(from first: Int) throws(EngineError) {
    guard first >= 1, first <= layout.layers else {
      throw .value("there is no layer \(first); layers are numbered 1..\(layout.layers)")
    }
    guard let pass, pass.state != .spent, let input = pass.input else {
      throw .order("call forward first: this pass is over")
    }
    guard norms.isEmpty, external == nil else {
      throw .value("a part of forward is for layers without normalisation and the engine's own σ")
    }
    let tape = Tape(input: input, z: pass.forward.z, a: pass.forward.a, masks: pass.masks)
    try withThreads(rows: pass.rows, work: workPerRow * Double(pass.rows)) {
      (plan) throws(EngineError) in
      try check(
        overRows(plan, pass.rows) { part, flags in
          forward(tape, part, &flags, Span(layers: first...layout.layers))
        })
    }
  }

  private func recyclePass() {
    passNumber += 1
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
    normMemory = nil
    forwardPool.empty()
    backwardPool.empty()
    secondOrder = nil
  }

  /// The gradients of C at the last forward pass, by `method`. Returns C.
  func backward(
    _ y: Source, weights: Source?, accumulate: Bool, by method: Method
  ) throws(EngineError) -> Double {
    guard let current = pass else { throw .order("call forward first: backward needs its z and a") }
    guard let input = current.input else {
      throw .order("the input of the last forward was released: call forward again")
    }
    guard current.state != .spent else {
      throw .order("the weights have changed since the last forward: call forward again")
    }
    try checkMethod(
      method, isMasked: current.masks != nil,
      isBatchNormalised: current.norms?.usesBatch == true)
    let rows = current.rows
    let outputs = layout.sizes[layout.layers]
    let targets = try Targets(y, rows: rows, outputs: outputs)
    let rowWeights = try RowWeights(weights, rows: rows)
    let read = { (memory: TargetMemory<T>) throws(EngineError) -> Double in
      try rowWeights.check(0..<rows, scratch: memory.scale)
      try targets.check(
        0..<rows, domain: self.loss.domain, loss: self.lossInfo.name, scratch: memory.t)
      if targets.areIndices { targets.read(RowSelection(0..<rows), into: memory.t) }
      return rowWeights.scale(RowSelection(0..<rows), into: memory.scale)
    }
    if external != nil { return try backwardAsking(current, input, accumulate: accumulate, read) }
    let memory = try targetMemory(rows: rows)
    let weight = try read(memory)
    let quantities = try beginBackward()
    let tape = Tape(
      input: input, z: current.forward.z, a: current.forward.a, gradZ: quantities.z,
      gradA: quantities.a, masks: current.masks, norms: current.norms)
    return try finishBackward(tape, memory, weight: weight, accumulate: accumulate, by: method)
  }

  /// The same once everything is there that it begins with; `weight` is Σw.
  func finishBackward(
    _ tape: Tape<T>, _ memory: TargetMemory<T>, weight: Double, accumulate: Bool,
    by method: Method
  ) throws(EngineError) -> Double {
    let before = gradientState
    gradientState = .spoiled
    let cost = try backward(tape, memory, accumulate: accumulate, by: method)
    pass?.state = .backward
    let stays = accumulate && before == .ready
    gradientState = weight == 0 && !stays ? .weightless : .ready
    return cost
  }

  /// Fresh memory for the grad_z and grad_a of the pass at hand.
  private func beginBackward() throws(EngineError) -> ActivationBuffers<T> {
    guard let current = pass else { throw .order("call forward first") }
    if let old = current.backward { backwardPool.give(old) }
    pass?.backward = nil
    let quantities = try backwardPool.take(rows: current.rows, layout: layout)
    pass?.backward = quantities
    pass?.state = .forward
    pass?.inputGradient = nil
    return quantities
  }

  /// Fills grad_a, grad_z, grad_W and grad_b. Returns C.
  @inline(never)
  private func backward(
    _ tape: Tape<T>, _ targets: TargetMemory<T>, accumulate: Bool, by method: Method
  ) throws(EngineError) -> Double {
    let rows = tape.input.rows
    try partMemory(1)
    switch method {
    case .matrices:
      return try withThreads(rows: rows, work: 2 * workPerRow * Double(rows)) {
        (plan) throws(EngineError) in
        let flags = try overRows(plan, tape, tape.backwardSegments(lowest: 1)) {
          segment, part, flags in
          if segment == 0 { costs(tape, targets, part.rows) }
          backward(tape, targets, part, &flags, segment: segment)
        }
        let cost = self.cost(targets, 0..<rows)
        try check(cost: cost)
        try check(flags)
        parameterGradients(tape, plan, accumulate: accumulate)
        return cost
      }
    case .vectors:
      return try withThreads { (_) throws(EngineError) in
        backwardByVectors(tape, targets)
        let cost = try checkedCost(tape, targets)
        parameterGradientsByVectors(tape, accumulate: accumulate)
        return cost
      }
    case .loops:
      backwardByLoops(tape, targets)
      let cost = try checkedCost(tape, targets)
      parameterGradientsByLoops(tape, accumulate: accumulate)
      return cost
    }
  }

  /// C, unless it or a grad_z is not finite.
  private func checkedCost(
    _ tape: Tape<T>, _ targets: TargetMemory<T>
  ) throws(EngineError) -> Double {
    let rows = tape.input.rows
    costs(tape, targets, 0..<rows)
    let cost = self.cost(targets, 0..<rows)
    try check(cost: cost)
    var flags = OverflowFlags<T>()
    for m in stride(from: layout.layers, through: 1, by: -1) {
      flags.see(gradZ: largestMagnitude(tape.gradZ[m - 1], rows * layout.sizes[m]), m)
    }
    try check(flags)
    return cost
  }

  private func targetMemory(rows: Int) throws(EngineError) -> TargetMemory<T> {
    if let memory = targetMemory, memory.rows == rows { return memory }
    let memory = try TargetMemory<T>(rows: rows, outputs: layout.sizes[layout.layers])
    targetMemory = memory
    return memory
  }
}
