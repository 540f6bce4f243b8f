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
  /// Whether z and a are there, because functions of the caller's were among those that make them
  var isForwardDone = false
}

extension Network {
  /// a(m) [N, D(m)], m = 0..L; a(0) is X.
  func activation(_ m: Int, _ tape: Tape<T>) -> Matrix<T> {
    m == 0 ? tape.input : Matrix(tape.a[m - 1], tape.input.rows, layout.sizes[m])
  }

  /// grad_z(m) [N, D(m)]
  func gradient(_ m: Int, _ tape: Tape<T>) -> Matrix<T> {
    Matrix(tape.gradZ[m - 1], tape.input.rows, layout.sizes[m])
  }

  /// Where some rows of a quantity of layer m begin.
  func place(
    _ quantity: LayerPointers<T>, _ m: Int, _ rows: Range<Int>
  ) -> UnsafeMutablePointer<T> {
    quantity[m - 1] + rows.lowerBound * layout.sizes[m]
  }

  /// Whether grad_W(m) and grad_b(m) are to be made.
  @inline(__always)
  func needsGradients(_ m: Int, _ tape: Tape<T>) -> Bool { !tape.isForUpdate || trains(m) }

  /// The lowest layer that needs a grad_z; L + 1 for none.
  func lowestLayer(_ tape: Tape<T>) -> Int { tape.isForUpdate ? lowestTrained : 1 }
}
