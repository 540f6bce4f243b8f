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
//
// A normalised layer has one more step between z and a (Normalisation.swift). With dropout, in
// training, a(m) = σ(z(m)) ⊙ r(m), and grad_a(m) ⊙ r(m) stands for grad_a(m) in grad_z(m)
// (Dropout.swift).
//
// Everything but the last two works row by row, so threads share a batch by its rows; grad_W
// they share by the rows of W(m)ᵀ.

/// Where a pass keeps its quantities. z(m) and a(m), or grad_a(m) and grad_z(m), may be the
/// same memory; then the second overwrites the first.
struct Tape<T: Scalar> {
  /// a(0) = X [N, D(0)]
  var input: Matrix<T>
  /// The parts' shares of a(0) W(1)ᵀ, if they were made apart
  var shares: InputShares<T>?
  /// z(m), a(m) [N, D(m)]
  var z, a: LayerPointers<T>
  /// grad_z(m), grad_a(m) [N, D(m)]
  var gradZ = LayerPointers<T>.none
  var gradA = LayerPointers<T>.none
  /// What dropout drops; nil in evaluation and without dropout
  var masks: Masks?
  /// What normalised layers keep; nil without such
  var norms: Norms<T>?
  /// Whether gradients are made for the layers alone that are updated
  var isForUpdate = false
}

extension Network {
  // MARK: forward

  /// z(m) and a(m), m = 1..L, of some rows, in one segment of the pass.
  func forward(
    _ tape: Tape<T>, _ part: Part<T>, _ flags: inout OverflowFlags<T>, segment: Int = 0
  ) {
    forward(tape, part, &flags, tape.forwardSpan(segment, 1...layout.layers))
  }

  /// The same for some layers, from a of the layer below.
  @inline(never)
  func forward(_ tape: Tape<T>, _ part: Part<T>, _ flags: inout OverflowFlags<T>, _ span: Span) {
    let rows = part.rows
    var previous = input(span.layers.lowerBound, tape).rows(rows.lowerBound, rows.upperBound)
    for m in span.layers {
      let start = rows.lowerBound * layout.sizes[m]
      let (z, a) = (tape.z[m - 1] + start, tape.a[m - 1] + start)
      let isOpen = span.resumes && m == span.layers.lowerBound
      if isOpen {
        // z(m) is there
      } else if m == 1, let shares = tape.shares {
        shares.add(rows, tape.input.rows, layout.sizes[1], into: z)
      } else {
        multiply(previous, weights(m), into: z)
      }
      let mask = tape.masks?.mask(m, T.self)
      if let layer = tape.norms?.layer(m) {
        let suspends = span.suspends && m == span.layers.upperBound
        flags.see(
          z: activate(
            m, layer, z, a, part, mask, accumulatesStatistics: !isOpen, normalizes: !suspends), m)
      } else {
        flags.see(z: activate(m, z, a, rows, mask), m)
      }
      previous = Matrix(a, rows.count, layout.sizes[m])
    }
  }

  /// z ← z + b, a ← σ(z) ⊙ r, by blocks of rows that stay in the first-level cache; z and a are
  /// those of `rows` of the batch. Returns the bits of the largest |z|.
  private func activate(
    _ m: Int, _ z: UnsafeMutablePointer<T>, _ a: UnsafeMutablePointer<T>, _ rows: Range<Int>,
    _ mask: Mask<T>?
  ) -> T.Bits {
    let cols = layout.sizes[m]
    let kernels = activations[m - 1]
    var largest: T.Bits = 0
    forEachBlock(rows.count, cols) { n, count in
      let (zBlock, aBlock) = (z + n * cols, a + n * cols)
      addRow(bias(m), to: zBlock, count, cols)
      largest = Swift.max(largest, largestMagnitude(zBlock, count * cols))
      kernels.value(zBlock, aBlock, count, cols, inPlace: z == a)
      mask?.apply(to: aBlock, first: rows.lowerBound + n, count, cols)
    }
    return largest
  }

  /// a(0) W(1)ᵀ from the columns `share` of a(0) alone, which meet the rows `share` of W(1)ᵀ.
  func multiplyInput(_ input: Matrix<T>, _ share: Range<Int>, into out: UnsafeMutablePointer<T>) {
    let columns = input.transpose.rows(share.lowerBound, share.upperBound).transpose
    multiply(columns, weights(1).rows(share.lowerBound, share.upperBound), into: out)
  }

  // MARK: backward

  /// grad_z(m) and grad_a(m), m = L..1, of some rows, from t [N, D(L)] and the row scales
  /// wₙ/Σw [N], in one segment of the pass; the part's sums receive its share of every grad_b.
  func backward(
    _ tape: Tape<T>, _ targets: TargetMemory<T>, _ part: Part<T>,
    _ flags: inout OverflowFlags<T>,
    segment: Int = 0
  ) {
    if segment == 0 { outputGradient(tape, targets, part.rows) }
    let lowest = lowestLayer(tape)
    guard lowest <= layout.layers else { return }
    backward(
      tape, part, &flags, tape.backwardSpan(segment, lowest...layout.layers),
      isGiven: isFused(tape))
  }

  /// The lowest layer that wants a grad_z; L + 1 for none.
  func lowestLayer(_ tape: Tape<T>) -> Int { tape.isForUpdate ? lowestTrained : 1 }

  /// grad_a(m), for m < L, and grad_z(m), m = last..first of some layers; `isGiven` says that
  /// grad_z(L), in a normalised layer grad_u(L), is there already.
  @inline(never)
  func backward(
    _ tape: Tape<T>, _ part: Part<T>, _ flags: inout OverflowFlags<T>, _ span: Span,
    isGiven: Bool
  ) {
    let (rows, layers) = (part.rows, span.layers)
    var sum = part.sums + layout.unitCount
    for m in stride(from: layout.layers, through: layers.upperBound + 1, by: -1) {
      sum -= layout.sizes[m]
    }
    for m in layers.reversed() {
      let isOpen = span.resumes && m == layers.upperBound
      let cols = layout.sizes[m]
      let start = rows.lowerBound * cols
      let (gradZ, gradA) = (tape.gradZ[m - 1] + start, tape.gradA[m - 1] + start)
      let (z, a) = (tape.z[m - 1] + start, tape.a[m - 1] + start)
      sum -= cols
      if m < layout.layers, !isOpen {
        let next = layout.sizes[m + 1]
        let gradZNext = Matrix(tape.gradZ[m] + rows.lowerBound * next, rows.count, next)
        multiply(gradZNext, weights(m + 1).transpose, into: gradA)
      }
      let mask = tape.masks?.mask(m, T.self)
      let given = isGiven && m == layout.layers ? nil : gradA
      if let layer = tape.norms?.layer(m) {
        let suspends = span.suspends && m == layers.lowerBound
        flags.see(
          gradZ: differentiate(
            m, layer, gradA: given, z, a, gradZ: gradZ, part, sum, mask,
            accumulatesStatistics: !isOpen,
            normalizes: !suspends), m)
      } else {
        flags.see(gradZ: differentiate(m, gradA: given, z, a, gradZ: gradZ, rows, sum, mask), m)
      }
    }
  }

  /// grad_a(L) from the loss and, for partners, grad_z(L), or grad_u(L), = wₙ/Σw·(a − t).
  private func outputGradient(_ tape: Tape<T>, _ targets: TargetMemory<T>, _ rows: Range<Int>) {
    let m = layout.layers
    let cols = layout.sizes[m]
    let start = rows.lowerBound * cols
    let (a, t) = (tape.a[m - 1] + start, targets.t + start)
    let (gradZ, gradA) = (tape.gradZ[m - 1] + start, tape.gradA[m - 1] + start)
    let scale = targets.scale + rows.lowerBound
    let isFused = isFused(tape)
    if gradA != gradZ || !isFused { loss.gradient(a, t, scale, gradA, rows.count, cols) }
    if isFused { partnerGradient(a, t, scale, gradZ, rows.count, cols) }
  }

  /// Whether loss and output activation are taken together: not if dropout stands between.
  private func isFused(_ tape: Tape<T>) -> Bool {
    guard isFused, let masks = tape.masks else { return isFused }
    return masks.rates[layout.layers - 1] == 0
  }

  /// grad_z ← Jᵀ (grad_a ⊙ r), which is grad_a ⊙ σ′(z) without dropout; by blocks of rows like
  /// `activate`. Without `gradA` the loss gave grad_z itself. `sums` [D(m)] receives the column
  /// sums. Returns the bits of the largest |grad_z|.
  private func differentiate(
    _ m: Int, gradA: UnsafeMutablePointer<T>?, _ z: UnsafePointer<T>, _ a: UnsafePointer<T>,
    gradZ: UnsafeMutablePointer<T>, _ rows: Range<Int>, _ sums: UnsafeMutablePointer<T>,
    _ mask: Mask<T>?
  ) -> T.Bits {
    let cols = layout.sizes[m]
    let kernels = activations[m - 1]
    var largest: T.Bits = 0
    sums.update(repeating: 0, count: cols)
    forEachBlock(rows.count, cols) { n, count in
      let start = n * cols
      if let gradA, let mask {
        let grad = gradZ + start
        if gradA != gradZ { grad.copy(from: gradA + start, count: count * cols) }
        mask.apply(to: grad, first: rows.lowerBound + n, count, cols)
        kernels.maskedGradientInPlace(grad, z + start, a + start, mask.keep, count, cols)
      } else if gradA == gradZ {
        kernels.gradientInPlace(gradZ + start, z + start, a + start, count, cols)
      } else if let gradA {
        kernels.gradient(gradA + start, z + start, a + start, gradZ + start, count, cols)
      }
      addColumns(gradZ + start, count, cols, to: sums)
      largest = Swift.max(largest, largestMagnitude(gradZ + start, count * cols))
    }
    return largest
  }

  /// grad_W(m)ᵀ ← a(m−1)ᵀ grad_z(m), its rows `share` of D(m−1).
  func weightGradient(_ m: Int, _ tape: Tape<T>, _ share: Range<Int>, accumulate: Bool) {
    addOuterProducts(
      m, tape, share, 0..<layout.sizes[m],
      to: gradWeights(m) + share.lowerBound * layout.sizes[m], accumulate: accumulate, factor: 1)
  }

  /// W(m)ᵀ ← W(m)ᵀ − rate·a(m−1)ᵀ grad_z(m), its rows `share` of D(m−1): a step of plain
  /// descent, without the gradient in between.
  func descend(_ m: Int, _ tape: Tape<T>, _ share: Range<Int>, rate: T) {
    let start = layout.weights(m) + share.lowerBound * layout.sizes[m]
    addOuterProducts(
      m, tape, share, 0..<layout.sizes[m], to: parameters.base + start, accumulate: true,
      factor: -rate)
  }

  /// out [rows, columns] ← or += factor·a(m−1)ᵀ grad_z(m), some rows of D(m−1) and columns of D(m).
  func addOuterProducts(
    _ m: Int, _ tape: Tape<T>, _ rows: Range<Int>, _ columns: Range<Int>,
    to out: UnsafeMutablePointer<T>, accumulate: Bool, factor: T
  ) {
    multiply(
      input(m, tape).transpose.rows(rows.lowerBound, rows.upperBound),
      Matrix(
        tape.gradZ[m - 1] + columns.lowerBound, tape.input.rows, columns.count,
        stride: layout.sizes[m]),
      into: out, accumulate: accumulate, factor: factor)
  }

  /// Whether grad_W(m) and grad_b(m) are to be made.
  @inline(__always)
  func wants(_ m: Int, _ tape: Tape<T>) -> Bool { !tape.isForUpdate || trains(m) }

  /// a(m−1) [N, D(m−1)]
  func input(_ m: Int, _ tape: Tape<T>) -> Matrix<T> {
    m == 1 ? tape.input : Matrix(tape.a[m - 2], tape.input.rows, layout.sizes[m - 1])
  }

  /// grad_b(m), m = 1..L, from the parts' column sums [parts, Σ D(m)]; grad_γ(m) and grad_β(m).
  func biasGradients(
    _ tape: Tape<T>, _ sums: UnsafePointer<T>, parts: Int, accumulate: Bool
  ) {
    var next = sums
    for m in 1...layout.layers {
      let (sum, gradient, cols) = (next, gradBias(m), layout.sizes[m])
      next += cols
      guard wants(m, tape) else { continue }
      if !accumulate { gradient.update(repeating: 0, count: cols) }
      for part in 0..<parts {
        let share = sum + part * layout.unitCount
        for j in 0..<cols { gradient[j] += share[j] }
      }
    }
    normGradients(tape, parts: parts, accumulate: accumulate, to: gradients.base)
  }

  // MARK: the cost

  /// Cₙ of some rows after their forward pass.
  func costs(_ tape: Tape<T>, _ targets: TargetMemory<T>, _ rows: Range<Int>) {
    let m = layout.layers
    let cols = layout.sizes[m]
    let start = rows.lowerBound * cols
    let (a, t) = (tape.a[m - 1] + start, targets.t + start)
    let z = (tape.norms?.layer(m)?.between ?? tape.z[m - 1]) + start
    let cost = targets.cost + rows.lowerBound
    if isFused(tape) {
      loss.costFused(outputIsSoftmax, z, a, t, cost, rows.count, cols)
    } else {
      loss.cost(a, t, cost, rows.count, cols)
    }
  }

  /// C = Σ scale[n]·Cₙ, always in the same order.
  func cost(_ targets: TargetMemory<T>, rows: Int) -> Double {
    var sum = 0.0
    for n in 0..<rows { sum += Double(targets.scale[n]) * Double(targets.cost[n]) }
    return sum
  }
}

/// Calls `body` with blocks of rows, of `cols` numbers, whose z and a fit into the first-level
/// cache together: the first row of a block, and how many there are.
@inline(__always)
func forEachBlock(_ rows: Int, _ cols: Int, _ body: (_ first: Int, _ count: Int) -> Void) {
  let block = Swift.max(1, 2048 / cols)
  var first = 0
  while first < rows {
    body(first, Swift.min(block, rows - first))
    first += block
  }
}

/// z[n] ← z[n] + b for every row.
///
/// The largest |z| is not looked for in passing: it would have to be brought together from its
/// vector after every row.
func addRow<T: Scalar>(
  _ b: UnsafePointer<T>, to z: UnsafeMutablePointer<T>, _ rows: Int, _ cols: Int
) {
  for n in 0..<rows {
    let row = z + n &* cols
    for j in 0..<cols { row[j] += b[j] }
  }
}

/// sums[j] ← sums[j] + Σₙ g[n, j].
func addColumns<T: Scalar>(
  _ g: UnsafePointer<T>, _ rows: Int, _ cols: Int, to sums: UnsafeMutablePointer<T>
) {
  // Four rows at a time: a sum in memory waits for the one before it.
  let fours = rows & ~3
  for n in stride(from: 0, to: fours, by: 4) {
    let (r0, r1) = (g + n &* cols, g + (n &+ 1) &* cols)
    let (r2, r3) = (r0 + 2 &* cols, r1 + 2 &* cols)
    for j in 0..<cols { sums[j] += (r0[j] + r1[j]) + (r2[j] + r3[j]) }
  }
  for n in fours..<rows {
    let row = g + n &* cols
    for j in 0..<cols { sums[j] += row[j] }
  }
}
