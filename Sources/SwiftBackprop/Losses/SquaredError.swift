import CBridge

/// ℓ(a, t) = ½(a − t)²; ∂ℓ/∂a = a − t; ∂²ℓ/∂a² = 1.
///
/// Bishop, "Pattern Recognition and Machine Learning", 2006, section 5.2.
struct SquaredError: Loss {
  static let domain = TargetDomain.real
  static var info: RuleInfo {
    RuleInfo(
      name: "squared_error", title: "SquaredError", formula: "(a - t)^2 / 2",
      canonicalOutput: "identity")
  }

  init(_ values: RuleValues) {}

  @inline(__always)
  func value<T: Scalar>(a: T, t: T) -> T { 0.5 * (a - t) * (a - t) }
  @inline(__always)
  func derivative<T: Scalar>(a: T, t: T) -> T { a - t }
  @inline(__always)
  func secondDerivative<T: Scalar>(a: T, t: T) -> T { 1 }
}
