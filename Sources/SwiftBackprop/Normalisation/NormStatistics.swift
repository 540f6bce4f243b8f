// Where the parts of a pass synchronize: statistics of the whole batch, and the gradients of γ and
// β, from the sums that every part made of its rows.

extension Network {
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
      let (mean, squares) = moments(j, layer, x, plan, memory, rows: rows, cols)
      layer.set(j, mean: mean, variance: squares / Double(rows))
    }
  }

  /// Of unit j μ and Σ(x − μ)² over these rows.
  @inline(__always)
  func moments(
    _ j: Int, _ layer: NormLayer<T>, _ x: UnsafePointer<T>, _ plan: Plan, _ memory: PartMemory<T>,
    rows: Int, _ cols: Int
  ) -> (mean: Double, squares: Double) {
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
    return (mean, squares)
  }

  /// mean(g) and mean(g ⊙ x̂) over all rows.
  private func combineGradients(
    _ layer: NormLayer<T>, _ plan: Plan, _ memory: PartMemory<T>, rows: Int, _ cols: Int
  ) {
    for j in 0..<cols {
      let (sum, product) = gradientSums(j, layer, parts: plan.parts, memory, cols)
      (layer.center[j], layer.slope[j]) = (T(sum / Double(rows)), T(product / Double(rows)))
    }
  }

  /// Of unit j Σ g and Σ g ⊙ x̂ over the rows of all parts.
  @inline(__always)
  func gradientSums(
    _ j: Int, _ layer: NormLayer<T>, parts: Int, _ memory: PartMemory<T>, _ cols: Int
  ) -> (sum: Double, product: Double) {
    var (sum, product) = (0.0, 0.0)
    for part in 0..<parts {
      let sums = memory.norms(part) + layer.norm.sums
      sum += sums[j]
      product += sums[cols + j]
    }
    return (sum, product)
  }

  /// grad_γ(m) and grad_β(m), from the parts' sums, to where they lie from `base` on.
  func normGradients(
    _ tape: Tape<T>, parts: Int, accumulate: Bool, to base: UnsafeMutablePointer<T>
  ) {
    guard tape.norms != nil else { return }
    for m in 1...layout.layers where needsGradients(m, tape) {
      normGradient(m, tape, parts: parts, accumulate: accumulate, to: base)
    }
  }

  /// The same of one layer.
  func normGradient(
    _ m: Int, _ tape: Tape<T>, parts: Int, accumulate: Bool, to base: UnsafeMutablePointer<T>
  ) {
    guard let layer = tape.norms?.layer(m), let memory = partMemory else { return }
    let cols = layout.sizes[m]
    let (gradGamma, gradBeta) = (base + layout.gamma(m), base + layout.beta(m))
    for j in 0..<cols {
      let (sum, product) = gradientSums(j, layer, parts: parts, memory, cols)
      gradGamma[j] = (accumulate ? gradGamma[j] : 0) + T(product)
      gradBeta[j] = (accumulate ? gradBeta[j] : 0) + T(sum)
    }
  }
}

extension NormLayer {
  /// Takes μ and v of unit j.
  @inline(__always)
  func set(_ j: Int, mean: Double, variance v: Double) {
    self.mean[j] = T(mean)
    variance[j] = v
    // NaN, to be seen by the overflow flags, where the variance is beyond the type.
    let isFinite = v < Double(T.greatestFiniteMagnitude)
    scale[j] = isFinite ? T(1 / (v + norm.epsilon).squareRoot()) : .nan
  }
}
