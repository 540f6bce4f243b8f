/// What stands between z(m) and a(m), and between grad_a(m) and grad_z(m): b(m) and σ, with
/// dropout where the pass has a mask. In a normalised layer `NormStage` does all of it; no subclass,
/// because methods of a generic class that are overridden are compiled for any T as well.
///
/// A network makes one for every layer. It works in blocks of rows that stay in the first-level
/// cache, from the rows of `part` of a tape.
final class Stage<T: Scalar> {
  let m: Int
  /// D(m)
  let cols: Int
  /// Σ D(k), k < m: where the layer's column sums lie among those of a part
  let units: Int
  let kernels: ActivationKernels<T>
  /// b(m) [D(m)]
  let bias: UnsafePointer<T>
  private let normalised: NormStage<T>?

  /// Of layer m, whose parameters lie in `parameters`.
  init(
    _ m: Int, _ kernels: ActivationKernels<T>, _ norm: Norm?, _ layout: Layout,
    _ parameters: Storage<T>
  ) {
    (self.m, self.kernels) = (m, kernels)
    cols = layout.sizes[m]
    units = layout.sizes[1..<m].reduce(0, +)
    bias = UnsafePointer(parameters.base + layout.bias(m))
    if let norm {
      normalised = NormStage(m, kernels, norm, layout, parameters, units: units)
    } else {
      normalised = nil
    }
  }

  /// z ← z + b, a ← σ(z) ⊙ r. Returns the bits of the largest |z|.
  func forward(_ tape: Tape<T>, _ part: Part<T>, _ span: Span) -> T.Bits {
    if let normalised { return normalised.forward(tape, part, span) }
    let start = part.rows.lowerBound * cols
    let (z, a) = (tape.z[m - 1] + start, tape.a[m - 1] + start)
    let mask = tape.masks?.mask(m, T.self)
    var largest: T.Bits = 0
    forEachBlock(part.rows.count, cols) { n, count in
      let (z, a) = (z + n * cols, a + n * cols)
      addRow(bias, to: z, count, cols)
      largest = Swift.max(largest, largestMagnitude(z, count * cols))
      kernels.value(z, a, count, cols)
      mask?.apply(to: a, first: part.rows.lowerBound + n, count, cols)
    }
    return largest
  }

  /// grad_z ← Jᵀ (grad_a ⊙ r), which is grad_a ⊙ σ′(z) without dropout; the part's sums receive
  /// the column sums. Where the loss gave grad_z itself these are all there is to do. Returns
  /// the bits of the largest |grad_z|.
  func backward(_ tape: Tape<T>, _ part: Part<T>, _ span: Span) -> T.Bits {
    if let normalised { return normalised.backward(tape, part, span) }
    let start = part.rows.lowerBound * cols
    let (z, a) = (tape.z[m - 1] + start, tape.a[m - 1] + start)
    let (gradZ, gradA) = (tape.gradZ[m - 1] + start, tape.gradA[m - 1] + start)
    let (sums, isGiven) = (part.sums + units, span.givenAt == m)
    let mask = tape.masks?.mask(m, T.self)
    var largest: T.Bits = 0
    sums.update(repeating: 0, count: cols)
    forEachBlock(part.rows.count, cols) { n, count in
      let start = n * cols
      let (grad, z, a) = (gradZ + start, z + start, a + start)
      if !isGiven {
        if gradA != gradZ { grad.copy(from: gradA + start, count: count * cols) }
        if let mask {
          mask.apply(to: grad, first: part.rows.lowerBound + n, count, cols)
          kernels.maskedGradientInPlace(grad, z, a, mask.keep, count, cols)
        } else {
          kernels.gradientInPlace(grad, z, a, count, cols)
        }
      }
      addColumns(grad, count, cols, to: sums)
      largest = Swift.max(largest, largestMagnitude(grad, count * cols))
    }
    return largest
  }

  // MARK: derivatives to study, without dropout

  /// grad ← grad_z from grad_a, for rows first, first + 1, ... of the pass.
  func pullBack(_ grad: UnsafeMutablePointer<T>, _ tape: Tape<T>, first: Int, _ rows: Int) {
    if let normalised { return normalised.pullBack(grad, tape, first: first, rows) }
    let start = first * cols
    kernels.gradientInPlace(grad, tape.z[m - 1] + start, tape.a[m - 1] + start, rows, cols)
  }

  /// ‖grad_γ‖² + ‖grad_β‖² of row n alone.
  func normSquare(_ tape: Tape<T>, _ n: Int) -> Double {
    normalised?.normSquare(tape, n) ?? 0
  }

  /// R{a} from R{z}, of some rows. The Jacobian of every σ is symmetric, softmax' too.
  func forwardTangent(_ tape: Tape<T>, _ tangent: Tangent<T>, _ rows: Range<Int>) {
    if let normalised { return normalised.forwardTangent(tape, tangent, rows) }
    let start = rows.lowerBound * cols
    kernels.gradient(
      tangent.z[m - 1] + start, tape.z[m - 1] + start, tape.a[m - 1] + start,
      tangent.a[m - 1] + start, rows.count, cols)
  }

  /// R{grad_z} in place of R{grad_a}, of some rows; `isGiven`: it is that already.
  func backwardTangent(
    _ tape: Tape<T>, _ tangent: Tangent<T>, _ part: Part<T>, isGiven: Bool
  ) {
    if let normalised {
      return normalised.backwardTangent(tape, tangent, part, isGiven: isGiven)
    }
    guard !isGiven else { return }
    let start = part.rows.lowerBound * cols
    kernels.gradientChange(
      tangent.gradZ[m - 1] + start, tape.gradA[m - 1] + start, tape.z[m - 1] + start,
      tape.a[m - 1] + start, tangent.z[m - 1] + start, part.rows.count, cols)
  }
}

/// The stages of layers 1..L, in place m − 1.
@inline(never)
func makeStages<T: Scalar>(
  _ activations: [ActivationKernels<T>], _ norms: [Norm?], _ layout: Layout,
  _ parameters: Storage<T>
) -> [Stage<T>] {
  (1...layout.layers).map { m in
    Stage(m, activations[m - 1], norms.isEmpty ? nil : norms[m - 1], layout, parameters)
  }
}
