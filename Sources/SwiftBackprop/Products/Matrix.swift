import CBridge

/// A matrix [rows, cols] that somebody else owns, as BLAS takes it: element (i, j) lies at
/// i·stride + j, or at i + j·stride when `transposed`.
struct Matrix<T: Scalar> {
  let base: UnsafePointer<T>
  let rows: Int
  let cols: Int
  let stride: Int
  let transposed: Bool

  init(_ base: UnsafePointer<T>, _ rows: Int, _ cols: Int, stride: Int, transposed: Bool = false) {
    self.base = base
    self.rows = rows
    self.cols = cols
    self.stride = stride
    self.transposed = transposed
  }

  /// Dense rows.
  init(_ base: UnsafePointer<T>, _ rows: Int, _ cols: Int) {
    self.init(base, rows, cols, stride: cols)
  }

  /// Rows first..<last, in place.
  func rows(_ first: Int, _ last: Int) -> Matrix {
    Matrix(
      base + first * (transposed ? 1 : stride), last - first, cols, stride: stride,
      transposed: transposed)
  }

  func rows(_ range: Range<Int>) -> Matrix { rows(range.lowerBound, range.upperBound) }

  /// The largest |element| as bits: at least `T.infinityBits` if one is NaN or infinite.
  func magnitude() -> T.Bits {
    let (outer, inner) = transposed ? (cols, rows) : (rows, cols)
    if inner == stride { return largestMagnitude(base, outer * inner) }
    var largest: T.Bits = 0
    for i in 0..<outer {
      largest = Swift.max(largest, largestMagnitude(base + i * stride, inner))
    }
    return largest
  }
}

/// The bits of the largest |x|; as integers they order like the magnitudes, NaN on top.
@inline(never)
func largestMagnitude<T: Scalar>(_ x: UnsafePointer<T>, _ count: Int) -> T.Bits {
  var largest: T.Bits = 0
  for i in 0..<count { largest = Swift.max(largest, x[i].magnitude.bits) }
  return largest
}

/// Σ x² in double precision.
func sumOfSquares<T: Scalar>(_ x: UnsafePointer<T>, _ count: Int) -> Double {
  // Eight independent sums: one chain of additions would wait for each other.
  var sums = SIMD8<Double>()
  let whole = count & ~7
  var i = 0
  while i < whole {
    var part = SIMD8<Double>()
    for k in 0..<8 { part[k] = Double(x[i + k]) }
    sums += part * part
    i += 8
  }
  var sum = sums.sum()
  while i < count {
    sum += Double(x[i]) * Double(x[i])
    i += 1
  }
  return sum
}

/// Σ |x| in double precision.
func sumOfMagnitudes<T: Scalar>(_ x: UnsafePointer<T>, _ count: Int) -> Double {
  var sum = 0.0
  for i in 0..<count { sum += Double(x[i].magnitude) }
  return sum
}

/// C [m, n] ← factor · A [m, k] · B [k, n], C dense and B perhaps transposed from [n, k]; adds to
/// C when `accumulate`; the factors are rounded as `precision` says. The only call of BLAS, which
/// also steps in where there is no memory left to copy a factor into.
@inline(never)
func multiply<T: Scalar>(
  _ a: Matrix<T>, _ b: Matrix<T>, into c: UnsafeMutablePointer<T>, accumulate: Bool = false,
  factor: T = 1, in precision: Precision = .float32
) {
  if precision.rounds(terms: a.cols),
    T.roundedProduct(a, b, into: c, keeps: accumulate, factor: factor, pieces: precision.pieces)
  {
    return
  }
  switch a.productKernel(b) {
  case .tiles: return product(a, b, into: c, keeps: accumulate, factor: factor)
  case .copied:
    guard let scratch = sb_scratch() else { break }
    let copy = b.copied(into: scratch.assumingMemoryBound(to: T.self))
    return product(a, copy, into: c, keeps: accumulate, factor: factor)
  case .packed:
    guard let scratch = sb_scratch() else { break }
    return packedProduct(a, b, into: c, keeps: accumulate, factor: factor, scratch: scratch)
  default: break
  }
  T.gemm(
    a.transposed, b.transposed, Int32(truncatingIfNeeded: a.rows),
    Int32(truncatingIfNeeded: b.cols), Int32(truncatingIfNeeded: a.cols), factor, a.base,
    Int32(truncatingIfNeeded: a.stride), b.base, Int32(truncatingIfNeeded: b.stride),
    accumulate ? 1 : 0, c, Int32(truncatingIfNeeded: b.cols))
}

extension Matrix {
  /// The numbers of a transposed matrix, copied row by row.
  func copied(into copy: UnsafeMutablePointer<T>) -> Matrix {
    for j in 0..<cols {
      let column = base + j &* stride
      for i in 0..<rows { copy[i &* cols &+ j] = column[i] }
    }
    return Matrix(copy, rows, cols)
  }

  /// The transpose, the same memory.
  var transpose: Matrix {
    Matrix(base, cols, rows, stride: stride, transposed: !transposed)
  }
}
