import CBridge

/// Uniform in ±√(6 / (fan-in + fan-out)): variance 2 / (fan-in + fan-out).
///
/// Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
/// networks", 2010, equation 16.
struct GlorotUniform: Initializer {
  static var info: RuleInfo {
    RuleInfo(
      name: "glorot_uniform", title: "GlorotUniform",
      formula: "uniform in +-sqrt(6 / (fan_in + fan_out))")
  }

  init(_ values: RuleValues) {}

  func spread(fanIn: Double, fanOut: Double) -> Spread {
    .uniform(limit: (6 / (fanIn + fanOut)).squareRoot())
  }
}
