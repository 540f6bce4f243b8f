import CBridge

/// ℓ(a, t) = −t·ln a; ∂ℓ/∂a = −t/a; ∂²ℓ/∂a² = t/a². a is clipped to [ε, 1 − ε], and outside
/// the derivatives are 0.
///
/// With softmax: ℓ = t·(ln Σeᶻ − z), ∂C/∂z = a − t, since the targets of a row sum to 1.
/// Bishop, "Pattern Recognition and Machine Learning", 2006, section 4.3.4.
struct CrossEntropy: Loss {
  static let domain = TargetDomain.distribution
  static var fusion: Fusion { .softmax }
  static var info: RuleInfo {
    RuleInfo(
      name: "cross_entropy", title: "CrossEntropy", formula: "-t ln a",
      flags: SB_RULE_CLASSES | SB_RULE_CLIPS | SB_RULE_FUSED, canonicalOutput: "softmax")
  }

  init(_ values: RuleValues) {}

  @inline(__always)
  func value<T: Scalar>(a: T, t: T) -> T { -t * T.log(clip(a)) }
  @inline(__always)
  func derivative<T: Scalar>(a: T, t: T) -> T { clip(a) == a ? -t / a : 0 }
  @inline(__always)
  func secondDerivative<T: Scalar>(a: T, t: T) -> T { clip(a) == a ? t / (a * a) : 0 }
  @inline(__always)
  func valueFused<T: Scalar>(z: T, t: T, logSum: T) -> T { t * (logSum - z) }
}

/// a limited to [ε, 1 − ε], the range in which the log losses are computed.
@inline(__always)
func clip<T: Scalar>(_ a: T) -> T { Swift.min(Swift.max(a, T.epsilon), 1 - T.epsilon) }
