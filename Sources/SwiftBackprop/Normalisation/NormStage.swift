/// The stage of a normalised layer: b, normalisation and σ, or σ first (Normalisation.swift).
///
/// Where the statistics are those of the whole batch, the parts synchronize in between: first
/// each part makes its sums, and the span is suspended at the layer; the next one resumes with
/// the statistics of all.
final class NormStage<T: Scalar> {
  let m: Int
  /// D(m)
  let cols: Int
  /// Σ D(k), k < m
  private let units: Int
  private let kernels: ActivationKernels<T>
  private let bias: UnsafePointer<T>
  let norm: Norm
  /// γ(m) and β(m) [D(m)]
  let gamma, beta: UnsafePointer<T>
  /// Where b(m) lies in a flat buffer
  let vectors: Int

  init(
    _ m: Int, _ kernels: ActivationKernels<T>, _ norm: Norm, _ layout: Layout,
    _ parameters: Storage<T>, units: Int
  ) {
    (self.m, self.kernels, self.norm, self.units) = (m, kernels, norm, units)
    cols = layout.sizes[m]
    vectors = layout.bias(m)
    bias = UnsafePointer(parameters.base + vectors)
    gamma = UnsafePointer(parameters.base + layout.gamma(m))
    beta = UnsafePointer(parameters.base + layout.beta(m))
  }

  /// z ← z + b; u and a ← σ(u) ⊙ r, or σ first. Returns the bits of the largest |z| and
  /// |γ ⊙ x̂ + β|.
  func forward(_ tape: Tape<T>, _ part: Part<T>, _ span: Span) -> T.Bits {
    guard let layer = tape.norms?.layer(m) else { return 0 }
    let first = part.rows.lowerBound
    let (z, a) = (tape.z[m - 1] + first * cols, tape.a[m - 1] + first * cols)
    let (between, isAfter) = (layer.between + first * cols, norm.isAfter)
    let (x, y) = isAfter ? (between, a) : (z, between)
    let (accumulatesStatistics, normalizes) = (span.resumesAt != m, span.suspendsAt != m)
    let mask = tape.masks?.mask(m, T.self)
    let sums = part.norms + norm.sums
    let addsSums = accumulatesStatistics && !normalizes
    if addsSums { sums.update(repeating: 0, count: 2 * cols) }
    var largest: T.Bits = 0
    forEachBlock(part.rows.count, cols) { n, count in
      let start = n * cols
      if accumulatesStatistics {
        if !span.isActivated {
          addRow(bias, to: z + start, count, cols)
          largest = Swift.max(largest, largestMagnitude(z + start, count * cols))
          if isAfter {
            kernels.value(z + start, between + start, count, cols)
          }
        }
        if addsSums {
          addMoments(x + start, from: x, count, cols, to: sums)
        } else if norm.kind == .layer {
          rowMoments(
            x + start, count, cols, T(norm.epsilon), layer.mean + first + n,
            layer.scale + first + n)
        }
      }
      guard normalizes else { return }
      if x != y { (y + start).copy(from: x + start, count: count * cols) }
      largest = Swift.max(largest, normalise(layer, y + start, first: first + n, count))
      if !isAfter { kernels.value(between + start, a + start, count, cols) }
      mask?.apply(to: a + start, first: first + n, count, cols)
    }
    return largest
  }

  /// grad_z from grad_a, or from grad_u where the loss gave that, in the place of grad_z; the
  /// part's sums receive the column sums of grad_z, and those of grad_β and grad_γ. Returns the
  /// bits of the largest gradient.
  func backward(_ tape: Tape<T>, _ part: Part<T>, _ span: Span) -> T.Bits {
    guard let layer = tape.norms?.layer(m) else { return 0 }
    let first = part.rows.lowerBound
    let (z, a) = (tape.z[m - 1] + first * cols, tape.a[m - 1] + first * cols)
    let (gradZ, gradA) = (tape.gradZ[m - 1] + first * cols, tape.gradA[m - 1] + first * cols)
    let (between, isAfter) = (layer.between + first * cols, norm.isAfter)
    let x = UnsafePointer(isAfter ? between : z)
    let (accumulatesStatistics, normalizes) = (span.resumesAt != m, span.suspendsAt != m)
    let (sums, own, isGiven) = (part.sums + units, part.norms + norm.sums, span.givenAt == m)
    let mask = tape.masks?.mask(m, T.self)
    if accumulatesStatistics { own.update(repeating: 0, count: 2 * cols) }
    if normalizes { sums.update(repeating: 0, count: cols) }
    var largest: T.Bits = 0
    forEachBlock(part.rows.count, cols) { n, count in
      let (start, first) = (n * cols, first + n)
      let g = gradZ + start
      if accumulatesStatistics {
        if !isGiven {
          if gradA != gradZ { g.copy(from: gradA + start, count: count * cols) }
          mask?.apply(to: g, first: first, count, cols)
          if !isAfter { pullBack(g, between + start, a + start, mask, count) }
        }
        layer.gradOut.map { ($0 + first * cols).copy(from: g, count: count * cols) }
        largest = Swift.max(
          largest, addGradients(layer, g, x + start, first: first, count, to: own))
      }
      guard normalizes else { return }
      differentiate(layer, g, x + start, first: first, count)
      layer.gradIn.map { ($0 + first * cols).copy(from: g, count: count * cols) }
      if isAfter { kernels.gradientInPlace(g, z + start, between + start, count, cols) }
      addColumns(g, count, cols, to: sums)
      largest = Swift.max(largest, largestMagnitude(g, count * cols))
    }
    return largest
  }

  // MARK: derivatives to study

  func pullBack(
    _ grad: UnsafeMutablePointer<T>, _ tape: Tape<T>, first: Int, _ rows: Int
  ) {
    guard let layer = tape.norms?.layer(m) else { return }
    let (z, a) = (tape.z[m - 1] + first * cols, tape.a[m - 1] + first * cols)
    let between = layer.between + first * cols
    if norm.isAfter {
      differentiate(layer, grad, between, first: first, rows)
      kernels.gradientInPlace(grad, z, between, rows, cols)
    } else {
      kernels.gradientInPlace(grad, between, a, rows, cols)
      differentiate(layer, grad, z, first: first, rows)
    }
  }

  /// ‖grad_γ‖² + ‖grad_β‖² of row n alone.
  func normSquare(_ tape: Tape<T>, _ n: Int) -> Double {
    guard let layer = tape.norms?.layer(m), let gradOut = layer.gradOut else { return 0 }
    let row = NormRow(layer, input(layer, tape) + n * cols, row: n, cols)
    var sum = 0.0
    for j in 0..<cols {
      let (g, unit) = (Double(gradOut[n * cols + j]), Double(row.unit(j)))
      sum += g * g * (1 + unit * unit)
    }
    return sum
  }

  func forwardTangent(_ tape: Tape<T>, _ tangent: Tangent<T>, _ rows: Range<Int>) {
    guard let layer = tape.norms?.layer(m) else { return }
    let start = rows.lowerBound * cols
    let (z, a) = (tangent.z[m - 1], tangent.a[m - 1])
    let (between, change) = (layer.between + start, tangent.between[m - 1])
    if norm.isAfter {
      kernels.gradient(
        z + start, tape.z[m - 1] + start, between, change + start, rows.count, cols)
      normTangent(layer, tape, tangent, change, into: a, rows)
    } else {
      normTangent(layer, tape, tangent, z, into: change, rows)
      kernels.gradient(
        change + start, between, tape.a[m - 1] + start, a + start, rows.count, cols)
    }
  }

  func backwardTangent(
    _ tape: Tape<T>, _ tangent: Tangent<T>, _ part: Part<T>, isGiven: Bool
  ) {
    guard let layer = tape.norms?.layer(m), let gradIn = layer.gradIn else { return }
    let (rows, start) = (part.rows, part.rows.lowerBound * cols)
    let (gradZ, z) = (tangent.gradZ[m - 1], tangent.z[m - 1])
    let (between, change) = (layer.between + start, tangent.between[m - 1])
    if norm.isAfter {
      normGradientTangent(layer, tape, tangent, change, part)
      kernels.gradientChange(
        gradZ + start, gradIn + start, tape.z[m - 1] + start, between, z + start, rows.count, cols)
    } else {
      if !isGiven {
        kernels.gradientChange(
          gradZ + start, tape.gradA[m - 1] + start, between, tape.a[m - 1] + start,
          change + start, rows.count, cols)
      }
      normGradientTangent(layer, tape, tangent, z, part)
    }
  }
}

// The loops by kind of normalisation, for rows first, first + 1, ... of the batch.
extension NormStage {
  /// y ← γ ⊙ (y − μ)/√(v + ε) + β; y [rows, D(m)]. Returns the bits of the largest |y|.
  private func normalise(
    _ layer: NormLayer<T>, _ y: UnsafeMutablePointer<T>, first: Int, _ rows: Int
  ) -> T.Bits {
    switch norm.kind {
    case .batch: return normaliseColumns(y, rows, cols, layer.mean, layer.scale, gamma, beta)
    case .layer:
      return normaliseRows(y, rows, cols, layer.mean + first, layer.scale + first, gamma, beta)
    }
  }

  /// grad ← Jᵀ grad of σ, at z and a = σ(z) ⊙ r.
  private func pullBack(
    _ grad: UnsafeMutablePointer<T>, _ z: UnsafePointer<T>, _ a: UnsafePointer<T>,
    _ mask: Mask<T>?, _ rows: Int
  ) {
    if let mask {
      kernels.maskedGradientInPlace(grad, z, a, mask.keep, rows, cols)
    } else {
      kernels.gradientInPlace(grad, z, a, rows, cols)
    }
  }

  /// The sums of g and of g ⊙ x̂ added to `sums` [2, D(m)]. Returns the bits of the largest |g|.
  private func addGradients(
    _ layer: NormLayer<T>, _ g: UnsafePointer<T>, _ x: UnsafePointer<T>, first: Int, _ rows: Int,
    to sums: UnsafeMutablePointer<Double>
  ) -> T.Bits {
    switch norm.kind {
    case .batch: return addGradientsOfColumns(g, x, rows, cols, layer.mean, layer.scale, to: sums)
    case .layer:
      return addGradientsOfRows(
        g, x, rows, cols, layer.mean + first, layer.scale + first, to: sums)
    }
  }

  /// g ← grad_x from the gradient g by γ ⊙ x̂ + β.
  private func differentiate(
    _ layer: NormLayer<T>, _ g: UnsafeMutablePointer<T>, _ x: UnsafePointer<T>, first: Int,
    _ rows: Int
  ) {
    switch norm.kind {
    case .batch:
      differentiateColumns(
        g, x, rows, cols, layer.mean, layer.scale, gamma, layer.center, layer.slope)
    case .layer:
      differentiateRows(g, x, rows, cols, layer.mean + first, layer.scale + first, gamma)
    }
  }
}
