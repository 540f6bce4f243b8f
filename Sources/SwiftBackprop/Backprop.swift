import CBridge

// The two passes of backpropagation, one above the other. N is the number of rows, D(m) the
// width of layer m; matrices hold one example per row, so the lectures' columns are rows here:
//
//     forward    z(m) = a(m−1) W(m)ᵀ + b(m)          [N, D(m)]
//                a(m) = σ(z(m))
//     backward   grad_z(L) = grad_a(L) ⊙ σ′(z(L))      [N, D(L)]
//                grad_a(m) = grad_z(m+1) W(m+1)        [N, D(m)]
//                grad_z(m) = grad_a(m) ⊙ σ′(z(m))
//                grad_W(m)ᵀ = a(m−1)ᵀ grad_z(m)        [D(m−1), D(m)]
//                grad_b(m) = column sums of grad_z(m)  [D(m)]

/// Where a pass keeps its quantities. z(m) and a(m), or grad_a(m) and grad_z(m), may be the
/// same memory; then the second overwrites the first.
struct Tape<T: Scalar> {
  typealias Rows = UnsafeMutablePointer<T>

  /// a(0) = X [N, D(0)]
  var input: Matrix<T>
  /// z(m), a(m) [N, D(m)] in place m − 1
  var z: [Rows]
  var a: [Rows]
  /// grad_z(m), grad_a(m) [N, D(m)] in place m − 1
  var gradZ: [Rows] = []
  var gradA: [Rows] = []
}

extension Network {
  // MARK: forward

  /// Fills z(m) and a(m), m = 1..L. Returns the bits of the largest |z|.
  func forward(_ tape: Tape<T>) throws(EngineError) -> T.Bits {
    var previous = tape.input
    var largestZ: T.Bits = 0
    for m in 1...layout.layers {
      multiply(previous, weights(m), into: tape.z[m - 1])
      let largest = activate(m, tape.z[m - 1], tape.a[m - 1], previous.rows)
      guard largest < T.infinityBits else { throw overflow(in: "z", m) }
      largestZ = Swift.max(largestZ, largest)
      previous = Matrix(tape.a[m - 1], previous.rows, layout.sizes[m])
    }
    return largestZ
  }

  /// z ← z + b, a ← σ(z), by blocks of rows that stay in the first-level cache. Returns the
  /// largest |z|.
  private func activate(
    _ m: Int, _ z: UnsafeMutablePointer<T>, _ a: UnsafeMutablePointer<T>, _ rows: Int
  ) -> T.Bits {
    let cols = layout.sizes[m]
    let kernels = activations[m - 1]
    let block = rowsPerBlock(cols)
    var largest: T.Bits = 0
    var n = 0
    while n < rows {
      let count = Swift.min(block, rows - n)
      let (zBlock, aBlock) = (z + n * cols, a + n * cols)
      largest = Swift.max(largest, addRow(bias(m), to: zBlock, count, cols))
      if z == a {
        kernels.valueInPlace(zBlock, count, cols)
      } else {
        kernels.value(zBlock, aBlock, count, cols)
      }
      n += count
    }
    return largest
  }

  // MARK: backward

  /// Fills grad_z(m), grad_a(m), m = L..1, and grad_W, grad_b, from t and the row scales.
  /// Returns the bits of the largest |grad_z|.
  func backward(
    _ tape: Tape<T>, targets t: UnsafePointer<T>, scale: UnsafePointer<T>, accumulate: Bool
  ) throws(EngineError) -> T.Bits {
    let rows = tape.input.rows
    var largest = try outputGradient(tape, t, scale, accumulate: accumulate)
    for m in stride(from: layout.layers, through: 1, by: -1) {
      let gradZ = Matrix(tape.gradZ[m - 1], rows, layout.sizes[m])
      let previous = m == 1 ? tape.input : Matrix(tape.a[m - 2], rows, layout.sizes[m - 1])
      multiply(previous.transpose, gradZ, into: gradWeights(m), accumulate: accumulate)
      if m > 1 {
        multiply(gradZ, weights(m).transpose, into: tape.gradA[m - 2])
        largest = Swift.max(largest, try hiddenGradient(m - 1, tape, accumulate: accumulate))
      }
    }
    return largest
  }

  /// grad_a(L) from the loss, grad_z(L) from it or, for partners, as wₙ/Σw·(a − t).
  private func outputGradient(
    _ tape: Tape<T>, _ t: UnsafePointer<T>, _ scale: UnsafePointer<T>, accumulate: Bool
  ) throws(EngineError) -> T.Bits {
    let m = layout.layers
    let (rows, cols) = (tape.input.rows, layout.sizes[m])
    let (z, a) = (tape.z[m - 1], tape.a[m - 1])
    let (gradZ, gradA) = (tape.gradZ[m - 1], tape.gradA[m - 1])
    let apart = gradA != gradZ
    if apart || !isFused { loss.gradient(a, t, scale, gradA, rows, cols) }
    if isFused {
      partnerGradient(a, t, scale, gradZ, rows, cols)
    } else if apart {
      activations[m - 1].gradient(gradA, z, a, gradZ, rows, cols)
    } else {
      activations[m - 1].gradientInPlace(gradZ, z, a, rows, cols)
    }
    let largest = addColumns(gradZ, rows, cols, to: gradBias(m), keep: accumulate)
    guard largest < T.infinityBits else { throw overflow(in: "grad_z", m) }
    return largest
  }

  /// grad_z(m) ← grad_a(m) ⊙ σ′(z(m)) and its column sums, for a hidden layer.
  private func hiddenGradient(
    _ m: Int, _ tape: Tape<T>, accumulate: Bool
  ) throws(EngineError) -> T.Bits {
    let (rows, cols) = (tape.input.rows, layout.sizes[m])
    let (z, a) = (tape.z[m - 1], tape.a[m - 1])
    let (gradZ, gradA) = (tape.gradZ[m - 1], tape.gradA[m - 1])
    let kernels = activations[m - 1]
    let block = rowsPerBlock(cols)
    var largest: T.Bits = 0
    var n = 0
    while n < rows {
      let count = Swift.min(block, rows - n)
      let start = n * cols
      if gradA == gradZ {
        kernels.gradientInPlace(gradZ + start, z + start, a + start, count, cols)
      } else {
        kernels.gradient(gradA + start, z + start, a + start, gradZ + start, count, cols)
      }
      largest = Swift.max(
        largest,
        addColumns(gradZ + start, count, cols, to: gradBias(m), keep: accumulate || n > 0))
      n += count
    }
    guard largest < T.infinityBits else { throw overflow(in: "grad_z", m) }
    return largest
  }

  /// Refuses a gradient with an infinite element before it is applied. grad_W sums N products
  /// of an a and a grad_z: where the largest of each leave room, it need not be read.
  func checkGradients(
    _ tape: Tape<T>, _ x: T.Bits, _ z: T.Bits, _ gradZ: T.Bits
  ) throws(EngineError) {
    var a = Double(T(bits: x))
    if T(bits: z) < 64 {
      a = Swift.max(a, 1e28)  // beyond e⁶⁴, the most an activation makes of such a z
    } else {
      for m in 1...layout.layers {
        let bits = largestMagnitude(tape.a[m - 1], tape.input.rows * layout.sizes[m])
        a = Swift.max(a, Double(T(bits: bits)))
      }
    }
    let bound = Double(tape.input.rows) * a * Double(T(bits: gradZ))
    guard !(bound < Double(T.greatestFiniteMagnitude) / 2) else { return }
    guard largestMagnitude(gradients.base, gradients.count) < T.infinityBits else {
      throw .diverged("grad_W overflowed to infinity; a smaller learning rate may help")
    }
  }

  /// C = Σ scale[n]·Cₙ of the last forward; `cost` [N] receives the Cₙ.
  func cost(
    _ tape: Tape<T>, targets t: UnsafePointer<T>, scale: UnsafePointer<T>,
    cost: UnsafeMutablePointer<T>
  ) throws(EngineError) -> Double {
    let m = layout.layers
    let (rows, cols) = (tape.input.rows, layout.sizes[m])
    if isFused {
      loss.costFused(outputIsSoftmax, tape.z[m - 1], t, cost, rows, cols)
    } else {
      loss.cost(tape.a[m - 1], t, cost, rows, cols)
    }
    var sum = 0.0
    for n in 0..<rows { sum += Double(scale[n]) * Double(cost[n]) }
    guard sum.isFinite else {
      throw .diverged("the loss is NaN or infinite; a smaller learning rate may help")
    }
    return sum
  }

  private func overflow(in quantity: StaticString, _ m: Int) -> EngineError {
    for k in 1...layout.layers {
      if largestMagnitude(parameters.base + layout.weights(k), layout.weightCount(k))
        >= T.infinityBits
      {
        return .value("W of layer \(k) contains NaN or infinity")
      }
      if largestMagnitude(bias(k), layout.sizes[k]) >= T.infinityBits {
        return .value("b of layer \(k) contains NaN or infinity")
      }
    }
    return .diverged(
      "\(quantity) of layer \(m) overflowed to NaN or infinity; "
        + "a smaller learning rate or smaller weights may help")
  }
}

/// Rows of `cols` numbers whose z and a fit into the first-level cache together.
private func rowsPerBlock(_ cols: Int) -> Int { Swift.max(1, 2048 / cols) }

/// z[n] ← z[n] + b for every row; returns the bits of the largest |z|.
private func addRow<T: Scalar>(
  _ b: UnsafePointer<T>, to z: UnsafeMutablePointer<T>, _ rows: Int, _ cols: Int
) -> T.Bits {
  var largest: T.Bits = 0
  for n in 0..<rows {
    let row = z + n &* cols
    for j in 0..<cols {
      let x = row[j] + b[j]
      row[j] = x
      largest = Swift.max(largest, x.magnitude.bits)
    }
  }
  return largest
}

/// sums[j] ← Σₙ g[n, j], added to what is there if `keep`; returns the bits of the largest |g|.
private func addColumns<T: Scalar>(
  _ g: UnsafePointer<T>, _ rows: Int, _ cols: Int, to sums: UnsafeMutablePointer<T>, keep: Bool
) -> T.Bits {
  if !keep { sums.update(repeating: 0, count: cols) }
  var largest: T.Bits = 0
  for n in 0..<rows {
    let row = g + n &* cols
    for j in 0..<cols {
      let x = row[j]
      sums[j] += x
      largest = Swift.max(largest, x.magnitude.bits)
    }
  }
  return largest
}
