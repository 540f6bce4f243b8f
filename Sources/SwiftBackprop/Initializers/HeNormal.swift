import CBridge

/// Normal with variance 2 / fan-in.
///
/// He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015, equation 10.
struct HeNormal: Initializer {
  static var info: RuleInfo {
    RuleInfo(name: "he_normal", title: "HeNormal", formula: "normal, variance 2 / fan_in")
  }

  init(_ values: RuleValues) {}

  func spread(fanIn: Double, fanOut: Double) -> Spread {
    .normal(deviation: (2 / fanIn).squareRoot())
  }
}
