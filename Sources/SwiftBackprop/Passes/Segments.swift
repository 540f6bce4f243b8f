// Where a pass has to pause: the parts of a batch go through all layers without waiting for each
// other, but for batch norm in training, whose statistics are those of the whole batch.

/// Some layers of a pass between two meetings of its parts. A layer at which they meet belongs
/// to two: its statistics end one, its normalisation begins the next.
struct Span {
  let layers: ClosedRange<Int>
  /// Whether the first layer on the way has its statistics already
  var resumes = false
  /// Whether the last layer on the way is left when its sums are made
  var suspends = false
}

// The segments of a pass are numbered ..., −1, 0, 1, ...: 0 is the last of forward and the first of
// backward. Without batch norm in training it is the only one.
extension Tape {
  var forwardSegments: ClosedRange<Int> { -(norms?.stopCount ?? 0)...0 }

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
    guard let norms, norms.stopCount > 0 else { return Span(layers: layers) }
    let place = norms.stopCount + segment
    let first = place == 0 ? layers.lowerBound : norms.stops[place - 1]
    let last = segment == 0 ? layers.upperBound : norms.stops[place]
    return Span(layers: first...last, resumes: place > 0, suspends: segment < 0)
  }

  func backwardSpan(_ segment: Int, _ layers: ClosedRange<Int>) -> Span {
    guard let norms, norms.stopCount > 0 else { return Span(layers: layers) }
    let isLast = segment == backwardSegments(lowest: layers.lowerBound).upperBound
    let top = segment == 0 ? layers.upperBound : norms.stops[norms.stopCount - segment]
    let bottom = isLast ? layers.lowerBound : norms.stops[norms.stopCount - 1 - segment]
    return Span(layers: bottom...top, resumes: segment > 0, suspends: !isLast)
  }

  /// The layer whose sums end a segment.
  func stop(after segment: Int) -> Int? {
    norms.map { $0.stops[segment < 0 ? $0.stopCount + segment : $0.stopCount - 1 - segment] }
  }
}
