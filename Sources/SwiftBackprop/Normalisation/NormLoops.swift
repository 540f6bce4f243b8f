// Normalisation one number at a time, for Loops.swift and Vectors.swift. Over k, the numbers that
// are normalised together:
//
//     forward    μ = 1/K Σₖ xₖ, v = 1/K Σₖ (xₖ − μ)²
//                x̂ₖ = (xₖ − μ) / √(v + ε), yₖ = γ x̂ₖ + β
//     backward   hₖ = gradₖ γ
//                grad_xₖ = (hₖ − 1/K Σᵢ hᵢ − x̂ₖ·1/K Σᵢ hᵢ x̂ᵢ) / √(v + ε)
//                grad_γ = Σₙ grad x̂, grad_β = Σₙ grad

extension Network {
  // MARK: forward

  /// a(m) of some rows from their z(m); all rows of the batch where their statistics count.
  func activateNormByLoops(_ m: Int, _ layer: NormLayer<T>, _ tape: Tape<T>, _ rows: Range<Int>) {
    let units = layout.sizes[m]
    let between = { (n: Int) in layer.between + n * units }
    if layer.norm.isAfter {
      for n in rows { activateByLoops(m, row(n, m, tape.z), between(n)) }
    }
    let (x, y) = normSides(m, layer, tape)
    measureByLoops(layer, x, rows, units, isTraining: tape.norms?.usesBatch == true)
    let (gamma, beta) = (gamma(m), beta(m))
    for n in rows {
      for i in 0..<units {
        let unit = normalised(layer, x, n, i, units)
        y[n * units + i] = gamma[i] * unit + beta[i]
      }
    }
    if !layer.norm.isAfter {
      for n in rows { activateByLoops(m, between(n), row(n, m, tape.a)) }
    }
  }

  /// μ and 1/√(v + ε), of each row or of each unit over the rows.
  private func measureByLoops(
    _ layer: NormLayer<T>, _ x: UnsafePointer<T>, _ rows: Range<Int>, _ units: Int,
    isTraining: Bool
  ) {
    func measure(_ count: Int, _ x: (_ k: Int) -> T) -> (mean: T, variance: T) {
      var (sum, squares): (T, T) = (0, 0)
      for k in 0..<count { sum += x(k) }
      let mean = sum / T(count)
      for k in 0..<count { squares += (x(k) - mean) * (x(k) - mean) }
      return (mean, squares / T(count))
    }
    let epsilon = T(layer.norm.epsilon)
    // NaN, to be seen by the overflow flags, where the variance is beyond the type.
    func scale(_ variance: T) -> T {
      variance.isFinite ? 1 / (variance + epsilon).squareRoot() : .nan
    }
    switch layer.norm.kind {
    case .layer:
      for n in rows {
        let (mean, variance) = measure(units) { x[n * units + $0] }
        (layer.mean[n], layer.scale[n]) = (mean, scale(variance))
      }
    case .batch where isTraining:
      for i in 0..<units {
        let (mean, variance) = measure(rows.count) { x[(rows.lowerBound + $0) * units + i] }
        (layer.mean[i], layer.scale[i]) = (mean, scale(variance))
        layer.variance[i] = Double(variance)
      }
    case .batch: break  // the running ones are there
    }
  }

  // MARK: backward

  /// grad_z(m) of some rows from their grad_a(m); `isGiven`: from grad_u(m), which is in the place
  /// of grad_z(m). The sums of grad_γ and grad_β go to the memory of the first part.
  func differentiateNormByLoops(
    _ m: Int, _ layer: NormLayer<T>, _ tape: Tape<T>, _ rows: Range<Int>, isGiven: Bool
  ) {
    guard let sums = partMemory.map({ $0.norms(0) + layer.norm.sums }) else { return }
    let (units, isAfter) = (layout.sizes[m], layer.norm.isAfter)
    let (x, _) = normSides(m, layer, tape)
    if rows.lowerBound == 0 { sums.update(repeating: 0, count: 2 * units) }
    for n in rows {
      let (gradZ, gradA) = (row(n, m, tape.gradZ), row(n, m, tape.gradA))
      if isAfter {
        gradZ.copy(from: gradA, count: units)
      } else if !isGiven {
        pullBackByLoops(m, layer.between + n * units, row(n, m, tape.a), gradA, gradZ)
      }
      for i in 0..<units {
        sums[i] += Double(gradZ[i])
        sums[units + i] += Double(gradZ[i] * normalised(layer, x, n, i, units))
      }
    }
    spreadByLoops(m, layer, tape, x, rows)
    guard isAfter else { return }
    for n in rows {
      let (z, gradZ) = (row(n, m, tape.z), row(n, m, tape.gradZ))
      // softmax reads all of what it overwrites.
      let kernels = activations[m - 1]
      kernels.gradientInPlace(gradZ, z, layer.between + n * units, 1, units)
    }
  }

  /// grad_x in the place of the gradient by γ x̂ + β, in grad_z(m).
  private func spreadByLoops(
    _ m: Int, _ layer: NormLayer<T>, _ tape: Tape<T>, _ x: UnsafePointer<T>, _ rows: Range<Int>
  ) {
    let (units, gamma, grad) = (layout.sizes[m], gamma(m), tape.gradZ[m - 1])
    func spread(_ count: Int, _ place: (_ k: Int) -> (n: Int, i: Int), hasMeans: Bool) {
      var (level, slope): (T, T) = (0, 0)
      for k in 0..<(hasMeans ? count : 0) {
        let (n, i) = place(k)
        let h = grad[n * units + i] * gamma[i]
        level += h / T(count)
        slope += h * normalised(layer, x, n, i, units) / T(count)
      }
      for k in 0..<count {
        let (n, i) = place(k)
        let scale = layer.scale[layer.norm.kind == .layer ? n : i]
        let h = grad[n * units + i] * gamma[i]
        grad[n * units + i] =
          (h - level - normalised(layer, x, n, i, units) * slope) * scale
      }
    }
    if layer.norm.kind == .layer {
      for n in rows { spread(units, { (n, $0) }, hasMeans: true) }
    } else {
      for i in 0..<units {
        spread(
          rows.count, { (rows.lowerBound + $0, i) }, hasMeans: tape.norms?.usesBatch == true)
      }
    }
  }

  /// x̂ᵢ of example n
  private func normalised(
    _ layer: NormLayer<T>, _ x: UnsafePointer<T>, _ n: Int, _ i: Int, _ units: Int
  ) -> T {
    let k = layer.norm.kind == .layer ? n : i
    return (x[n * units + i] - layer.mean[k]) * layer.scale[k]
  }

  /// What goes into the normalisation, and where γ x̂ + β is to be [N, D(m)].
  private func normSides(
    _ m: Int, _ layer: NormLayer<T>, _ tape: Tape<T>
  ) -> (UnsafePointer<T>, UnsafeMutablePointer<T>) {
    layer.norm.isAfter
      ? (UnsafePointer(layer.between), tape.a[m - 1])
      : (UnsafePointer(tape.z[m - 1]), layer.between)
  }
}
