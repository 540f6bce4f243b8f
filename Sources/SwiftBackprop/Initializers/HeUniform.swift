import CBridge

/// Uniform in ±√(6 / fan-in): variance 2 / fan-in.
///
/// He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015, equation 10.
struct HeUniform: Initializer {
  static var info: RuleInfo {
    RuleInfo(name: "he_uniform", title: "HeUniform", formula: "uniform in +-sqrt(6 / fan_in)")
  }

  init(_ values: RuleValues) {}

  func spread(fanIn: Double, fanOut: Double) -> Spread {
    .uniform(limit: (6 / fanIn).squareRoot())
  }
}
