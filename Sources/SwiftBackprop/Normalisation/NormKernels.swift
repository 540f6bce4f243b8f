// The loops of normalisation. Matrices are dense [rows, cols]; "columns" are those of batch norm,
// with a mean and a scale for every column, "rows" those of layer norm.

// MARK: columns

/// Sums towards mean and variance of every column: Σ(x − k) and Σ(x − k)² added to `sums`
/// [2, cols]. k [cols] is one of the rows, so that little is lost where the mean is large.
func addMoments<T: Scalar>(
  _ x: UnsafePointer<T>, from k: UnsafePointer<T>, _ rows: Int, _ cols: Int,
  to sums: UnsafeMutablePointer<Double>
) {
  let squares = sums + cols
  for n in 0..<rows {
    let row = x + n &* cols
    for j in 0..<cols {
      let difference = Double(row[j]) - Double(k[j])
      sums[j] += difference
      squares[j] += difference * difference
    }
  }
}

/// y ← γ ⊙ (y − mean) ⊙ scale + β; returns the bits of the largest |y|.
func normaliseColumns<T: Scalar>(
  _ y: UnsafeMutablePointer<T>, _ rows: Int, _ cols: Int, _ mean: UnsafePointer<T>,
  _ scale: UnsafePointer<T>, _ gamma: UnsafePointer<T>, _ beta: UnsafePointer<T>
) -> T.Bits {
  var largest: T.Bits = 0
  for n in 0..<rows {
    let row = y + n &* cols
    for j in 0..<cols {
      let value = T.mulAdd((row[j] - mean[j]) * scale[j], gamma[j], beta[j])
      row[j] = value
      largest = Swift.max(largest, value.magnitude.bits)
    }
  }
  return largest
}

/// Σ g and Σ g ⊙ x̂ of every column added to `sums` [2, cols]; returns the bits of the largest |g|.
func addGradientsOfColumns<T: Scalar>(
  _ g: UnsafePointer<T>, _ x: UnsafePointer<T>, _ rows: Int, _ cols: Int,
  _ mean: UnsafePointer<T>, _ scale: UnsafePointer<T>, to sums: UnsafeMutablePointer<Double>
) -> T.Bits {
  let products = sums + cols
  var largest: T.Bits = 0
  for n in 0..<rows {
    let (gRow, xRow) = (g + n &* cols, x + n &* cols)
    for j in 0..<cols {
      let gj = gRow[j]
      let unit = (xRow[j] - mean[j]) * scale[j]
      sums[j] += Double(gj)
      products[j] += Double(gj) * Double(unit)
      largest = Swift.max(largest, gj.magnitude.bits)
    }
  }
  return largest
}

/// g ← γ ⊙ scale ⊙ (g − center − x̂ ⊙ slope)
func differentiateColumns<T: Scalar>(
  _ g: UnsafeMutablePointer<T>, _ x: UnsafePointer<T>, _ rows: Int, _ cols: Int,
  _ mean: UnsafePointer<T>, _ scale: UnsafePointer<T>, _ gamma: UnsafePointer<T>,
  _ center: UnsafePointer<T>, _ slope: UnsafePointer<T>
) {
  for n in 0..<rows {
    let (gRow, xRow) = (g + n &* cols, x + n &* cols)
    for j in 0..<cols {
      let unit = (xRow[j] - mean[j]) * scale[j]
      gRow[j] = gamma[j] * scale[j] * (gRow[j] - center[j] - unit * slope[j])
    }
  }
}

// MARK: rows

/// Mean and 1/√(variance + ε) of every row, the variance around the mean.
@inline(never)
func rowMoments<T: Scalar>(
  _ x: UnsafePointer<T>, _ rows: Int, _ cols: Int, _ epsilon: T,
  _ mean: UnsafeMutablePointer<T>, _ scale: UnsafeMutablePointer<T>
) {
  let share = 1 / T(cols)
  for n in 0..<rows {
    let row = x + n &* cols
    // Off the first number, so that rows far from zero lose nothing in their sums.
    let k = row[0]
    let offset = sum(cols, vector: { load(row + $0) - k }, rest: { row[$0] - k }) * share
    let center = k + offset
    let variance =
      share
      * sum(
        cols,
        vector: {
          let d = load(row + $0) - k - offset
          return d * d
        },
        rest: { (row[$0] - k - offset) * (row[$0] - k - offset) })
    mean[n] = center
    // NaN, to be seen by the overflow flags, where squares overflowed.
    scale[n] = variance.isFinite ? 1 / T.sqrt(variance + epsilon) : .nan
  }
}

/// y ← γ ⊙ (y − mean)·scale + β; returns the bits of the largest |y|.
func normaliseRows<T: Scalar>(
  _ y: UnsafeMutablePointer<T>, _ rows: Int, _ cols: Int, _ mean: UnsafePointer<T>,
  _ scale: UnsafePointer<T>, _ gamma: UnsafePointer<T>, _ beta: UnsafePointer<T>
) -> T.Bits {
  var largest: T.Bits = 0
  for n in 0..<rows {
    let (row, center, factor) = (y + n &* cols, mean[n], scale[n])
    for j in 0..<cols {
      let value = T.mulAdd((row[j] - center) * factor, gamma[j], beta[j])
      row[j] = value
      largest = Swift.max(largest, value.magnitude.bits)
    }
  }
  return largest
}

/// As `addGradientsOfColumns`, with a mean and a scale for every row.
func addGradientsOfRows<T: Scalar>(
  _ g: UnsafePointer<T>, _ x: UnsafePointer<T>, _ rows: Int, _ cols: Int,
  _ mean: UnsafePointer<T>, _ scale: UnsafePointer<T>, to sums: UnsafeMutablePointer<Double>
) -> T.Bits {
  let products = sums + cols
  var largest: T.Bits = 0
  for n in 0..<rows {
    let (gRow, xRow, center, factor) = (g + n &* cols, x + n &* cols, mean[n], scale[n])
    for j in 0..<cols {
      let gj = gRow[j]
      let unit = (xRow[j] - center) * factor
      sums[j] += Double(gj)
      products[j] += Double(gj) * Double(unit)
      largest = Swift.max(largest, gj.magnitude.bits)
    }
  }
  return largest
}

/// g ← scale·(h − mean(h) − x̂·mean(h ⊙ x̂)) with h = g ⊙ γ, row by row.
@inline(never)
func differentiateRows<T: Scalar>(
  _ g: UnsafeMutablePointer<T>, _ x: UnsafePointer<T>, _ rows: Int, _ cols: Int,
  _ mean: UnsafePointer<T>, _ scale: UnsafePointer<T>, _ gamma: UnsafePointer<T>
) {
  let share = 1 / T(cols)
  for n in 0..<rows {
    let (gRow, xRow, center, factor) = (g + n &* cols, x + n &* cols, mean[n], scale[n])
    let level =
      share
      * sum(
        cols, vector: { load(gRow + $0) * load(gamma + $0) }, rest: { gRow[$0] * gamma[$0] })
    let slope =
      share
      * sum(
        cols,
        vector: { load(gRow + $0) * load(gamma + $0) * ((load(xRow + $0) - center) * factor) },
        rest: { gRow[$0] * gamma[$0] * ((xRow[$0] - center) * factor) })
    for j in 0..<cols {
      let unit = (xRow[j] - center) * factor
      gRow[j] = factor * (gRow[j] * gamma[j] - level - unit * slope)
    }
  }
}

/// Σ of `count` terms, a vector of them at a time in two sums, then the rest one by one.
@inline(__always)
func sum<T: Scalar>(_ count: Int, vector: (_ i: Int) -> T.Vector, rest: (_ i: Int) -> T) -> T {
  let width = T.Vector.scalarCount
  var (even, odd) = (T.Vector(), T.Vector())
  var i = 0
  while i &+ 2 &* width <= count {
    even += vector(i)
    odd += vector(i &+ width)
    i &+= 2 &* width
  }
  if i &+ width <= count {
    even += vector(i)
    i &+= width
  }
  even += odd
  var total: T = 0
  for k in 0..<width { total += even[k] }
  while i < count {
    total += rest(i)
    i &+= 1
  }
  return total
}
