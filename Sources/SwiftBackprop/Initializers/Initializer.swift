import CBridge

/// A rule for initial weights: the spread of W(m) from its fan-in D(m−1) and fan-out D(m).
/// b(m) starts at 0.
protocol Initializer: Sendable {
  static var info: RuleInfo { get }
  init(_ values: RuleValues)
  func spread(fanIn: Double, fanOut: Double) -> Spread
}

/// The distribution that weights are drawn from.
enum Spread {
  case constant(Double)
  /// Uniform in [−limit, limit).
  case uniform(limit: Double)
  /// Normal with mean 0, not truncated.
  case normal(deviation: Double)
}
