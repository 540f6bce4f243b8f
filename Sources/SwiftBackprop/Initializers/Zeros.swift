import CBridge

/// All weights 0: for models without hidden layers, whose cost has one minimum.
///
/// With hidden layers every unit of a layer stays equal to its neighbours: Goodfellow, Bengio
/// and Courville, "Deep Learning", 2016, section 8.4.
struct Zeros: Initializer {
  static var info: RuleInfo {
    RuleInfo(name: "zeros", title: "Zeros", formula: "0")
  }

  init(_ values: RuleValues) {}

  func spread(fanIn: Double, fanOut: Double) -> Spread {
    .constant(0)
  }
}
