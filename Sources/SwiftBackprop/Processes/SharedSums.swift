// What the processes that share a batch sum, and make of the sums.

extension Network {
  /// grad_W(m), grad_b(m), grad_γ(m) and grad_β(m) from the rows that are here; zeros where no row
  /// is. By one product, as in one process: for every product BLAS copies grad_z(m) anew.
  func gradients(of m: Int, _ tape: Tape<T>, _ shared: SharedBatch<T>) {
    guard shared.count > 0 else {
      return gradWeights(m).update(
        repeating: 0, count: layout.weightCount(m) + layout.vectorCount(m))
    }
    let plan = shared.plan
    concurrently(plan.parts) { part in
      let share = plan.share(part, of: layout.sizes[m - 1], unit: 8)
      if !share.isEmpty { weightGradient(m, tape, share, accumulate: false) }
    }
    biasGradient(m, parts: plan.parts, accumulate: false)
    normGradient(m, tape, parts: plan.parts, accumulate: false, to: gradients.base)
  }

  /// Updates what a piece is the gradient of.
  func apply(_ update: Update, _ piece: SharedBatch<T>.Piece, _ plan: Plan) {
    concurrently(plan.parts) { part in
      let share = plan.share(part, of: piece.rows.count)
      let first = piece.rows.lowerBound
      if !share.isEmpty {
        apply(update, piece.m, first + share.lowerBound..<first + share.upperBound)
      }
    }
    if piece.isLast { applyToBiases(update, piece.m) }
  }

  /// μ and v of a layer with batch norm, over the rows of all processes: first their mean, then the
  /// squares around it, so that nothing is lost where it is large.
  func reduceMoments(
    _ m: Int, _ layer: NormLayer<T>, _ tape: Tape<T>, _ shared: SharedBatch<T>,
    _ call: Continuation<T>
  ) throws(EngineError) {
    let (cols, rows, batch) = (layout.sizes[m], shared.count, Double(shared.batch))
    let (sums, kept) = (shared.sums.base, shared.kept.base)
    try call.once { () throws(EngineError) in
      for j in 0..<2 * cols { kept[j] = 0 }
      if rows > 0, let memory = partMemory {
        let x = layer.norm.isAfter ? layer.between : tape.z[m - 1]
        for j in 0..<cols {
          (kept[j], kept[cols + j]) = moments(
            j, layer, x, shared.plan, memory, rows: rows, cols)
        }
      }
      for j in 0..<cols { sums[j] = Double(rows) * kept[j] }
    }
    try shared.reduce(cols, call)
    try call.once { () throws(EngineError) in
      for j in 0..<cols {
        let mean = sums[j] / batch
        let delta = kept[j] - mean
        kept[j] = mean
        sums[j] = rows > 0 ? kept[cols + j] + Double(rows) * delta * delta : 0
      }
    }
    try shared.reduce(cols, call)
    try call.once { () throws(EngineError) in
      for j in 0..<cols { layer.set(j, mean: kept[j], variance: sums[j] / batch) }
    }
  }

  /// mean(g) and mean(g ⊙ x̂) of a layer with batch norm, over the rows of all processes.
  func reduceGradientSums(
    _ m: Int, _ layer: NormLayer<T>, _ shared: SharedBatch<T>, _ call: Continuation<T>
  ) throws(EngineError) {
    let (cols, batch, sums) = (layout.sizes[m], Double(shared.batch), shared.sums.base)
    try call.once { () throws(EngineError) in
      for j in 0..<2 * cols { sums[j] = 0 }
      guard shared.count > 0, let memory = partMemory else { return }
      for j in 0..<cols {
        (sums[j], sums[cols + j]) = gradientSums(
          j, layer, parts: shared.plan.parts, memory, cols)
      }
    }
    try shared.reduce(2 * cols, call)
    try call.once { () throws(EngineError) in
      for j in 0..<cols {
        (layer.center[j], layer.slope[j]) = (T(sums[j] / batch), T(sums[cols + j] / batch))
      }
    }
  }
}
