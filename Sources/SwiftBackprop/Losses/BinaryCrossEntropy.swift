import CBridge

/// ℓ(a, t) = −t·ln a − (1 − t)·ln(1 − a); ∂ℓ/∂a = (a − t)/(a(1 − a));
/// ∂²ℓ/∂a² = t/a² + (1 − t)/(1 − a)². a is clipped to [ε, 1 − ε], and outside the derivatives are 0.
///
/// With sigmoid: ℓ = max(z, 0) − zt + ln(1 + e^−|z|), ∂C/∂z = a − t. Bishop, "Pattern
/// Recognition and Machine Learning", 2006, section 4.3.2.
struct BinaryCrossEntropy: Loss {
  static let domain = TargetDomain.probability
  static var fusion: Fusion { .elementwise }
  static var info: RuleInfo {
    RuleInfo(
      name: "binary_cross_entropy", title: "BinaryCrossEntropy",
      formula: "-t ln a - (1 - t) ln(1 - a)",
      flags: SB_RULE_CLASSES | SB_RULE_CLIPS | SB_RULE_FUSED,
      canonicalOutput: "sigmoid")
  }

  init(_ values: RuleValues) {}

  @inline(__always)
  func value<T: Scalar>(a: T, t: T) -> T {
    let a = clip(a)
    return -t * T.log(a) - (1 - t) * T.log1p(-a)
  }
  @inline(__always)
  func derivative<T: Scalar>(a: T, t: T) -> T { clip(a) == a ? (a - t) / (a * (1 - a)) : 0 }
  @inline(__always)
  func secondDerivative<T: Scalar>(a: T, t: T) -> T {
    clip(a) == a ? t / (a * a) + (1 - t) / ((1 - a) * (1 - a)) : 0
  }
  @inline(__always)
  func valueFused<T: Scalar>(z: T, t: T, logSum: T) -> T {
    Swift.max(z, 0) - z * t + T.log1p(T.exp(-abs(z)))
  }
}
