import CBridge

/// σ(z) = 1 / (1 + e⁻ᶻ); σ′ = a(1 − a); σ″ = a(1 − a)(1 − 2a).
///
/// Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors",
/// 1986.
struct Sigmoid: Activation {
  static let derivativeNeedsZ = false
  static var info: RuleInfo {
    RuleInfo(
      name: "sigmoid", title: "Sigmoid", formula: "1 / (1 + exp(-z))",
      flags: SB_RULE_PROBABILITY | SB_RULE_POSITIVE, defaultInitializer: "glorot_uniform")
  }

  init(_ values: RuleValues) {}
  var growsAtMostLinearly: Bool { true }

  @inline(__always)
  func value<T: Scalar>(_ z: T) -> T { T.sigmoid(z) }
  @inline(__always)
  func derivative<T: Scalar>(z: T, a: T) -> T { a * (1 - a) }
  @inline(__always)
  func secondDerivative<T: Scalar>(z: T, a: T) -> T { a * (1 - a) * (1 - 2 * a) }
}
