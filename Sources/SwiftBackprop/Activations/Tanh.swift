import CBridge

/// σ(z) = tanh z; σ′ = 1 − a²; σ″ = −2a(1 − a²).
///
/// 1 − a² is computed as (1 − a)(1 + a), which loses nothing near |a| = 1. LeCun, Bottou,
/// Orr and Müller, "Efficient BackProp", 1998, section 4.4.
struct Tanh: Activation {
  static let derivativeNeedsZ = false
  static var info: RuleInfo {
    RuleInfo(name: "tanh", title: "Tanh", formula: "tanh(z)", defaultInitializer: "glorot_uniform")
  }

  init(_ values: RuleValues) {}
  var growsAtMostLinearly: Bool { true }

  @inline(__always)
  func value<T: Scalar>(_ z: T) -> T { T.tanh(z) }
  @inline(__always)
  func derivative<T: Scalar>(z: T, a: T) -> T { (1 - a) * (1 + a) }
  @inline(__always)
  func secondDerivative<T: Scalar>(z: T, a: T) -> T { -2 * a * ((1 - a) * (1 + a)) }
}
