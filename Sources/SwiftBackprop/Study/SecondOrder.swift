import CBridge

// The Hessian of C times a vector, exactly, without the Hessian: R{·}, the derivative of every
// quantity when the parameters move along v = (V, c), follows the two passes line by line
// (Pearlmutter, "Fast exact multiplication by the Hessian", 1994). With R{X} = 0:
//
//     forward    R{z(m)} = R{a(m−1)} W(m)ᵀ + a(m−1) V(m)ᵀ + c(m)                  [N, D(m)]
//                R{a(m)} = R{z(m)} ⊙ σ′(z(m))
//     backward   R{grad_a(L)} = wₙ/Σw·ℓ″ ⊙ R{a(L)}                                [N, D(L)]
//                R{grad_a(m)} = R{grad_z(m+1)} W(m+1) + grad_z(m+1) V(m+1)        [N, D(m)]
//                R{grad_z(m)} = R{grad_a(m)} ⊙ σ′(z(m)) + grad_a(m) ⊙ σ″(z(m)) ⊙ R{z(m)}
//                R{grad_W(m)}ᵀ = a(m−1)ᵀ R{grad_z(m)} + R{a(m−1)}ᵀ grad_z(m)       [D(m−1), D(m)]
//                R{grad_b(m)} = column sums of R{grad_z(m)}                       [D(m)]
//
// A loss' canonical output gives R{grad_z(L)} = wₙ/Σw·R{a(L)}. That is 8 products a layer where
// forward and backward have 3.

/// R{·} of the quantities of a tape.
struct Tangent<T: Scalar> {
  let rows: Int
  /// v [P]: V(m), c(m) and the directions of γ(m) and β(m), where `layout` has W, b, γ and β
  let direction: UnsafePointer<T>
  /// R{z(m)}, R{a(m)} [N, D(m)]
  let z, a: LayerPointers<T>
  /// R{·} of what stands between the two steps of a normalised layer [N, D(m)]
  let between: LayerPointers<T>
  /// R{grad_z(m)} [N, D(m)], which overwrites R{grad_a(m)}
  let gradZ: LayerPointers<T>
}

/// Memory for the two passes and their R over one block of rows.
final class SecondOrderMemory<T: Scalar> {
  let rows: Int
  /// X of one block [rows, D(0)]
  let x: Storage<T>
  let targets: TargetMemory<T>
  let forward: ActivationBuffers<T>
  let backward: ActivationBuffers<T>
  /// R{z(m)} and R{a(m)}
  let change: ActivationBuffers<T>
  private let storage: Storage<T>
  private let lists: Block
  /// R{grad_z(m)}, and of normalised layers R{·} of what stands between their two steps
  private let gradZ, between: LayerPointers<T>
  let norms: NormMemory<T>?
  /// v [P], where the products may read it
  let direction: Storage<T>
  /// σ″(z(m)) in the layers of the caller's
  private var curvatures: [Storage<T>] = []

  init(rows: Int, network: Network<T>) throws(EngineError) {
    let layout = network.layout
    self.rows = rows
    let (count, overflow) = rows.multipliedReportingOverflow(by: layout.sizes[0])
    guard !overflow else { throw .memory(bytes: Int.max) }
    x = try Storage(count: count)
    targets = try TargetMemory(rows: rows, outputs: layout.sizes[layout.layers])
    forward = try ActivationBuffers(rows: rows, layout: layout)
    backward = try ActivationBuffers(rows: rows, layout: layout)
    change = try ActivationBuffers(rows: rows, layout: layout)
    direction = try Storage(count: layout.parameterCount)
    // The sizes are no larger than those of `change`.
    let layers = layout.layers
    storage = try Storage(count: rows * (layout.unitCount + network.normUnits / 2))
    lists = try Block(byteCount: LayerPointers<T>.bytes(2 * layers))
    var next = storage.base
    gradZ = LayerPointers(lists, layers: layers) { m in
      defer { next += rows * layout.sizes[m] }
      return next
    }
    between = LayerPointers(lists, first: layers, layers: layers) { m in
      defer { next += network.norm(m) == nil ? 0 : rows * layout.sizes[m] }
      return next
    }
    norms =
      network.norms.isEmpty ? nil : try NormMemory(network, rows: rows, keepsGradients: true)
  }

  var owners: PassOwners {
    PassOwners(
      forward: forward.block, backward: backward.block, between: norms?.block ?? forward.block)
  }

  /// σ″(z) in the layers of the caller's.
  func askCurvature(
    _ tape: Tape<T>, _ network: Network<T>, _ call: Continuation<T>
  ) throws(EngineError) {
    let layers = network.external?.layers ?? []
    if curvatures.isEmpty {
      for m in layers {
        curvatures.append(try Storage(count: rows * network.layout.sizes[m]))
      }
    }
    for (m, place) in zip(layers, curvatures) {
      try network.ask(
        2, m, network.input(of: m, tape, owners), (place.base, place.block), tape.input.rows, call)
    }
  }

  /// R{z(m)} ← R{z(m)} ⊙ σ″(z(m)) in these layers, of some rows, or R{u(m)}: on the way back
  /// nothing else is made of it.
  func bend(
    _ tape: Tape<T>, _ tangent: Tangent<T>, _ network: Network<T>, _ rows: Range<Int>
  ) {
    for (m, curvature) in zip(network.external?.layers ?? [], curvatures) {
      let cols = network.layout.sizes[m]
      let isBefore = tape.norms?.layer(m)?.norm.isAfter == false
      let dz = isBefore ? tangent.between[m - 1] : tangent.z[m - 1]
      for i in rows.lowerBound * cols..<rows.upperBound * cols { dz[i] *= curvature.base[i] }
    }
  }

  func tape(_ input: Matrix<T>, _ network: Network<T>) -> Tape<T> {
    Tape(
      input: input, z: forward.z, a: forward.a, gradZ: backward.z, gradA: backward.a,
      norms: norms?.begin(network, training: false))
  }

  /// Of the first `rows` rows.
  func tangent(rows: Int) -> Tangent<T> {
    Tangent(
      rows: rows, direction: UnsafePointer(direction.base), z: change.z, a: change.a,
      between: between,
      gradZ: gradZ)
  }
}

extension Network {
  /// The Hessian of C times v [P] into out [P], from where `blocks` is: each block of rows adds
  /// its share, and the first row begins with zero.
  func hessianProduct(
    _ x: Source, _ y: Source, weights rowWeights: Source?, _ v: Source,
    into out: UnsafeMutablePointer<T>, _ blocks: inout BlockIterator
  ) throws(EngineError) {
    try check(blocks, over: x)
    guard external?.hasLoss != true else {
      throw .value(
        "the Hessian needs the second derivative of the loss, and a loss of your own has none")
    }
    let key = Continuation<T>.Key(kind: .hessianProduct, rows: x.rows)
    try asking(ifExternal: key) { (call) throws(EngineError) in
      try hessianProduct(x, y, weights: rowWeights, v, into: out, &blocks, call)
    }
  }

  private func hessianProduct(
    _ x: Source, _ y: Source, weights rowWeights: Source?, _ v: Source,
    into out: UnsafeMutablePointer<T>, _ blocks: inout BlockIterator, _ call: Continuation<T>?
  ) throws(EngineError) {
    let memory: SecondOrderMemory<T>
    if let begun = call?.secondOrder {
      memory = begun
    } else {
      memory = try secondOrderMemory(rows: x.rows)
      // Other calls may come before this one ends.
      if let call { (call.secondOrder, secondOrder) = (memory, nil) }
    }
    try read(v, into: memory.direction)
    let targets = try BlockTargets(
      self, x: x, y: y, weights: rowWeights, perExample: false, memory: memory.targets)
    try iterate(&blocks, over: x, maxRows: memory.rows, scratch: memory.x.base) {
      (input, rows) throws(EngineError) in
      try targets.read(rows, into: memory.targets)
      var tape = memory.tape(input, self)
      let tangent = memory.tangent(rows: rows.count)
      if let call {
        call.begin(rows.lowerBound)
        try askBothWays(&tape, memory.targets, memory.owners, call) {
          (tape) throws(EngineError) in try memory.askCurvature(tape, self, call)
        }
      }
      try withThreads(rows: rows.count, work: 8 * workPerRow * Double(rows.count)) {
        (plan) throws(EngineError) in
        try check(
          overRows(plan, rows.count) { part, flags in
            forward(tape, part, &flags)
            backward(tape, memory.targets, part, &flags)
            forwardTangent(tape, tangent, part.rows)
            if call != nil { memory.bend(tape, tangent, self, part.rows) }
            backwardTangent(tape, tangent, memory.targets, part)
          })
        parameterTangents(tape, tangent, plan, accumulate: rows.lowerBound > 0, to: out)
      }
    }
    guard largestMagnitude(out, layout.parameterCount) < T.infinityBits else {
      throw .diverged(
        "the product of the Hessian and v overflowed to NaN or infinity; a smaller v may help")
    }
  }

  /// Memory for blocks of `rows` rows or fewer; kept, because whoever asks for one product
  /// usually asks for many.
  private func secondOrderMemory(rows: Int) throws(EngineError) -> SecondOrderMemory<T> {
    // Larger blocks than elsewhere: each one goes over the whole result.
    let block = Swift.min(rows, Swift.min(1024, Swift.max(64, (1 << 20) / layout.widest)))
    if let memory = secondOrder, memory.rows >= block { return memory }
    secondOrder = nil
    let memory = try SecondOrderMemory<T>(rows: block, network: self)
    secondOrder = memory
    return memory
  }

  /// The direction v, checked.
  private func read(_ v: Source, into direction: Storage<T>) throws(EngineError) {
    let count = layout.parameterCount
    guard v.array.ndim == 1, v.rows == count else {
      throw .shape(
        "v: expected shape (P,) = (\(count),), in the order of net.parameters, got \(v.shape)")
    }
    v.read(RowSelection(0..<count), into: direction.base)
    guard largestMagnitude(direction.base, count) < T.infinityBits else {
      throw .value("v contains NaN or infinity (or a value beyond the network's dtype)")
    }
  }

  /// V(m)ᵀ [D(m−1), D(m)]
  private func weights(_ m: Int, _ tangent: Tangent<T>) -> Matrix<T> {
    Matrix(tangent.direction + layout.weights(m), layout.sizes[m - 1], layout.sizes[m])
  }

  /// R{a(m)} [N, D(m)], m = 1..L
  private func activation(_ m: Int, _ tangent: Tangent<T>) -> Matrix<T> {
    Matrix(tangent.a[m - 1], tangent.rows, layout.sizes[m])
  }

  /// R{grad_z(m)} [N, D(m)]
  private func gradient(_ m: Int, _ tangent: Tangent<T>) -> Matrix<T> {
    Matrix(tangent.gradZ[m - 1], tangent.rows, layout.sizes[m])
  }

  /// R{z(m)} and R{a(m)}, m = 1..L, of some rows.
  private func forwardTangent(_ tape: Tape<T>, _ tangent: Tangent<T>, _ rows: Range<Int>) {
    for m in 1...layout.layers {
      let z = place(tangent.z, m, rows)
      multiply(activation(m - 1, tape).rows(rows), weights(m, tangent), into: z)
      if m > 1 {
        multiply(activation(m - 1, tangent).rows(rows), weights(m), into: z, accumulate: true)
      }
      addRow(tangent.direction + layout.bias(m), to: z, rows.count, layout.sizes[m])
      stages[m - 1].forwardTangent(tape, tangent, rows)
    }
  }

  /// R{grad_z(m)}, m = L..1, of some rows.
  private func backwardTangent(
    _ tape: Tape<T>, _ tangent: Tangent<T>, _ targets: TargetMemory<T>, _ part: Part<T>
  ) {
    let rows = part.rows
    for m in stride(from: layout.layers, through: 1, by: -1) {
      let gradZ = place(tangent.gradZ, m, rows)
      if m == layout.layers {
        lossTangent(tape, tangent, targets, rows)
      } else {
        multiply(
          gradient(m + 1, tangent).rows(rows), weights(m + 1).transpose, into: gradZ)
        multiply(
          gradient(m + 1, tape).rows(rows), weights(m + 1, tangent).transpose, into: gradZ,
          accumulate: true)
      }
      stages[m - 1].backwardTangent(
        tape, tangent, part, isGiven: m == layout.layers && isFused)
    }
  }

  /// R{grad_a(L)} of some rows, or of a canonical output R{grad_z(L)}.
  private func lossTangent(
    _ tape: Tape<T>, _ tangent: Tangent<T>, _ targets: TargetMemory<T>, _ rows: Range<Int>
  ) {
    let m = layout.layers
    let cols = layout.sizes[m]
    let scale = targets.scale + rows.lowerBound
    let (changeA, grad) = (place(tangent.a, m, rows), place(tangent.gradZ, m, rows))
    guard isFused else {
      return loss.gradientChange(
        place(tape.a, m, rows), targets.t + rows.lowerBound * cols, scale, changeA, grad,
        rows.count, cols)
    }
    for n in 0..<rows.count {
      for i in n * cols..<(n + 1) * cols { grad[i] = scale[n] * changeA[i] }
    }
  }

  /// out ← or += R{grad_W}, R{grad_b}, after every row has its R{grad_z}.
  private func parameterTangents(
    _ tape: Tape<T>, _ tangent: Tangent<T>, _ plan: Plan, accumulate: Bool,
    to out: UnsafeMutablePointer<T>
  ) {
    concurrently(plan.parts) { part in
      for m in 1...layout.layers {
        let share = plan.share(part, of: layout.sizes[m - 1], unit: 8)
        guard !share.isEmpty else { continue }
        let place = out + layout.weights(m) + share.lowerBound * layout.sizes[m]
        multiply(
          activation(m - 1, tape).transpose.rows(share), gradient(m, tangent), into: place,
          accumulate: accumulate)
        guard m > 1 else { continue }
        multiply(
          activation(m - 1, tangent).transpose.rows(share), gradient(m, tape), into: place,
          accumulate: true)
      }
    }
    for m in 1...layout.layers {
      let (place, cols) = (out + layout.bias(m), layout.sizes[m])
      if !accumulate { place.update(repeating: 0, count: cols) }
      addColumns(tangent.gradZ[m - 1], tape.input.rows, cols, to: place)
    }
    normGradients(tape, parts: plan.parts, accumulate: accumulate, to: out)
  }
}
