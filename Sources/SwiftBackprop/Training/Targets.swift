import CBridge

/// What the outputs should be: rows of numbers, or class indices that stand for one-hot rows.
struct Targets {
  let source: Source
  let outputs: Int
  let areIndices: Bool

  /// Targets for `rows` examples and D(L) = `outputs`.
  init(_ source: Source, rows: Int, outputs: Int) throws(EngineError) {
    self.source = source
    self.outputs = outputs
    areIndices = source.array.ndim == 1 && outputs > 1
    guard source.rows == rows else {
      let or: Message = outputs > 1 ? " or (\(rows),)" : ""
      throw .shape(
        "y: layer L expected shape (N, D(L)) = (\(rows), \(outputs))\(or), got "
          + "\(source.shape); \(hintForRows(rows))")
    }
    guard !areIndices || source.isInteger else {
      throw .type(
        "y: layer L expected integers (class indices) of shape (N,) = (\(rows),) or numbers of "
          + "shape (N, D(L)) = (\(rows), \(outputs)), got numbers of shape (\(rows),); for class "
          + "indices write y.astype(int)")
    }
    guard areIndices || source.cols == outputs else {
      throw .shape(
        "y: layer L expected shape (N, D(L)) = (\(rows), \(outputs)), got \(source.shape); "
          + hintForColumns(rows))
    }
  }

  /// What may be wrong where y has not N rows.
  private func hintForRows(_ rows: Int) -> Message {
    source.array.ndim == 2 && source.cols == rows && source.rows == outputs
      ? "y.T has the shape that fits: one row per example"
      : "X has N = \(rows) rows: are X and y of the same batch?"
  }

  /// What may be wrong where y has N rows, but not D(L) columns.
  private func hintForColumns(_ rows: Int) -> Message {
    if outputs == 1 {
      return "one output needs one number per example, 0 or 1 for classes: "
        + "write y.argmax(axis=1) if the rows of y are one-hot"
    }
    if source.cols == 1 {
      return "class indices are integers of shape (\(rows),), write y.ravel()"
        + (source.isInteger ? "" : ".astype(int)")
    }
    return "D(L), the last of the sizes, is the number of columns of y"
  }

  /// The selected rows as t [rows.count, D(L)], dense.
  func read<T: Scalar>(_ rows: RowSelection, into t: UnsafeMutablePointer<T>) {
    guard areIndices else { return source.read(rows, into: t) }
    t.update(repeating: 0, count: rows.count &* outputs)
    for n in 0..<rows.count {
      // Checked at the door, but the caller's array may have changed since.
      let index = source.index(rows[n])
      if index >= 0, index < outputs { t[n &* outputs &+ index] = 1 }
    }
  }

  /// Refuses targets that the loss has no meaning for, in the given rows. `scratch` has room
  /// for as many rows of T.
  func check<T: Scalar>(
    _ range: Range<Int>, domain: TargetDomain, loss: StaticString,
    scratch: UnsafeMutablePointer<T>
  ) throws(EngineError) {
    if areIndices { return try checkIndices(range) }
    read(RowSelection(range), into: scratch)
    for n in 0..<range.count {
      let row = scratch + n * outputs
      let n = n + range.lowerBound
      guard largestMagnitude(row, outputs) < T.infinityBits else {
        var column = 0
        while column < outputs - 1, row[column].isFinite { column += 1 }
        throw .value(
          "y contains NaN or infinity (or a value beyond the network's dtype) in row \(n)"
            + (outputs > 1 ? ", column \(column)" : ""))
      }
      var sum: T = 0
      for i in 0..<outputs {
        let fits =
          switch domain {
          case .real: true
          case .nonNegative, .distribution: row[i] >= 0
          case .probability: row[i] >= 0 && row[i] <= 1
          }
        guard fits else { throw outside(domain, loss: loss, row: n, value: Double(row[i])) }
        sum += row[i]
      }
      if domain == .distribution, (sum - 1).magnitude > 1e-3 {
        throw .value(
          "\(loss) expects rows that sum to 1 (one-hot rows or probabilities), but row \(n) of y "
            + "sums to \(decimal(Double(sum)))")
      }
    }
  }

  /// The error of a target that the loss has no meaning for.
  private func outside(
    _ domain: TargetDomain, loss: StaticString, row: Int, value: Double
  ) -> EngineError {
    let expected: StaticString = domain == .probability ? "in [0, 1]" : ">= 0"
    var hint: Message = ""
    if domain == .probability {
      if value == -1 { hint = "; labels -1 and 1 become 0 and 1 by (y + 1) / 2" }
      if value > 1, value == value.rounded() {
        hint = "; more than two classes need cross_entropy and one output for each"
      }
    }
    return .value(
      "\(loss) expects targets \(expected), but row \(row) of y has \(decimal(value))\(hint)")
  }

  private func checkIndices(_ range: Range<Int>) throws(EngineError) {
    for n in range {
      let index = source.index(n)
      guard index >= 0, index < outputs else {
        throw .value(
          "y: expected class indices in 0..D(L)-1 = 0..\(outputs - 1), got \(index) in row \(n); "
            + "\(hintForIndices())")
      }
    }
  }

  /// What may be wrong about class indices, judged by all of them.
  private func hintForIndices() -> Message {
    var smallest = Int.max
    var largest = Int.min
    for n in 0..<source.rows {
      let index = source.index(n)
      smallest = Swift.min(smallest, index)
      largest = Swift.max(largest, index)
    }
    if smallest < 0 { return "the first class is 0" }
    if smallest > 0 && largest - smallest < outputs {
      return "do the labels start at \(smallest)? Then write y - \(smallest)"
    }
    return "classes 0..\(largest) need D(L) = \(largest &+ 1) outputs, the last of the sizes"
  }
}

/// Weights of examples: wₙ ≥ 0, or 1 for all.
struct RowWeights {
  let source: Source?

  init(_ source: Source?, rows: Int) throws(EngineError) {
    self.source = source
    guard let source else { return }
    guard source.rows == rows, source.cols == 1 else {
      throw .shape(
        "sample_weight: expected shape (N,) = (\(rows),), one weight for each row of X, got "
          + "\(source.shape)")
    }
  }

  /// Refuses negative and non-finite weights; rows are numbered from `first` on.
  func check<T: Scalar>(
    _ range: Range<Int>, from first: Int = 0, scratch: UnsafeMutablePointer<T>
  ) throws(EngineError) {
    guard let source else { return }
    source.read(RowSelection(range), into: scratch)
    for n in 0..<range.count where !(scratch[n] >= 0 && scratch[n] < .infinity) {
      throw .value(
        "sample_weight must be finite numbers >= 0, got a negative number, NaN or infinity in row "
          + "\(range.lowerBound - first + n)")
    }
  }

  /// scale[n] ← wₙ / Σw of the selected rows (0 when Σw = 0); returns Σw.
  func scale<T: Scalar>(_ rows: RowSelection, into scale: UnsafeMutablePointer<T>) -> Double {
    guard let source else {
      scale.update(repeating: 1 / T(rows.count), count: rows.count)
      return Double(rows.count)
    }
    source.read(rows, into: scale)
    var sum = 0.0
    for n in 0..<rows.count { sum += Double(scale[n]) }
    for n in 0..<rows.count { scale[n] = sum > 0 ? T(Double(scale[n]) / sum) : 0 }
    return sum
  }
}
