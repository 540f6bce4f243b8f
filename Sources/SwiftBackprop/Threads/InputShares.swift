// The product a(0) W(1)ᵀ shared among threads by the columns of X: `Plan.ofStep` says when.

/// The parts' shares of a(0) W(1)ᵀ [parts, N, D(1)].
struct InputShares<T: Scalar> {
  let base: UnsafeMutablePointer<T>
  let parts: Int

  /// z ← the sum of all shares, in rows `rows` of `count`.
  func add(_ rows: Range<Int>, _ count: Int, _ cols: Int, into z: UnsafeMutablePointer<T>) {
    let (start, size) = (rows.lowerBound * cols, rows.count * cols)
    z.copy(from: base + start, count: size)
    for part in 1..<Swift.max(parts, 1) {
      let share = base + part * count * cols + start
      for i in 0..<size { z[i] += share[i] }
    }
  }
}

extension Network {
  /// a(0) W(1)ᵀ from the columns `share` of a(0) alone, which meet the rows `share` of W(1)ᵀ.
  func multiplyInput(
    _ tape: Tape<T>, _ share: Range<Int>, into out: UnsafeMutablePointer<T>
  ) {
    multiply(
      tape.input.transpose.rows(share).transpose, weights(1).rows(share), into: out,
      in: precision(1, tape))
  }
}
