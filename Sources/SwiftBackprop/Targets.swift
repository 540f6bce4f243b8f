import CBridge

/// What the outputs should be: rows of numbers, or class indices that stand for one-hot rows.
struct Targets {
  let source: Source
  let outputs: Int
  let areIndices: Bool

  /// Targets for `rows` examples and D(L) = `outputs`.
  init(_ source: Source, rows: Int, outputs: Int) throws(EngineError) {
    guard source.rows == rows else {
      var hint = ""
      if source.array.ndim == 2, source.cols == rows, source.rows == outputs {
        hint = "; y.T has the shape that fits: one row per example"
      }
      let wanted = outputs > 1 ? " or (\(rows),)" : ""
      throw .shape(
        "y has shape \(source.shape), but X has N = \(rows) rows and layer L has "
          + "D(L) = \(outputs) units: wanted (\(rows), \(outputs))\(wanted)\(hint)")
    }
    self.source = source
    self.outputs = outputs
    if source.array.ndim == 1 && outputs > 1 {
      guard source.isInteger else {
        throw .type(
          "y has shape (\(rows),) and is not of an integer type, but layer L has "
            + "D(L) = \(outputs) units: class indices are integers, write y.astype(int); "
            + "values come as rows of shape (\(rows), \(outputs))")
      }
      areIndices = true
    } else {
      guard source.cols == outputs else {
        var hint = ""
        if source.cols == 1, source.isInteger {
          hint = "; class indices have shape (\(rows),), write y.ravel()"
        }
        throw .shape(
          "y has shape \(source.shape), but layer L wants (N, D(L)) = (\(rows), \(outputs))\(hint)")
      }
      areIndices = false
    }
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
        throw .value(
          "y contains NaN or infinity (or a value beyond the network's dtype) in row \(n)")
      }
      var sum: T = 0
      for i in 0..<outputs {
        let fits =
          switch domain {
          case .real: true
          case .nonNegative, .distribution: row[i] >= 0
          case .probability: row[i] >= 0 && row[i] <= 1
          }
        guard fits else {
          let wanted: StaticString = domain == .probability ? "in [0, 1]" : ">= 0"
          throw .value(
            "\(loss) wants targets \(wanted), but row \(n) of y has \(decimal(Double(row[i])))")
        }
        sum += row[i]
      }
      if domain == .distribution, (sum - 1).magnitude > 1e-3 {
        throw .value(
          "\(loss) wants rows that sum to 1 (one-hot rows or probabilities), but row \(n) "
            + "of y does not")
      }
    }
  }

  private func checkIndices(_ range: Range<Int>) throws(EngineError) {
    for n in range {
      let index = source.index(n)
      guard index >= 0, index < outputs else {
        throw .value(
          "y[\(n)] is \(index), but with D(L) = \(outputs) outputs class indices lie in "
            + "0..\(outputs - 1)\(index == outputs ? "; do the labels start at 1?" : "")")
      }
    }
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
        "sample_weight has shape \(source.shape), but X has N = \(rows) rows: wanted (\(rows),)")
    }
  }

  /// Refuses negative and non-finite weights.
  func check<T: Scalar>(
    _ range: Range<Int>, scratch: UnsafeMutablePointer<T>
  ) throws(EngineError) {
    guard let source else { return }
    source.read(RowSelection(range), into: scratch)
    for n in 0..<range.count where !(scratch[n] >= 0 && scratch[n] < .infinity) {
      throw .value(
        "sample_weight[\(range.lowerBound + n)] is negative, NaN or infinite; "
          + "weights are finite and at least 0")
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
