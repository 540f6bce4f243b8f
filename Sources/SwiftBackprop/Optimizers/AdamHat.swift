import CBridge

/// m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g²,
/// w ← w − lr·√(1 − β₂ᵗ)/(1 − β₁ᵗ) · m / (√v + ε̂).
///
/// Adam with ε̂ beside √v itself, before the correction: with ε̂ = ε·√(1 − β₂ᵗ) it would be
/// `Adam`. The form of Keras and scikit-learn. Kingma and Ba, "Adam: A method for stochastic
/// optimization", 2015, at the end of section 2.
struct AdamHat: Optimizer {
  static let slots = Adam.slots
  static var info: RuleInfo {
    RuleInfo(
      name: "adam_hat", title: "AdamHat",
      formula: """
        m and v as adam, w <- w - lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)
        """,
      parameters: Adam.parameters)
  }

  private var adam: Adam
  var lr: Double { adam.lr }

  init(_ values: RuleValues) { adam = Adam(values) }

  func factors(step t: Int) -> (Double, Double) { (adam.factors(step: t).0, adam.epsilon) }
  mutating func use(_ factors: (Double, Double)) { adam.use(factors) }

  @inline(__always)
  func update<T: Scalar>(_ w: T, _ g: T, _ m: inout T, _ v: inout T) -> T {
    adam.update(w, g, &m, &v)
  }
}
