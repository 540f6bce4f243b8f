import CBridge

/// m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², w ← w − lr·m̂ / (√v̂ + ε), with
/// m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ).
///
/// `factors` moves both corrections into the constants: with c = √(1 − β₂ᵗ) the step is
/// lr·c/(1 − β₁ᵗ) · m / (√v + εc). Kingma and Ba, "Adam: A method for stochastic
/// optimization", 2015, algorithm 1.
struct Adam: Optimizer {
  static let slots = 2
  static var info: RuleInfo {
    RuleInfo(
      name: "adam", title: "Adam",
      formula: """
        m <- beta_1 m + (1 - beta_1) g, v <- beta_2 v + (1 - beta_2) g^2, \
        w <- w - lr m' / (sqrt(v') + epsilon)
        """,
      parameters: Self.parameters)
  }
  static var parameters: [RuleParameter] {
    [
      RuleParameter("lr", 0.001, .nonNegative), RuleParameter("beta_1", 0.9, .unitInterval),
      RuleParameter("beta_2", 0.999, .unitInterval), RuleParameter("epsilon", 1e-8, .positive),
    ]
  }

  let lr, beta1, beta2, epsilon: Double
  private var rate = 0.0
  private var shift = 0.0

  init(_ values: RuleValues) {
    lr = values[0]
    beta1 = values[1]
    beta2 = values[2]
    epsilon = values[3]
  }

  func factors(step t: Int) -> (Double, Double) {
    let c = (1 - power(beta2, t)).squareRoot()
    return (lr * c / (1 - power(beta1, t)), epsilon * c)
  }

  mutating func use(_ factors: (Double, Double)) { (rate, shift) = factors }

  @inline(__always)
  func update<T: Scalar>(_ w: T, _ g: T, _ m: inout T, _ v: inout T) -> T {
    m = T.mulAdd(T(beta1), m, T(1 - beta1) * g)
    v = T.mulAdd(T(beta2), v, T(1 - beta2) * (g * g))
    return T.mulAdd(T(-rate), m / (T.sqrt(v) + T(shift)), w)
  }
}

/// xⁿ for n ≥ 0 by repeated squaring.
private func power(_ x: Double, _ n: Int) -> Double {
  var (result, square, rest) = (1.0, x, n)
  while rest > 0 {
    if rest & 1 == 1 { result *= square }
    square *= square
    rest >>= 1
  }
  return result
}
