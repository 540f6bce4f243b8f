import CBridge

/// σ(z) = z for z > 0, else slope·z; σ′ = 1 for z > 0, else slope, also at 0; σ″ = 0.
///
/// With slope ≥ 0, z and a have the same sign, or a is 0 where z ≤ 0: a is enough for σ′.
/// Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models",
/// 2013.
struct LeakyReLU: Activation {
  static let derivativeNeedsZ = false
  static var info: RuleInfo {
    RuleInfo(
      name: "leaky_relu", title: "LeakyReLU", formula: "max(z, 0) + slope min(z, 0)",
      parameters: [RuleParameter("slope", 0.01, .nonNegative)], flags: SB_RULE_KINK,
      defaultInitializer: "he_normal")
  }

  let slope: Double
  init(_ values: RuleValues) { slope = values[0] }
  var growsAtMostLinearly: Bool { slope <= 1 }

  @inline(__always)
  func value<T: Scalar>(_ z: T) -> T { Swift.max(z, 0) + T(slope) * Swift.min(z, 0) }
  @inline(__always)
  func derivative<T: Scalar>(z: T, a: T) -> T { a > 0 ? 1 : T(slope) }
  @inline(__always)
  func secondDerivative<T: Scalar>(z: T, a: T) -> T { 0 }
}
