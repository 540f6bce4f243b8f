// What derivatives to study want of normalised layers, in evaluation: the squares of one example's
// gradients, and R{·} of SecondOrder.swift. Along R{x},
//
//     R{x̂} = s·(R{x} − mean(R{x}) − x̂·mean(x̂ ⊙ R{x})), s = 1/√(v + ε), R{s} = −s²·mean(x̂ ⊙ R{x})
//
// and of grad_x = s·(h − mean(h) − x̂·mean(h ⊙ x̂)), h = g ⊙ γ, every factor moves. Batch norm has
// no means in evaluation: μ and s stand still.

/// One row of a normalised layer.
struct NormRow<T: Scalar> {
  let x: UnsafePointer<T>
  let cols: Int
  private let mean, scale: UnsafePointer<T>
  /// 1 where every column has its own mean and scale, 0 where the row has one
  private let step: Int

  init(_ layer: NormLayer<T>, _ x: UnsafePointer<T>, row: Int, _ cols: Int) {
    let isRow = layer.norm.kind == .layer
    (self.x, self.cols, step) = (x, cols, isRow ? 0 : 1)
    mean = UnsafePointer(layer.mean + (isRow ? row : 0))
    scale = UnsafePointer(layer.scale + (isRow ? row : 0))
  }

  func s(_ j: Int) -> T { scale[j &* step] }
  /// x̂
  func unit(_ j: Int) -> T { (x[j] - mean[j &* step]) * scale[j &* step] }

  /// mean(y) and mean(x̂ ⊙ y), 0 of batch norm.
  func means(_ y: (_ j: Int) -> T) -> (T, T) {
    guard step == 0 else { return (0, 0) }
    var (sum, product) = (0.0, 0.0)
    for j in 0..<cols {
      sum += Double(y(j))
      product += Double(y(j)) * Double(unit(j))
    }
    return (T(sum / Double(cols)), T(product / Double(cols)))
  }
}

extension NormStage {
  /// What the layer normalises [N, D(m)].
  func input(_ layer: NormLayer<T>, _ tape: Tape<T>) -> UnsafePointer<T> {
    UnsafePointer(norm.isAfter ? layer.between : tape.z[m - 1])
  }

  /// R{γ ⊙ x̂ + β} = R{γ} ⊙ x̂ + γ ⊙ R{x̂} + R{β} of some rows, from R{x} [N, D(m)].
  func normTangent(
    _ layer: NormLayer<T>, _ tape: Tape<T>, _ tangent: Tangent<T>, _ changeX: UnsafePointer<T>,
    into out: UnsafeMutablePointer<T>, _ rows: Range<Int>
  ) {
    let x = input(layer, tape)
    let dGamma = tangent.direction + vectors + cols
    let dBeta = dGamma + cols
    for n in rows {
      let row = NormRow(layer, x + n * cols, row: n, cols)
      let dx = changeX + n * cols
      let (level, slope) = row.means { dx[$0] }
      for j in 0..<cols {
        let unit = row.unit(j)
        let dUnit = row.s(j) * (dx[j] - level - unit * slope)
        out[n * cols + j] = dGamma[j] * unit + gamma[j] * dUnit + dBeta[j]
      }
    }
  }

  /// R{grad_x} in place of R{g}, of some rows, where g is the gradient by γ ⊙ x̂ + β; the part's
  /// sums receive those of R{grad_β} and R{grad_γ}.
  func normGradientTangent(
    _ layer: NormLayer<T>, _ tape: Tape<T>, _ tangent: Tangent<T>, _ changeX: UnsafePointer<T>,
    _ part: Part<T>
  ) {
    guard let gradOut = layer.gradOut, let gradIn = layer.gradIn else { return }
    let x = input(layer, tape)
    let (dGamma, gradZ) = (tangent.direction + vectors + cols, tangent.gradZ[m - 1])
    let sums = part.norms + norm.sums
    sums.update(repeating: 0, count: 2 * cols)
    for n in part.rows {
      let row = NormRow(layer, x + n * cols, row: n, cols)
      let start = n * cols
      let (dx, g, dg) = (changeX + start, gradOut + start, gradZ + start)
      let (level, slope) = row.means { dx[$0] }
      func dUnit(_ j: Int) -> T { row.s(j) * (dx[j] - level - row.unit(j) * slope) }
      for j in 0..<cols {
        sums[j] += Double(dg[j])
        sums[cols + j] += Double(dg[j] * row.unit(j) + g[j] * dUnit(j))
        dg[j] = dGamma[j] * g[j] + gamma[j] * dg[j]  // R{h}
      }
      let (dLevel, dSlope) = row.means { dg[$0] }
      let (_, hSlope) = row.means { gamma[$0] * g[$0] }
      // means(y).0 is mean(y): of h ⊙ R{x̂}.
      let (cross, _) = row.means { gamma[$0] * g[$0] * dUnit($0) }
      for j in 0..<cols {
        dg[j] =
          row.s(j)
          * (dg[j] - dLevel - dUnit(j) * hSlope - row.unit(j) * (dSlope + cross)
            - slope * gradIn[start + j])
      }
    }
  }
}
