import CBridge

/// Normal with variance 1 / fan-in.
///
/// LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, section 4.6.
struct LeCunNormal: Initializer {
  static var info: RuleInfo {
    RuleInfo(name: "lecun_normal", title: "LeCunNormal", formula: "normal, variance 1 / fan_in")
  }

  init(_ values: RuleValues) {}

  func spread(fanIn: Double, fanOut: Double) -> Spread {
    .normal(deviation: (1 / fanIn).squareRoot())
  }
}
