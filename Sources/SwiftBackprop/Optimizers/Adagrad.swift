import CBridge

/// s ← s + g², w ← w − lr·g / (√s + ε).
///
/// Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic
/// optimization", 2011.
struct Adagrad: Optimizer {
  static let slots = 1
  static var info: RuleInfo {
    RuleInfo(
      name: "adagrad", title: "Adagrad",
      formula: "s <- s + g^2, w <- w - lr g / (sqrt(s) + epsilon)",
      parameters: [
        RuleParameter("lr", 0.01, .nonNegative), RuleParameter("epsilon", 1e-10, .positive),
      ])
  }

  let lr, epsilon: Double
  init(_ values: RuleValues) {
    lr = values[0]
    epsilon = values[1]
  }

  @inline(__always)
  func update<T: Scalar>(_ w: T, _ g: T, _ s: inout T, _ r: inout T) -> T {
    s = T.mulAdd(g, g, s)
    return T.mulAdd(T(-lr), g / (T.sqrt(s) + T(epsilon)), w)
  }
}
