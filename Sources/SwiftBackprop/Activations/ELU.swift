import CBridge

/// σ(z) = z for z > 0, else α(eᶻ − 1); σ′ = 1 for z > 0, else αeᶻ = a + α, also at 0;
/// σ″ = αeᶻ for z < 0, else 0.
///
/// Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by
/// exponential linear units (ELUs)", 2016.
struct ELU: Activation {
  static let derivativeNeedsZ = false
  static var info: RuleInfo {
    RuleInfo(
      name: "elu", title: "ELU", formula: "z if z > 0 else alpha (exp(z) - 1)",
      parameters: [RuleParameter("alpha", 1, .nonNegative)], flags: SB_RULE_KINK,
      defaultInitializer: "he_normal")
  }

  let alpha: Double
  init(_ values: RuleValues) { alpha = values[0] }
  var growsAtMostLinearly: Bool { alpha <= 1 }

  @inline(__always)
  func value<T: Scalar>(_ z: T) -> T {
    Swift.max(z, 0) + T(alpha) * T.expm1(Swift.min(z, 0))
  }
  @inline(__always)
  func derivative<T: Scalar>(z: T, a: T) -> T { a > 0 ? 1 : a + T(alpha) }
  @inline(__always)
  func secondDerivative<T: Scalar>(z: T, a: T) -> T { z < 0 ? a + T(alpha) : 0 }
}
