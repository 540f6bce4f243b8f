import CBridge

/// Normal with variance 2 / (fan-in + fan-out).
///
/// Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
/// networks", 2010, equation 12.
struct GlorotNormal: Initializer {
  static var info: RuleInfo {
    RuleInfo(
      name: "glorot_normal", title: "GlorotNormal",
      formula: "normal, variance 2 / (fan_in + fan_out)")
  }

  init(_ values: RuleValues) {}

  func spread(fanIn: Double, fanOut: Double) -> Spread {
    .normal(deviation: (2 / (fanIn + fanOut)).squareRoot())
  }
}
