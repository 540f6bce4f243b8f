import CBridge

/// σ(z) = z; σ′ = 1; σ″ = 0.
///
/// The output of regression: Bishop, "Pattern Recognition and Machine Learning", 2006,
/// section 5.2.
struct Identity: Activation {
  static let derivativeNeedsZ = false
  static var info: RuleInfo {
    RuleInfo(
      name: "identity", title: "Identity", formula: "z", defaultInitializer: "glorot_uniform")
  }

  init(_ values: RuleValues) {}
  var growsAtMostLinearly: Bool { true }

  @inline(__always)
  func value<T: Scalar>(_ z: T) -> T { z }
  @inline(__always)
  func derivative<T: Scalar>(z: T, a: T) -> T { 1 }
  @inline(__always)
  func secondDerivative<T: Scalar>(z: T, a: T) -> T { 0 }
}
