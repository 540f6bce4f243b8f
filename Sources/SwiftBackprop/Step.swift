import CBridge

extension Network {
  /// One update from the gradients, which stay as they are.
  func step() throws(EngineError) {
    guard hasGradients || largestMagnitude(gradients.base, gradients.count) != 0 else {
      throw .order("call backward first: there are no gradients yet")
    }
    guard largestMagnitude(gradients.base, gradients.count) < T.infinityBits else {
      throw .diverged("the gradients contain NaN or infinity; no step was made")
    }
    update()
    pass?.state = .spent
  }

  /// Clips, adds the penalties and lets the optimizer act, in one pass over the parameters.
  func update() {
    steps += 1
    let clip = clipFactor()
    let decays = optimizer.decays
    guard l1 != 0 || l2 != 0 || decays else {
      return update(0, layout.parameterCount, Penalties(clip: clip))
    }
    for m in 1...layout.layers {
      update(
        layout.weights(m), layout.weightCount(m),
        Penalties(clip: clip, l1: T(l1), l2: T(l2), decays: decays))
      update(layout.bias(m), layout.sizes[m], Penalties(clip: clip))
    }
  }

  private func update(_ start: Int, _ count: Int, _ penalties: Penalties<T>) {
    let first = slots.count > 0 ? slots[0].base : parameters.base
    let second = slots.count > 1 ? slots[1].base : parameters.base
    optimizer.update(
      steps, parameters.base + start, gradients.base + start, first + start, second + start,
      count, penalties)
  }

  /// min(1, c / ‖g‖₂), one norm over all gradients.
  private func clipFactor() -> T {
    guard clipNorm > 0 else { return 1 }
    let norm = gradientNorm()
    return norm > clipNorm ? T(clipNorm / norm) : 1
  }

  private func gradientNorm() -> Double {
    let squares = sumOfSquares(gradients.base, gradients.count)
    if squares.isFinite { return Double.sqrt(squares) }
    // Squares of numbers beyond 1e154 overflow: taken relative to the largest.
    var largest: T = 0
    for i in 0..<gradients.count { largest = Swift.max(largest, gradients.base[i].magnitude) }
    var sum = 0.0
    for i in 0..<gradients.count {
      let share = Double(gradients.base[i] / largest)
      sum += share * share
    }
    return Double(largest) * Double.sqrt(sum)
  }

  /// ½·l2·Σ‖W‖² + l1·Σ|W|, the part of the objective beside C.
  func penalty() -> Double {
    guard l1 != 0 || l2 != 0 else { return 0 }
    var sum = 0.0
    for m in 1...layout.layers {
      let (weights, count) = (weights(m).base, layout.weightCount(m))
      if l2 != 0 { sum += 0.5 * l2 * sumOfSquares(weights, count) }
      if l1 != 0 { sum += l1 * sumOfMagnitudes(weights, count) }
    }
    return sum
  }
}
