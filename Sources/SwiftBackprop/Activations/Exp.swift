import CBridge

/// σ(z) = eᶻ; σ′ = a; σ″ = a.
///
/// The mean of a Poisson regression: McCullagh and Nelder, "Generalized Linear Models",
/// 1989, chapter 6.
struct Exp: Activation {
  static let derivativeNeedsZ = false
  static var info: RuleInfo {
    RuleInfo(
      name: "exp", title: "Exp", formula: "exp(z)", flags: SB_RULE_POSITIVE,
      defaultInitializer: "glorot_uniform")
  }

  init(_ values: RuleValues) {}

  @inline(__always)
  func value<T: Scalar>(_ z: T) -> T { T.exp(z) }
  @inline(__always)
  func derivative<T: Scalar>(z: T, a: T) -> T { a }
  @inline(__always)
  func secondDerivative<T: Scalar>(z: T, a: T) -> T { a }
}
