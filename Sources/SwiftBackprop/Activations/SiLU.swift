import CBridge

/// σ(z) = z·s; σ′ = s(1 + z(1 − s)); σ″ = s(1 − s)(2 + z(1 − 2s)). Here s = 1 / (1 + e⁻ᶻ).
///
/// 1 − s is computed as the sigmoid of −z, for it is multiplied by z. Beyond |z| = 1000 s is 0
/// or 1; the limits keep ∞·0 out. Elfwing, Uchibe and Doya,
/// "Sigmoid-weighted linear units for neural network function approximation in
/// reinforcement learning", 2018.
struct SiLU: Activation {
  static let derivativeNeedsZ = true
  static var info: RuleInfo {
    RuleInfo(
      name: "silu", title: "SiLU", formula: "z / (1 + exp(-z))", defaultInitializer: "he_normal")
  }

  init(_ values: RuleValues) {}
  var growsAtMostLinearly: Bool { true }

  @inline(__always)
  func value<T: Scalar>(_ z: T) -> T { Swift.max(z, -1000) * T.sigmoid(z) }
  @inline(__always)
  func derivative<T: Scalar>(z: T, a: T) -> T {
    let z = Swift.min(Swift.max(z, -1000), 1000)
    let s = T.sigmoid(z)
    return s * T.mulAdd(z, T.sigmoid(-z), 1)
  }
  @inline(__always)
  func secondDerivative<T: Scalar>(z: T, a: T) -> T {
    let z = Swift.min(Swift.max(z, -1000), 1000)
    let s = T.sigmoid(z)
    return s * T.sigmoid(-z) * T.mulAdd(z, 1 - 2 * s, 2)
  }
}
