import CBridge

/// A loss as a sum over outputs: the formula of one term and its derivatives by a.
///
/// The cost of an example is the sum of `value` over its outputs.
protocol Loss: Sendable {
  static var info: RuleInfo { get }

  /// What targets may be.
  static var domain: TargetDomain { get }

  init(_ values: RuleValues)

  func value<T: Scalar>(a: T, t: T) -> T
  /// ∂value/∂a; 0 where the value is clipped.
  func derivative<T: Scalar>(a: T, t: T) -> T
  /// ∂²value/∂a²; 0 at kinks and where the value is clipped.
  func secondDerivative<T: Scalar>(a: T, t: T) -> T

  /// With which canonical output the term is made from z.
  static var fusion: Fusion { get }

  /// The term from the pre-activation z of the canonical output (`info.canonicalOutput`), finite
  /// for every finite z; its derivative by z is a − t. `logSum` is ln Σ eᶻ of the row when
  /// that is softmax, else 0. Only losses with a `fusion`, and the flag `SB_RULE_FUSED`, are asked.
  func valueFused<T: Scalar>(z: T, t: T, logSum: T) -> T
}

/// The canonical output of a loss, as its loops see it: no loop is compiled that nobody can call.
enum Fusion { case none, elementwise, softmax }

extension Loss {
  static var fusion: Fusion { .none }
  func valueFused<T: Scalar>(z: T, t: T, logSum: T) -> T { 0 }
}

/// The values a target may have; other ones are refused at the door.
enum TargetDomain {
  case real
  case nonNegative
  /// In [0, 1].
  case probability
  /// A row of numbers ≥ 0 with sum 1.
  case distribution
}
