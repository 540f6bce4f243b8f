import CBridge

/// s ← ρs + (1 − ρ)g², w ← w − lr·g / (√s + ε).
///
/// Tieleman and Hinton, "Neural Networks for Machine Learning", lecture 6.5, 2012, in the
/// form of PyTorch, where ε stands outside the root.
struct RMSprop: Optimizer {
  static let slots = 1
  static var info: RuleInfo {
    RuleInfo(
      name: "rmsprop", title: "RMSprop",
      formula: "s <- rho s + (1 - rho) g^2, w <- w - lr g / (sqrt(s) + epsilon)",
      parameters: [
        RuleParameter("lr", 0.001, .nonNegative), RuleParameter("rho", 0.9, .unitInterval),
        RuleParameter("epsilon", 1e-8, .positive),
      ])
  }

  let lr, rho, epsilon: Double
  init(_ values: RuleValues) {
    lr = values[0]
    rho = values[1]
    epsilon = values[2]
  }

  @inline(__always)
  func update<T: Scalar>(_ w: T, _ g: T, _ s: inout T, _ r: inout T) -> T {
    s = T.mulAdd(T(rho), s, T(1 - rho) * (g * g))
    return T.mulAdd(T(-lr), g / (T.sqrt(s) + T(epsilon)), w)
  }
}
