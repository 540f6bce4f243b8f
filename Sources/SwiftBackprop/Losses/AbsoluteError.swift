import CBridge

/// ℓ(a, t) = |a − t|; ∂ℓ/∂a = the sign of a − t, 0 at 0; ∂²ℓ/∂a² = 0.
///
/// Bloomfield and Steiger, "Least Absolute Deviations", 1983.
struct AbsoluteError: Loss {
  static let domain = TargetDomain.real
  static var info: RuleInfo {
    RuleInfo(
      name: "absolute_error", title: "AbsoluteError", formula: "|a - t|",
      flags: SB_RULE_KINK, canonicalOutput: "identity")
  }

  init(_ values: RuleValues) {}

  @inline(__always)
  func value<T: Scalar>(a: T, t: T) -> T { abs(a - t) }
  @inline(__always)
  func derivative<T: Scalar>(a: T, t: T) -> T { (a > t ? 1 : 0) - (a < t ? 1 : 0) }
  @inline(__always)
  func secondDerivative<T: Scalar>(a: T, t: T) -> T { 0 }
}
