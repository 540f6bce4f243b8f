import CBridge

/// σ(z) = ln(1 + eᶻ) = max(z, 0) + ln(1 + e^−|z|); σ′ = 1 / (1 + e⁻ᶻ) = 1 − e⁻ᵃ;
/// σ″ = σ′(1 − σ′).
///
/// 1 − e⁻ᵃ by expm1 is as accurate as a. Dugas et al., "Incorporating second-order
/// functional knowledge for better option pricing", 2001.
struct Softplus: Activation {
  static let derivativeNeedsZ = false
  static var info: RuleInfo {
    RuleInfo(
      name: "softplus", title: "Softplus", formula: "ln(1 + exp(z))", flags: SB_RULE_POSITIVE,
      defaultInitializer: "glorot_uniform")
  }

  init(_ values: RuleValues) {}
  var growsAtMostLinearly: Bool { true }

  @inline(__always)
  func value<T: Scalar>(_ z: T) -> T { Swift.max(z, 0) + T.log1p(T.exp(-abs(z))) }
  @inline(__always)
  func derivative<T: Scalar>(z: T, a: T) -> T { -T.expm1(-a) }
  @inline(__always)
  func secondDerivative<T: Scalar>(z: T, a: T) -> T { -T.expm1(-a) * T.exp(-a) }
}
