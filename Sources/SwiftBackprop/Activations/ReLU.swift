import CBridge

/// σ(z) = max(z, 0); σ′ = 1 for z > 0 and 0 elsewhere, also at 0; σ″ = 0.
///
/// Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", 2010.
struct ReLU: Activation {
  static let derivativeNeedsZ = false
  static var info: RuleInfo {
    RuleInfo(
      name: "relu", title: "ReLU", formula: "max(z, 0)", flags: SB_RULE_KINK | SB_RULE_POSITIVE,
      defaultInitializer: "he_normal")
  }

  init(_ values: RuleValues) {}
  var growsAtMostLinearly: Bool { true }

  // `max` keeps NaN and compiles to one instruction.
  @inline(__always)
  func value<T: Scalar>(_ z: T) -> T { Swift.max(z, 0) }
  @inline(__always)
  func derivative<T: Scalar>(z: T, a: T) -> T { a > 0 ? 1 : 0 }
  @inline(__always)
  func secondDerivative<T: Scalar>(z: T, a: T) -> T { 0 }
}
