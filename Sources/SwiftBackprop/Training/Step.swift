import CBridge

extension Network {
  /// One update from the gradients, which stay as they are.
  func step() throws(EngineError) {
    let largest = largestMagnitude(gradients.base, gradients.count)
    guard gradientState != .spoiled else {
      throw .order("the last backward failed and left no gradients: call backward again")
    }
    guard gradientState != .none || largest != 0 else {
      throw .order("call backward first: there are no gradients yet")
    }
    guard largest < T.infinityBits else {
      throw .diverged("the gradients contain NaN or infinity; no step was made")
    }
    // With Σw = 0 there is nothing to learn, and no update.
    if gradientState != .weightless || largest != 0 {
      // Some six operations a parameter, which wait for memory.
      try withThreads(rows: layout.parameterCount, work: 24 * Double(layout.parameterCount)) {
        (plan) throws(EngineError) in
        try update(plan, isHarmless: isHarmless(bound: Double(T(bits: largest))))
      }
    }
    pass?.state = .spent
  }

  /// What an update from a tape has written.
  enum Made { case everything, parametersOnly }

  /// The gradients of a pass and the update from them; together where nothing lies between,
  /// so that every g is used while it is in the cache; grad_W itself is only kept if
  /// `keepsGradients`.
  func update(
    _ tape: Tape<T>, _ plan: Plan, isHarmless: Bool, keepsGradients: Bool
  ) throws(EngineError) -> Made {
    gradientState = .ready
    guard isHarmless, clipNorm == 0, let memory = partMemory else {
      parameterGradients(tape, plan, accumulate: false)
      try update(plan, isHarmless: isHarmless)
      return .everything
    }
    biasGradients(tape, parts: plan.parts, accumulate: false)
    let update = preparedUpdate()
    let rate = descentRate(update, keepsGradients: keepsGradients)
    concurrently(plan.parts) { part in
      for m in 1...layout.layers where trains(m) {
        let share = plan.share(part, of: layout.sizes[m - 1], unit: 8)
        guard !share.isEmpty else { continue }
        learn(
          update, m, tape, share, rate: rate, panel: keepsGradients ? nil : memory.panel(part))
      }
      if part == 0 { applyToBiases(update) }
    }
    limitRows(plan.parts)
    return keepsGradients ? .everything : .parametersOnly
  }

  /// lr where the update is plain descent, of which no gradient need be left; else nil.
  func descentRate(_ update: Update, keepsGradients: Bool) -> T? {
    update.weights.areNone && !keepsGradients ? optimizer.descentRate : nil
  }

  /// grad_W(m) and the update of W(m), in rows `share` of W(m)ᵀ.
  func learn(
    _ update: Update, _ m: Int, _ tape: Tape<T>, _ share: Range<Int>, rate: T?,
    panel: UnsafeMutablePointer<T>?
  ) {
    if let rate {
      descend(m, tape, share, rate: rate)
    } else {
      apply(update, m, tape, share, panel: panel)
    }
  }

  /// One update of everything. Where a number might overflow it is made on probation, and
  /// taken back if one did.
  func update(_ plan: Plan, isHarmless: Bool) throws(EngineError) {
    guard !isHarmless else {
      let update = preparedUpdate()
      concurrently(plan.parts) { part in
        for m in 1...layout.layers where trains(m) {
          apply(update, m, plan.share(part, of: layout.sizes[m - 1]))
        }
        if part == 0 { applyToBiases(update) }
      }
      return limitRows(plan.parts)
    }
    try checkGradients()
    var kept: [Storage<T>] = []
    for storage in [parameters] + slots {
      kept.append(try Storage(count: storage.count))
      kept[kept.count - 1].copy(from: storage)
    }
    let update = preparedUpdate()
    for m in 1...layout.layers where trains(m) { apply(update, m, 0..<layout.sizes[m - 1]) }
    applyToBiases(update)
    for storage in [parameters] + slots
    where largestMagnitude(storage.base, storage.count) >= T.infinityBits {
      parameters.copy(from: kept[0])
      for (slot, old) in zip(slots, kept.dropFirst()) { slot.copy(from: old) }
      steps -= 1
      throw EngineError.infiniteStep
    }
    limitRows(plan.parts)
  }

  /// Makes grad_W(m) and updates W(m), in rows `share` of W(m)ᵀ, a panel at a time: its numbers
  /// are still in a cache when they are used, and with memory for it they are never anywhere else.
  private func apply(
    _ update: Update, _ m: Int, _ tape: Tape<T>, _ share: Range<Int>,
    panel: UnsafeMutablePointer<T>?
  ) {
    let cols = layout.sizes[m]
    guard let shape = panelShape(m, tape, share) else {
      weightGradient(m, tape, share, accumulate: false)
      return apply(update, m, share)
    }
    // In the gradients themselves rows are whole.
    let width = panel == nil ? cols : shape.cols
    for first in stride(from: share.lowerBound, to: share.upperBound, by: shape.rows) {
      let rows = first..<Swift.min(first + shape.rows, share.upperBound)
      for left in stride(from: 0, to: cols, by: width) {
        let columns = left..<Swift.min(left + width, cols)
        let start = first * cols + left
        assert(panel == nil || rows.count * columns.count <= PartMemory<T>.widePanelSize)
        let g = panel ?? gradWeights(m) + start
        addOuterProducts(m, tape, rows, columns, to: g, accumulate: false, factor: 1)
        // Whole rows lie side by side.
        let runs = columns.count == cols ? 1 : rows.count
        let run = rows.count * columns.count / runs
        for row in 0..<runs {
          apply(
            update.factors, layout.weights(m) + start + row * cols, g + row * run, run,
            update.weights)
        }
      }
    }
  }

  /// W(m)ᵀ ← W(m)ᵀ − rate·a(m−1)ᵀ grad_z(m), its rows `share` of D(m−1): a step of plain
  /// descent, without the gradient in between.
  private func descend(_ m: Int, _ tape: Tape<T>, _ share: Range<Int>, rate: T) {
    let start = layout.weights(m) + share.lowerBound * layout.sizes[m]
    addOuterProducts(
      m, tape, share, 0..<layout.sizes[m], to: parameters.base + start, accumulate: true,
      factor: -rate)
  }

  /// out [rows, columns] ← or += factor·a(m−1)ᵀ grad_z(m), some rows of D(m−1) and columns of D(m).
  private func addOuterProducts(
    _ m: Int, _ tape: Tape<T>, _ rows: Range<Int>, _ columns: Range<Int>,
    to out: UnsafeMutablePointer<T>, accumulate: Bool, factor: T
  ) {
    let gradZ = Matrix(
      tape.gradZ[m - 1] + columns.lowerBound, tape.input.rows, columns.count,
      stride: layout.sizes[m])
    multiply(
      activation(m - 1, tape).transpose.rows(rows), gradZ, into: out, accumulate: accumulate,
      factor: factor, in: precision(m, tape))
  }

  /// Rows and columns of grad_W(m)ᵀ, of its rows `share`, that are made at a time; nil for all.
  private func panelShape(
    _ m: Int, _ tape: Tape<T>, _ share: Range<Int>
  ) -> (rows: Int, cols: Int)? {
    let cols = layout.sizes[m]
    let a = activation(m - 1, tape).transpose.rows(0, share.count)
    let kernel = a.productKernel(gradient(m, tape), in: precision(m, tape))
    switch kernel {
    case .tiles:
      let rows = PartMemory<T>.panelSize / cols & ~7
      return rows > 0 ? (rows, cols) : nil
    case .packed, .roundedByTiles, .roundedByDot, .rounded:
      let isPacked = kernel == .packed
      let rowUnit = isPacked ? tileRows : Int(SB_BF16_SIDE)
      // grad_z is packed for every panel: with many panels of a few rows that would take too long.
      let maxRows = Swift.max(
        PartMemory<T>.widePanelRows, PartMemory<T>.packedPanelSize / cols & -rowUnit)
      let rows = evenly(share.count, maxRows, unit: rowUnit)
      let strip = isPacked ? Blocks<T>.cols : Int(SB_BF16_SIDE)
      let strips = Swift.max(1, PartMemory<T>.widePanelSize / rows / strip)
      return (rows, evenly(cols, strips * strip, unit: strip))
    default: return nil
    }
  }

  /// What one update needs to know: its factors, and how g is clipped and W penalised.
  struct Update {
    let factors: (Double, Double)
    let weights, biases: Penalties<T>
  }

  /// Counts the update and measures the gradient, if it is to be clipped.
  func preparedUpdate() -> Update {
    steps += 1
    let clip = clipFactor()
    return Update(
      factors: optimizer.factors(steps),
      weights: Penalties(
        clip: clip, l1: T(l1 * penaltyShare), l2: T(l2 * penaltyShare),
        decays: optimizer.decay != 0),
      biases: Penalties(clip: clip))
  }

  /// Updates rows `share` of W(m)ᵀ.
  func apply(_ update: Update, _ m: Int, _ share: Range<Int>) {
    let cols = layout.sizes[m]
    let start = layout.weights(m) + share.lowerBound * cols
    apply(update.factors, start, gradients.base + start, share.count * cols, update.weights)
  }

  /// Updates every b, γ and β.
  func applyToBiases(_ update: Update) {
    for m in 1...layout.layers where trains(m) { applyToBiases(update, m) }
  }

  /// Updates b(m), γ(m) and β(m).
  func applyToBiases(_ update: Update, _ m: Int) {
    apply(update.factors, layout.bias(m), gradBias(m), layout.vectorCount(m), update.biases)
  }

  /// Updates the parameters from `start` with the gradient g [count].
  private func apply(
    _ factors: (Double, Double), _ start: Int, _ g: UnsafePointer<T>, _ count: Int,
    _ penalties: Penalties<T>
  ) {
    let first = slots.count > 0 ? slots[0].base : parameters.base
    let second = slots.count > 1 ? slots[1].base : parameters.base
    optimizer.update(
      factors, parameters.base + start, g, first + start, second + start, count, penalties)
  }

  /// min(1, c / ‖g‖₂), one norm over all gradients of layers that are trained.
  private func clipFactor() -> T {
    guard clipNorm > 0 else { return 1 }
    let norm = gradientNorm()
    return norm > clipNorm ? T(clipNorm / norm) : 1
  }

  private func gradientNorm() -> Double {
    var squares = 0.0
    forEachTrained { start, count in squares += sumOfSquares(gradients.base + start, count) }
    if squares.isFinite { return Double.sqrt(squares) }
    // Squares of numbers beyond 1e154 overflow: taken relative to the largest.
    let largest = T(bits: largestMagnitude(gradients.base, gradients.count))
    var sum = 0.0
    forEachTrained { start, count in
      for i in start..<start + count {
        let share = Double(gradients.base[i] / largest)
        sum += share * share
      }
    }
    return Double(largest) * Double.sqrt(sum)
  }

  /// ½·l2·Σ‖W‖² + l1·Σ|W|, the part of the objective beside C.
  func penalty() -> Double {
    guard l1 != 0 || l2 != 0 else { return 0 }
    var sum = 0.0
    for m in 1...layout.layers {
      let (weights, count) = (weights(m).base, layout.weightCount(m))
      if l2 != 0 { sum += 0.5 * l2 * sumOfSquares(weights, count) }
      if l1 != 0 { sum += l1 * sumOfMagnitudes(weights, count) }
    }
    return sum
  }
}

/// The size of the pieces of `count`, in multiples of `unit`: of `maxSize` at most, which is such a
/// multiple, and all of about the same size, so that the same tiles make them.
private func evenly(_ count: Int, _ maxSize: Int, unit: Int) -> Int {
  let pieces = (count + maxSize - 1) / maxSize
  return ((count + pieces - 1) / pieces + unit - 1) / unit * unit
}
