// What a pass does in a normalised layer, in blocks of rows like `activate` and `differentiate` in
// Backprop.swift. Where the statistics are those of the whole batch, the parts synchronize in
// between: first each part makes its sums, then it goes on with those of all.

extension Network {
  /// z ← z + b; u and a ← σ(u) ⊙ r, or σ first. `accumulatesStatistics`: makes z and its
  /// statistics, or the part's sums towards them; `normalizes`: normalises by them. Returns the bits of the largest
  /// |z| and |γ ⊙ x̂ + β|.
  func activate(
    _ m: Int, _ layer: NormLayer<T>, _ z: UnsafeMutablePointer<T>, _ a: UnsafeMutablePointer<T>,
    _ part: Part<T>, _ mask: Mask<T>?, accumulatesStatistics: Bool, normalizes: Bool
  ) -> T.Bits {
    let (cols, rows) = (layout.sizes[m], part.rows)
    let kernels = activations[m - 1]
    let between = layer.between + rows.lowerBound * cols
    let isAfter = layer.norm.isAfter
    let (x, y) = isAfter ? (between, a) : (z, between)
    let sums = part.norms + layer.norm.sums
    let addsSums = accumulatesStatistics && !normalizes
    if addsSums { sums.update(repeating: 0, count: 2 * cols) }
    var largest: T.Bits = 0
    forEachBlock(rows.count, cols) { n, count in
      let start = n * cols
      if accumulatesStatistics {
        addRow(bias(m), to: z + start, count, cols)
        largest = Swift.max(largest, largestMagnitude(z + start, count * cols))
        if isAfter { kernels.value(z + start, between + start, count, cols, inPlace: z == between) }
        if addsSums {
          addMoments(x + start, from: x, count, cols, to: sums)
        } else if layer.norm.kind == .layer {
          rowMoments(
            x + start, count, cols, T(layer.norm.epsilon), layer.mean + rows.lowerBound + n,
            layer.scale + rows.lowerBound + n)
        }
      }
      guard normalizes else { return }
      if x != y { (y + start).copy(from: x + start, count: count * cols) }
      largest = Swift.max(
        largest, normalise(m, layer, y + start, first: rows.lowerBound + n, count))
      if !isAfter { kernels.value(between + start, a + start, count, cols, inPlace: between == a) }
      mask?.apply(to: a + start, first: rows.lowerBound + n, count, cols)
    }
    return largest
  }

  /// y ← γ ⊙ (y − μ)/√(v + ε) + β for rows first, first + 1, ... of the batch; y [rows, D(m)].
  /// Returns the bits of the largest |y|.
  func normalise(
    _ m: Int, _ layer: NormLayer<T>, _ y: UnsafeMutablePointer<T>, first: Int, _ rows: Int
  ) -> T.Bits {
    let cols = layout.sizes[m]
    switch layer.norm.kind {
    case .batch:
      return normaliseColumns(y, rows, cols, layer.mean, layer.scale, gamma(m), beta(m))
    case .layer:
      return normaliseRows(
        y, rows, cols, layer.mean + first, layer.scale + first, gamma(m), beta(m))
    }
  }

  /// grad_z from grad_a; without `gradA` the loss gave grad_u(L) itself, in `gradZ`.
  /// `accumulatesStatistics` and `normalizes` as in `activate`; `sums` [D(m)] receives the column sums of grad_z, the part's own
  /// sums those of grad_β and grad_γ. Returns the bits of the largest gradient.
  func differentiate(
    _ m: Int, _ layer: NormLayer<T>, gradA: UnsafeMutablePointer<T>?, _ z: UnsafePointer<T>,
    _ a: UnsafePointer<T>, gradZ: UnsafeMutablePointer<T>, _ part: Part<T>,
    _ sums: UnsafeMutablePointer<T>, _ mask: Mask<T>?, accumulatesStatistics: Bool, normalizes: Bool
  ) -> T.Bits {
    let (cols, rows) = (layout.sizes[m], part.rows)
    let between = UnsafePointer(layer.between + rows.lowerBound * cols)
    let isAfter = layer.norm.isAfter
    let x = isAfter ? between : z
    let own = part.norms + layer.norm.sums
    if accumulatesStatistics { own.update(repeating: 0, count: 2 * cols) }
    if normalizes { sums.update(repeating: 0, count: cols) }
    var largest: T.Bits = 0
    forEachBlock(rows.count, cols) { n, count in
      let (start, first) = (n * cols, rows.lowerBound + n)
      let g = gradZ + start
      if accumulatesStatistics {
        if let gradA {
          if gradA != gradZ { g.copy(from: gradA + start, count: count * cols) }
          mask?.apply(to: g, first: first, count, cols)
          if !isAfter { pullBack(m, g, between + start, a + start, mask, count) }
        }
        layer.gradOut.map { ($0 + first * cols).copy(from: g, count: count * cols) }
        largest = Swift.max(
          largest, addGradients(layer, g, x + start, first: first, count, cols, to: own))
      }
      guard normalizes else { return }
      differentiate(m, layer, g, x + start, first: first, count)
      layer.gradIn.map { ($0 + first * cols).copy(from: g, count: count * cols) }
      if isAfter { activations[m - 1].gradientInPlace(g, z + start, between + start, count, cols) }
      addColumns(g, count, cols, to: sums)
      largest = Swift.max(largest, largestMagnitude(g, count * cols))
    }
    return largest
  }

  /// grad ← Jᵀ grad of σ, at z and a = σ(z) ⊙ r.
  private func pullBack(
    _ m: Int, _ grad: UnsafeMutablePointer<T>, _ z: UnsafePointer<T>, _ a: UnsafePointer<T>,
    _ mask: Mask<T>?, _ rows: Int
  ) {
    let (kernels, cols) = (activations[m - 1], layout.sizes[m])
    if let mask {
      kernels.maskedGradientInPlace(grad, z, a, mask.keep, rows, cols)
    } else {
      kernels.gradientInPlace(grad, z, a, rows, cols)
    }
  }

  /// The sums of g and of g ⊙ x̂ over rows first, first + 1, ..., added to `sums` [2, D(m)].
  /// Returns the bits of the largest |g|.
  private func addGradients(
    _ layer: NormLayer<T>, _ g: UnsafePointer<T>, _ x: UnsafePointer<T>, first: Int, _ rows: Int,
    _ cols: Int, to sums: UnsafeMutablePointer<Double>
  ) -> T.Bits {
    switch layer.norm.kind {
    case .batch: return addGradientsOfColumns(g, x, rows, cols, layer.mean, layer.scale, to: sums)
    case .layer:
      return addGradientsOfRows(
        g, x, rows, cols, layer.mean + first, layer.scale + first, to: sums)
    }
  }

  /// g ← grad_x from the gradient g by γ ⊙ x̂ + β, for rows first, first + 1, ... of the batch.
  func differentiate(
    _ m: Int, _ layer: NormLayer<T>, _ g: UnsafeMutablePointer<T>, _ x: UnsafePointer<T>,
    first: Int, _ rows: Int
  ) {
    let cols = layout.sizes[m]
    switch layer.norm.kind {
    case .batch:
      differentiateColumns(
        g, x, rows, cols, layer.mean, layer.scale, gamma(m), layer.center, layer.slope)
    case .layer:
      differentiateRows(g, x, rows, cols, layer.mean + first, layer.scale + first, gamma(m))
    }
  }

  // MARK: where the parts synchronize

  /// Makes of the parts' sums what the next segment needs.
  func synchronize(_ tape: Tape<T>, _ plan: Plan, after segment: Int) {
    guard let m = tape.stop(after: segment), let layer = tape.norms?.layer(m),
      let memory = partMemory
    else { return }
    if segment < 0 {
      let x = layer.norm.isAfter ? layer.between : tape.z[m - 1]
      combineMoments(layer, x, plan, memory, rows: tape.input.rows, layout.sizes[m])
    } else {
      combineGradients(layer, plan, memory, rows: tape.input.rows, layout.sizes[m])
    }
  }

  /// μ, v and 1/√(v + ε) of all rows, from the parts' sums of x − k and (x − k)², where k is
  /// their first row: by the formulas of Chan, Golub and LeVeque, "Algorithms for computing the
  /// sample variance", 1983.
  private func combineMoments(
    _ layer: NormLayer<T>, _ x: UnsafePointer<T>, _ plan: Plan, _ memory: PartMemory<T>,
    rows: Int, _ cols: Int
  ) {
    for j in 0..<cols {
      var (total, mean, squares) = (0.0, 0.0, 0.0)
      for part in 0..<plan.parts {
        let share = plan.share(part, of: rows)
        guard !share.isEmpty else { continue }
        let (sums, count) = (memory.norms(part) + layer.norm.sums, Double(share.count))
        let (sum, square) = (sums[j], sums[cols + j])
        let delta = Double(x[share.lowerBound * cols + j]) + sum / count - mean
        squares +=
          Swift.max(square - sum * sum / count, 0) + delta * delta * total * count / (total + count)
        total += count
        mean += delta * count / total
      }
      let variance = squares / total
      layer.mean[j] = T(mean)
      layer.variance[j] = variance
      // NaN, to be seen by the overflow flags, where the variance is beyond the type.
      let isFinite = variance < Double(T.greatestFiniteMagnitude)
      layer.scale[j] = isFinite ? T(1 / (variance + layer.norm.epsilon).squareRoot()) : .nan
    }
  }

  /// mean(g) and mean(g ⊙ x̂) over all rows.
  private func combineGradients(
    _ layer: NormLayer<T>, _ plan: Plan, _ memory: PartMemory<T>, rows: Int, _ cols: Int
  ) {
    for j in 0..<cols {
      var (sum, product) = (0.0, 0.0)
      for part in 0..<plan.parts {
        let sums = memory.norms(part) + layer.norm.sums
        sum += sums[j]
        product += sums[cols + j]
      }
      (layer.center[j], layer.slope[j]) = (T(sum / Double(rows)), T(product / Double(rows)))
    }
  }

  /// grad_γ(m) and grad_β(m), from the parts' sums, to where they lie from `base` on.
  func normGradients(
    _ tape: Tape<T>, parts: Int, accumulate: Bool, to base: UnsafeMutablePointer<T>
  ) {
    guard let norms = tape.norms, let memory = partMemory else { return }
    for m in 1...layout.layers where wants(m, tape) {
      guard let layer = norms.layer(m) else { continue }
      let cols = layout.sizes[m]
      let (gradGamma, gradBeta) = (base + layout.gamma(m), base + layout.beta(m))
      for j in 0..<cols {
        var (sum, product) = (0.0, 0.0)
        for part in 0..<parts {
          let sums = memory.norms(part) + layer.norm.sums
          sum += sums[j]
          product += sums[cols + j]
        }
        gradGamma[j] = (accumulate ? gradGamma[j] : 0) + T(product)
        gradBeta[j] = (accumulate ? gradBeta[j] : 0) + T(sum)
      }
    }
  }
}

extension ActivationKernels {
  /// a ← σ(z), which may be the same memory.
  func value(
    _ z: UnsafeMutablePointer<T>, _ a: UnsafeMutablePointer<T>, _ rows: Int, _ cols: Int,
    inPlace: Bool
  ) {
    if inPlace { valueInPlace(a, rows, cols) } else { value(z, a, rows, cols) }
  }
}
