import CBridge

/// Uniform in ±√(3 / fan-in): variance 1 / fan-in.
///
/// LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, section 4.6.
struct LeCunUniform: Initializer {
  static var info: RuleInfo {
    RuleInfo(name: "lecun_uniform", title: "LeCunUniform", formula: "uniform in +-sqrt(3 / fan_in)")
  }

  init(_ values: RuleValues) {}

  func spread(fanIn: Double, fanOut: Double) -> Spread {
    .uniform(limit: (3 / fanIn).squareRoot())
  }
}
