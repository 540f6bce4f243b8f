import CBridge

// What training does beside descending: layers that stay as they are, and a limit for the rows
// of W.

extension Network {
  /// Whether `step` and `fit` update layer m.
  func setTrainable(_ m: Int, _ isTrainable: Bool) throws(EngineError) {
    guard m >= 1, m <= layout.layers else { throw EngineError.noOption }
    self.isTrainable[m - 1] = isTrainable
    hasFrozenLayers = self.isTrainable.contains(false)
    lowestTrained = self.isTrainable.firstIndex(of: true).map { $0 + 1 } ?? layout.layers + 1
  }

  @inline(__always)
  func trains(_ m: Int) -> Bool { !hasFrozenLayers || isTrainable[m - 1] }

  /// Calls `body` with where the gradients of the trained layers lie and how many they are; once
  /// if that is all of them.
  func forEachTrained(_ body: (_ start: Int, _ count: Int) -> Void) {
    guard hasFrozenLayers else { return body(0, gradients.count) }
    for m in 1...layout.layers where trains(m) {
      body(layout.weights(m), layout.weightCount(m) + layout.vectorCount(m))
    }
  }

  /// Gradients of layers that stay as they are: `fit` does not make them.
  func clearFrozenGradients() {
    for m in 1...layout.layers where !trains(m) {
      gradWeights(m).update(repeating: 0, count: layout.weightCount(m))
      gradBias(m).update(repeating: 0, count: layout.vectorCount(m))
    }
  }

  /// Shortens every row of every trained W to the norm `maxNorm`, if it is longer; parts share
  /// the rows. Srebro and Shraibman, "Rank, trace-norm and max-norm", COLT 2005.
  func limitRows(_ parts: Int) {
    guard maxNorm > 0 else { return }
    let plan = Plan(parts: parts)
    concurrently(parts) { part in
      for m in 1...layout.layers where trains(m) {
        limitRows(m, plan.share(part, of: layout.sizes[m], unit: 16))
      }
    }
  }

  /// The same for rows `share` of W(m), which are columns of W(m)ᵀ; some of them at a time, with
  /// sums that are added in the same order for any share.
  func limitRows(_ m: Int, _ share: Range<Int>) {
    let width = 64
    let (rows, cols, limit) = (layout.sizes[m - 1], layout.sizes[m], maxNorm)
    withUnsafeTemporaryAllocation(of: Double.self, capacity: width) { buffer in
      guard let sums = buffer.baseAddress else { return }
      var first = share.lowerBound
      while first < share.upperBound {
        let count = Swift.min(width, share.upperBound - first)
        let start = parameters.base + layout.weights(m) + first
        sums.update(repeating: 0, count: count)
        for i in 0..<rows {
          let row = start + i &* cols
          for j in 0..<count { sums[j] += Double(row[j]) * Double(row[j]) }
        }
        for j in 0..<count where sums[j] > limit * limit {
          let factor = limit / columnNorm(start + j, rows, cols, squares: sums[j])
          for i in 0..<rows { start[i &* cols + j] = T(Double(start[i &* cols + j]) * factor) }
        }
        first += count
      }
    }
  }

  /// The norm of a column, from its sum of squares if that did not overflow.
  private func columnNorm(
    _ column: UnsafePointer<T>, _ rows: Int, _ stride: Int, squares: Double
  ) -> Double {
    if squares.isFinite { return squares.squareRoot() }
    var largest = 0.0
    for i in 0..<rows { largest = Swift.max(largest, Double(column[i &* stride]).magnitude) }
    var sum = 0.0
    for i in 0..<rows {
      let share = Double(column[i &* stride]) / largest
      sum += share * share
    }
    return largest * sum.squareRoot()
  }
}
