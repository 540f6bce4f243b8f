import CBridge

/// An elementwise activation σ: the formula and its derivatives, nothing else.
///
/// The loops around it are in `ActivationKernels`, which is built where the scalar type
/// is concrete, so that every formula here ends inlined in a vector loop.
protocol Activation: Sendable {
  static var info: RuleInfo { get }

  /// Whether σ′ can be had from a alone; then z need not be kept for the way back.
  static var derivativeNeedsZ: Bool { get }

  /// Whether |σ(z)| ≤ |z| + 1 for every z, so that a bound on z bounds a: then training need
  /// not look for the largest a.
  var growsAtMostLinearly: Bool { get }

  init(_ values: RuleValues)

  /// a = σ(z)
  func value<T: Scalar>(_ z: T) -> T
  /// σ′(z), given z and a = σ(z). With `derivativeNeedsZ == false` only a may be read.
  func derivative<T: Scalar>(z: T, a: T) -> T
  /// σ″(z); 0 at kinks.
  func secondDerivative<T: Scalar>(z: T, a: T) -> T
}

extension Activation {
  var growsAtMostLinearly: Bool { false }
}
