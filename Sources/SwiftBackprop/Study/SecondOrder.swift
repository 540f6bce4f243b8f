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
// Partners of a loss give R{grad_z(L)} = wₙ/Σw·R{a(L)}. That is 8 products a layer where
// forward and backward have 3.

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
  /// R{grad_z(m)} in place m − 1, which overwrites R{grad_a(m)}
  let second: [UnsafeMutablePointer<T>]
  private let storage: Storage<T>
  /// Of normalised layers, and R{·} of what stands between their two steps, in place m − 1
  let norms: NormMemory<T>?
  let changeBetween: [UnsafeMutablePointer<T>]
  private let betweens: Storage<T>
  /// v [P], where the products may read it
  let direction: Storage<T>

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
    storage = try Storage(count: rows * layout.unitCount)
    var next = storage.base
    second = (1...layout.layers).map { m in
      defer { next += rows * layout.sizes[m] }
      return next
    }
    norms =
      network.norms.isEmpty ? nil : try NormMemory(network, rows: rows, keepsGradients: true)
    betweens = try Storage(count: rows * network.normUnits / 2)
    var between = betweens.base
    changeBetween = (1...layout.layers).map { m in
      defer { between += network.norm(m) == nil ? 0 : rows * layout.sizes[m] }
      return between
    }
  }

  func tape(_ input: Matrix<T>, _ network: Network<T>) -> Tape<T> {
    Tape(
      input: input, z: forward.z, a: forward.a, gradZ: backward.z, gradA: backward.a,
      norms: norms?.begin(network, training: false))
  }
}

extension Network {
  /// The Hessian of C times v [P] into out [P], from where `walk` is: each block of rows adds
  /// its share, and the first row begins with zero.
  func hessianProduct(
    _ x: Source, _ y: Source, weights rowWeights: Source?, _ v: Source,
    into out: UnsafeMutablePointer<T>, _ walk: inout BlockIterator
  ) throws(EngineError) {
    try check(walk, over: x)
    let memory = try secondOrderMemory(rows: x.rows)
    try read(v, into: memory.direction)
    let targets = try WalkTargets(
      self, x: x, y: y, weights: rowWeights, perExample: false, memory: memory.targets)
    try self.walk(&walk, over: x, most: memory.rows, scratch: memory.x.base) {
      (input, rows) throws(EngineError) in
      try targets.read(rows, into: memory.targets)
      let tape = memory.tape(input, self)
      try withThreads(rows: rows.count, work: 8 * workPerRow * Double(rows.count)) {
        (plan) throws(EngineError) in
        try check(
          overRows(plan, rows.count) { part, flags in
            forward(tape, part, &flags)
            backward(tape, memory.targets, part, &flags)
            forwardTangent(tape, memory, part.rows)
            backwardTangent(tape, memory, part)
          })
        parameterChanges(tape, memory, plan, accumulate: rows.lowerBound > 0, to: out)
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
        "v has shape \(v.shape), but the network has P = \(count) parameters: "
          + "wanted (\(count),), in the order of net.parameters")
    }
    v.read(RowSelection(0..<count), into: direction.base)
    guard largestMagnitude(direction.base, count) < T.infinityBits else {
      throw .value("v contains NaN or infinity (or a value beyond the network's dtype)")
    }
  }

  /// V(m)ᵀ [D(m−1), D(m)]
  private func weights(_ m: Int, of direction: Storage<T>) -> Matrix<T> {
    Matrix(direction.base + layout.weights(m), layout.sizes[m - 1], layout.sizes[m])
  }

  /// R{z(m)} and R{a(m)}, m = 1..L, of some rows.
  private func forwardTangent(
    _ tape: Tape<T>, _ memory: SecondOrderMemory<T>, _ rows: Range<Int>
  ) {
    for m in 1...layout.layers {
      let (cols, before) = (layout.sizes[m], layout.sizes[m - 1])
      let start = rows.lowerBound * cols
      let (changeZ, changeA) = (memory.change.z[m - 1] + start, memory.change.a[m - 1] + start)
      multiply(
        input(m, tape).rows(rows.lowerBound, rows.upperBound), weights(m, of: memory.direction),
        into: changeZ)
      if m > 1 {
        let changeBefore = memory.change.a[m - 2] + rows.lowerBound * before
        multiply(
          Matrix(changeBefore, rows.count, before), weights(m), into: changeZ, accumulate: true)
      }
      addRow(memory.direction.base + layout.bias(m), to: changeZ, rows.count, cols)
      changeActivation(m, tape, memory, changeZ, changeA, rows)
    }
  }

  /// R{a(m)} from R{z(m)}, of some rows. The Jacobian of every σ is symmetric, softmax' too.
  private func changeActivation(
    _ m: Int, _ tape: Tape<T>, _ memory: SecondOrderMemory<T>, _ changeZ: UnsafePointer<T>,
    _ changeA: UnsafeMutablePointer<T>, _ rows: Range<Int>
  ) {
    let cols = layout.sizes[m]
    let start = rows.lowerBound * cols
    let (z, a, kernels) = (tape.z[m - 1] + start, tape.a[m - 1] + start, activations[m - 1])
    guard let layer = tape.norms?.layer(m) else {
      return kernels.gradient(changeZ, z, a, changeA, rows.count, cols)
    }
    let (between, change) = (layer.between + start, memory.changeBetween[m - 1])
    let direction = memory.direction
    if layer.norm.isAfter {
      kernels.gradient(changeZ, z, between, change + start, rows.count, cols)
      normTangent(m, layer, tape, direction, change, into: memory.change.a[m - 1], rows)
    } else {
      normTangent(m, layer, tape, direction, memory.change.z[m - 1], into: change, rows)
      kernels.gradient(change + start, between, a, changeA, rows.count, cols)
    }
  }

  /// R{grad_z(m)}, m = L..1, of some rows.
  private func backwardTangent(
    _ tape: Tape<T>, _ memory: SecondOrderMemory<T>, _ part: Part<T>
  ) {
    let rows = part.rows
    for m in stride(from: layout.layers, through: 1, by: -1) {
      let cols = layout.sizes[m]
      let start = rows.lowerBound * cols
      let second = memory.second[m - 1] + start
      if m < layout.layers {
        let next = layout.sizes[m + 1]
        let above = rows.lowerBound * next
        multiply(
          Matrix(memory.second[m] + above, rows.count, next), weights(m + 1).transpose,
          into: second)
        multiply(
          Matrix(tape.gradZ[m] + above, rows.count, next),
          weights(m + 1, of: memory.direction).transpose, into: second, accumulate: true)
      } else {
        changeOutput(tape, memory, rows, second)
      }
      changeDerivative(m, tape, memory, part, isGiven: m == layout.layers && isFused)
    }
  }

  /// R{grad_z(m)} in place of R{grad_a(m)}, of some rows; `isGiven`: it is that of what σ takes
  /// in already.
  private func changeDerivative(
    _ m: Int, _ tape: Tape<T>, _ memory: SecondOrderMemory<T>, _ part: Part<T>, isGiven: Bool
  ) {
    let (rows, cols) = (part.rows, layout.sizes[m])
    let start = rows.lowerBound * cols
    let (z, a, gradA) = (
      tape.z[m - 1] + start, tape.a[m - 1] + start, tape.gradA[m - 1] + start
    )
    let (second, changeZ) = (memory.second[m - 1], memory.change.z[m - 1])
    let (kernels, direction) = (activations[m - 1], memory.direction)
    guard let layer = tape.norms?.layer(m) else {
      if isGiven { return }
      return kernels.gradientChange(
        second + start, gradA, z, a, changeZ + start, rows.count, cols)
    }
    let (between, change) = (layer.between + start, memory.changeBetween[m - 1])
    let sums = part.norms + layer.norm.sums
    if let gradIn = layer.gradIn, layer.norm.isAfter {
      changeNormGradient(m, layer, tape, direction, change, second, rows, to: sums)
      kernels.gradientChange(
        second + start, gradIn + start, z, between, changeZ + start, rows.count, cols)
    } else {
      if !isGiven {
        kernels.gradientChange(
          second + start, gradA, between, a, change + start, rows.count, cols)
      }
      changeNormGradient(m, layer, tape, direction, changeZ, second, rows, to: sums)
    }
  }

  /// R{grad_a(L)} of some rows, or for partners R{grad_z(L)}.
  private func changeOutput(
    _ tape: Tape<T>, _ memory: SecondOrderMemory<T>, _ rows: Range<Int>,
    _ second: UnsafeMutablePointer<T>
  ) {
    let m = layout.layers
    let cols = layout.sizes[m]
    let start = rows.lowerBound * cols
    let scale = memory.targets.scale + rows.lowerBound
    let changeA = memory.change.a[m - 1] + start
    guard isFused else {
      return loss.gradientChange(
        tape.a[m - 1] + start, memory.targets.t + start, scale, changeA, second, rows.count, cols)
    }
    for n in 0..<rows.count {
      for i in n * cols..<(n + 1) * cols { second[i] = scale[n] * changeA[i] }
    }
  }

  /// out ← or += R{grad_W}, R{grad_b}, after every row has its R{grad_z}.
  private func parameterChanges(
    _ tape: Tape<T>, _ memory: SecondOrderMemory<T>, _ plan: Plan, accumulate: Bool,
    to out: UnsafeMutablePointer<T>
  ) {
    let rows = tape.input.rows
    concurrently(plan.parts) { part in
      for m in 1...layout.layers {
        let (cols, before) = (layout.sizes[m], layout.sizes[m - 1])
        let share = plan.share(part, of: before, unit: 8)
        guard !share.isEmpty else { continue }
        let place = out + layout.weights(m) + share.lowerBound * cols
        multiply(
          input(m, tape).transpose.rows(share.lowerBound, share.upperBound),
          Matrix(memory.second[m - 1], rows, cols), into: place, accumulate: accumulate)
        guard m > 1 else { continue }
        multiply(
          Matrix(memory.change.a[m - 2], rows, before).transpose
            .rows(share.lowerBound, share.upperBound),
          Matrix(tape.gradZ[m - 1], rows, cols), into: place, accumulate: true)
      }
    }
    for m in 1...layout.layers {
      let (place, cols) = (out + layout.bias(m), layout.sizes[m])
      if !accumulate { place.update(repeating: 0, count: cols) }
      addColumns(memory.second[m - 1], rows, cols, to: place)
    }
    normGradients(tape, parts: plan.parts, accumulate: accumulate, to: out)
  }
}
