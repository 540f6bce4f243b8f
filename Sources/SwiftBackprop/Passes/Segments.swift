// Where a pass has to pause: the parts of a batch go through all layers without waiting for each
// other, but for batch norm in training, whose statistics are those of the whole batch.

/// Some layers of a pass between two meetings of its parts. A layer at which they meet belongs
/// to two: its statistics end one, its normalisation begins the next.
struct Span {
  let layers: ClosedRange<Int>
  /// The layer that has its product and its statistics already; 0 for none
  var resumesAt = 0
  /// The layer that is left when its sums are made; 0 for none
  var suspendsAt = 0
  /// Whether a(0) W(1)ᵀ is there already
  var hasInputProduct = false
  /// The layer, L, whose grad_z, or grad_u, the loss gives itself; 0 for none
  var givenAt = 0
  /// Whether z and σ(z) are there already, in a layer that is normalised behind σ
  var isActivated = false

  /// Whether the product that leads to layer m is still to be made.
  func makesProduct(_ m: Int) -> Bool { m != resumesAt && !(hasInputProduct && m == 1) }
}

extension Network {
  /// One segment of forward.
  func forward(
    _ tape: Tape<T>, _ part: Part<T>, _ flags: inout OverflowFlags<T>, segment: Int = 0
  ) {
    if tape.isForwardDone { return }
    forward(tape, part, &flags, tape.forwardSpan(segment, 1...layout.layers))
  }

  /// One segment of backward, from t [N, D(L)] and the row scales wₙ/Σw [N].
  func backward(
    _ tape: Tape<T>, _ targets: TargetMemory<T>, _ part: Part<T>,
    _ flags: inout OverflowFlags<T>, segment: Int = 0
  ) {
    let (lowest, last) = (lowestLayer(tape), layout.layers)
    guard lowest <= last else { return }
    var span = tape.backwardSpan(segment, lowest...last)
    if isFused(tape) { span.givenAt = last }
    backward(tape, targets, part, &flags, span)
  }
}

// The segments of a pass are numbered ..., −1, 0, 1, ...: 0 is the last of forward and the first of
// backward. Without batch norm in training it is the only one.
extension Tape {
  var forwardSegments: ClosedRange<Int> { isForwardDone ? 0...0 : -(norms?.stopCount ?? 0)...0 }

  /// All of them, forward and backward.
  func segments(lowest: Int) -> ClosedRange<Int> {
    forwardSegments.lowerBound...backwardSegments(lowest: lowest).upperBound
  }

  func backwardSegments(lowest: Int) -> ClosedRange<Int> {
    var count = 0
    if let norms {
      for index in 0..<norms.stopCount where norms.stops[index] >= lowest { count += 1 }
    }
    return 0...count
  }

  func forwardSpan(_ segment: Int, _ layers: ClosedRange<Int>) -> Span {
    guard let norms, norms.stopCount > 0 else {
      return Span(layers: layers, hasInputProduct: shares != nil)
    }
    let place = norms.stopCount + segment
    let first = place == 0 ? layers.lowerBound : norms.stops[place - 1]
    let last = segment == 0 ? layers.upperBound : norms.stops[place]
    return Span(
      layers: first...last, resumesAt: place > 0 ? first : 0, suspendsAt: segment < 0 ? last : 0,
      hasInputProduct: shares != nil)
  }

  func backwardSpan(_ segment: Int, _ layers: ClosedRange<Int>) -> Span {
    guard let norms, norms.stopCount > 0 else { return Span(layers: layers) }
    let isLast = segment == backwardSegments(lowest: layers.lowerBound).upperBound
    let top = segment == 0 ? layers.upperBound : norms.stops[norms.stopCount - segment]
    let bottom = isLast ? layers.lowerBound : norms.stops[norms.stopCount - 1 - segment]
    return Span(
      layers: bottom...top, resumesAt: segment > 0 ? top : 0, suspendsAt: isLast ? 0 : bottom)
  }

  /// The layer whose sums end a segment.
  func stop(after segment: Int) -> Int? {
    norms.map { $0.stops[segment < 0 ? $0.stopCount + segment : $0.stopCount - 1 - segment] }
  }
}
