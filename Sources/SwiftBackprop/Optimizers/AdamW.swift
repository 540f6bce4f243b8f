import CBridge

/// W ← W − lr·λ·W, then Adam's step; b has no decay.
///
/// Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.
struct AdamW: Optimizer {
  static let slots = Adam.slots
  static var info: RuleInfo {
    RuleInfo(
      name: "adamw", title: "AdamW",
      formula: "W <- W - lr weight_decay W, then adam",
      parameters: Adam.parameters + [RuleParameter("weight_decay", 0.01, .nonNegative)])
  }

  private var adam: Adam
  let decay: Double
  var lr: Double { adam.lr }

  init(_ values: RuleValues) {
    adam = Adam(values)
    decay = values[4]
  }

  func factors(step t: Int) -> (Double, Double) { adam.factors(step: t) }
  mutating func use(_ factors: (Double, Double)) { adam.use(factors) }

  @inline(__always)
  func update<T: Scalar>(_ w: T, _ g: T, _ m: inout T, _ v: inout T) -> T {
    adam.update(w, g, &m, &v)
  }
}
