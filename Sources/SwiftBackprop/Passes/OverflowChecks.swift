import CBridge

// What stands between a number that went wrong and the weights.

extension Network {
  /// Refuses a pass in which z or grad_z became NaN or infinite.
  func check(_ flags: OverflowFlags<T>) throws(EngineError) {
    if flags.badZ > 0 { throw overflow(in: "z", flags.badZ) }
    if flags.badGradZ > 0 { throw overflow(in: "grad_z", flags.badGradZ) }
  }

  /// Refuses a C that is NaN or infinite.
  @inline(never)
  func check(cost: Double) throws(EngineError) {
    guard cost.isFinite else {
      throw .diverged(
        "the loss at the output, layer \(layout.layers), is NaN or infinite; "
          + "a smaller learning rate or a scaled y may help")
    }
  }

  /// Refuses gradients with an infinite element.
  func checkGradients() throws(EngineError) {
    for m in 1...layout.layers
    where largestMagnitude(gradWeights(m), layout.weightCount(m)) >= T.infinityBits {
      throw overflow(in: "grad_W", m)
    }
    for m in 1...layout.layers
    where largestMagnitude(gradBias(m), layout.vectorCount(m)) >= T.infinityBits {
      throw overflow(in: "grad_b", m)
    }
  }

  /// A bound on every |g|, from the bits of the largest |x| and the flags of a pass: grad_W
  /// sums N products of an a and a grad_z. Costs nothing beside reading the gradients. `rows` are
  /// those of the tape that count, all by default; `batch` is the number of rows that are
  /// normalised together, if it is not N.
  func gradientBound(
    _ tape: Tape<T>, _ x: T.Bits, _ flags: OverflowFlags<T>, _ rows: Range<Int>? = nil,
    batch: Int = 0
  ) -> Double {
    let rows = rows ?? 0..<tape.input.rows
    var a = Swift.max(Double(T(bits: x)), Double(T(bits: flags.z)) + 1)
    for m in 1...layout.layers where !activations[m - 1].growsAtMostLinearly {
      let bits = largestMagnitude(place(tape.a, m, rows), rows.count * layout.sizes[m])
      a = Swift.max(a, Double(T(bits: bits)))
    }
    a *= largestScale(tape.masks)
    // |x̂| is at most the root of the number of numbers that are normalised together.
    if tape.norms != nil {
      let together = Swift.max(rows.count, layout.widest, batch)
      a = Swift.max(a, Double(together).squareRoot())
    }
    return Double(rows.count) * a * Double(T(bits: flags.gradZ))
  }

  /// Whether gradients within `bound` can overflow nothing: far below the square root of the
  /// largest number not even the squares of Adam do.
  func isHarmless(bound: Double) -> Bool {
    areOptionsHarmless && penaltyShare <= 1
      && bound * Swift.max(1, rate) < Double(T.greatestFiniteMagnitude).squareRoot() / 1e4
  }

  /// Whether penalties and hyperparameters are of usual sizes: with a large l2 weights grow
  /// without any gradient, with a tiny epsilon 0/0 arises.
  func judgeOptions() -> Bool {
    let tiny = Double(T.leastNormalMagnitude) * 1e6
    let usual = spec.optimizer.values.allSatisfy { $0 == 0 || $0 > tiny && $0 <= 1e3 }
    let shrinks = rate * (l2 + optimizer.decay) <= 1
    return usual && shrinks && l2 <= 1 && l1 <= 1
  }

  /// Names the cause: the first weight that is not finite, or else the quantity itself.
  private func overflow(in quantity: StaticString, _ m: Int) -> EngineError {
    for k in 1...layout.layers {
      if largestMagnitude(weights(k).base, layout.weightCount(k)) >= T.infinityBits {
        return .value("W of layer \(k) contains NaN or infinity")
      }
      if largestMagnitude(bias(k), layout.sizes[k]) >= T.infinityBits {
        return .value("b of layer \(k) contains NaN or infinity")
      }
      if largestMagnitude(bias(k), layout.vectorCount(k)) >= T.infinityBits {
        return .value("gamma or beta of layer \(k) contains NaN or infinity")
      }
      guard let (mean, variance) = runningStatistics(k) else { continue }
      let cols = layout.sizes[k]
      if largestMagnitude(mean, 2 * cols) >= T.infinityBits
        || (0..<cols).contains(where: { variance[$0] < 0 })
      {
        return .value(
          "running_mean or running_var of layer \(k) contains NaN or infinity, or a variance "
            + "below 0")
      }
    }
    return .diverged(
      "\(quantity) of layer \(m) overflowed to NaN or infinity; "
        + "a smaller learning rate, smaller weights or a scaled X may help")
  }
}
