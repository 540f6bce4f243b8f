// What stages go over rows with.

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
@inline(never)
func addRow<T: Scalar>(
  _ b: UnsafePointer<T>, to z: UnsafeMutablePointer<T>, _ rows: Int, _ cols: Int
) {
  for n in 0..<rows {
    let row = z + n &* cols
    for j in 0..<cols { row[j] += b[j] }
  }
}

/// sums[j] ← sums[j] + Σₙ g[n, j].
@inline(never)
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
