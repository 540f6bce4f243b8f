import CBridge

/// ℓ(a, t) = a − t·ln a; ∂ℓ/∂a = 1 − t/a; ∂²ℓ/∂a² = t/a². a is clipped to ≥ ε, and outside the
/// derivatives are 0. ℓ is the negative logarithm of a Poisson probability, without ln t!.
///
/// With exp: ℓ = eᶻ − tz, ∂C/∂z = a − t. McCullagh and Nelder, "Generalized Linear Models",
/// 1989, chapter 6.
struct Poisson: Loss {
  static let domain = TargetDomain.nonNegative
  static var fusion: Fusion { .elementwise }
  static var info: RuleInfo {
    RuleInfo(
      name: "poisson", title: "Poisson", formula: "a - t ln a",
      flags: SB_RULE_CLIPS | SB_RULE_FUSED,
      canonicalOutput: "exp")
  }

  init(_ values: RuleValues) {}

  @inline(__always)
  func value<T: Scalar>(a: T, t: T) -> T {
    let a = Swift.max(a, T.epsilon)
    return a - t * T.log(a)
  }
  @inline(__always)
  func derivative<T: Scalar>(a: T, t: T) -> T { a >= T.epsilon ? 1 - t / a : 0 }
  @inline(__always)
  func secondDerivative<T: Scalar>(a: T, t: T) -> T { a >= T.epsilon ? t / (a * a) : 0 }
  @inline(__always)
  func valueFused<T: Scalar>(z: T, t: T, logSum: T) -> T { T.exp(z) - t * z }
}
