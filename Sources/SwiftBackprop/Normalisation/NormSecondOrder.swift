// What derivatives to study want of normalised layers, in evaluation: the squares of one example's
// gradients, and R{·} of SecondOrder.swift. Along R{x},
//
//     R{x̂} = s·(R{x} − mean(R{x}) − x̂·mean(x̂ ⊙ R{x})), s = 1/√(v + ε), R{s} = −s²·mean(x̂ ⊙ R{x})
//
// and of grad_x = s·(h − mean(h) − x̂·mean(h ⊙ x̂)), h = g ⊙ γ, every factor moves. Batch norm has
// no means in evaluation: μ and s stand still.

/// One row of a normalised layer.
private struct NormRow<T: Scalar> {
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

extension Network {
  /// What layer m normalises [N, D(m)].
  private func normInput(_ m: Int, _ layer: NormLayer<T>, _ tape: Tape<T>) -> UnsafePointer<T> {
    UnsafePointer(layer.norm.isAfter ? layer.between : tape.z[m - 1])
  }

  /// ‖grad_γ(m)‖² + ‖grad_β(m)‖² of row n alone.
  func normSquare(_ m: Int, _ tape: Tape<T>, _ n: Int) -> Double {
    guard let layer = tape.norms?.layer(m), let gradOut = layer.gradOut else { return 0 }
    let cols = layout.sizes[m]
    let row = NormRow(layer, normInput(m, layer, tape) + n * cols, row: n, cols)
    var sum = 0.0
    for j in 0..<cols {
      let (g, unit) = (Double(gradOut[n * cols + j]), Double(row.unit(j)))
      sum += g * g * (1 + unit * unit)
    }
    return sum
  }

  /// grad ← grad_z(m) from grad_a(m), for rows first, first + 1, ... of the pass, without dropout.
  func pullBack(
    _ m: Int, _ grad: UnsafeMutablePointer<T>, _ tape: Tape<T>, first: Int, _ rows: Int
  ) {
    let (cols, kernels) = (layout.sizes[m], activations[m - 1])
    let (z, a) = (tape.z[m - 1] + first * cols, tape.a[m - 1] + first * cols)
    guard let layer = tape.norms?.layer(m) else {
      return kernels.gradientInPlace(grad, z, a, rows, cols)
    }
    let between = layer.between + first * cols
    if layer.norm.isAfter {
      differentiate(m, layer, grad, between, first: first, rows)
      kernels.gradientInPlace(grad, z, between, rows, cols)
    } else {
      kernels.gradientInPlace(grad, between, a, rows, cols)
      differentiate(m, layer, grad, z, first: first, rows)
    }
  }

  /// R{γ ⊙ x̂ + β} = R{γ} ⊙ x̂ + γ ⊙ R{x̂} + R{β} of some rows, from R{x} [N, D(m)].
  func normTangent(
    _ m: Int, _ layer: NormLayer<T>, _ tape: Tape<T>, _ direction: Storage<T>,
    _ changeX: UnsafePointer<T>, into out: UnsafeMutablePointer<T>, _ rows: Range<Int>
  ) {
    let cols = layout.sizes[m]
    let (gamma, x) = (gamma(m), normInput(m, layer, tape))
    let (dGamma, dBeta) = (
      direction.base + layout.gamma(m), direction.base + layout.beta(m)
    )
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

  /// R{grad_x} in place of R{g}, of some rows, where g is the gradient by γ ⊙ x̂ + β; the sums for
  /// R{grad_β} and R{grad_γ} into `sums` [2, D(m)].
  func changeNormGradient(
    _ m: Int, _ layer: NormLayer<T>, _ tape: Tape<T>, _ direction: Storage<T>,
    _ changeX: UnsafePointer<T>, _ second: UnsafeMutablePointer<T>, _ rows: Range<Int>,
    to sums: UnsafeMutablePointer<Double>
  ) {
    guard let gradOut = layer.gradOut, let gradIn = layer.gradIn else { return }
    let cols = layout.sizes[m]
    let (gamma, x) = (gamma(m), normInput(m, layer, tape))
    let dGamma = direction.base + layout.gamma(m)
    sums.update(repeating: 0, count: 2 * cols)
    for n in rows {
      let row = NormRow(layer, x + n * cols, row: n, cols)
      let start = n * cols
      let (dx, g, dg) = (changeX + start, gradOut + start, second + start)
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
