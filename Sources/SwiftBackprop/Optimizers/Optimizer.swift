import CBridge

/// An optimizer: the update of one parameter from its gradient.
///
/// The loop over the parameters, clipping and penalties are in `OptimizerKernels`; a rule
/// holds only the mathematics. Parameter 0 is always the learning rate, `lr`.
protocol Optimizer: Sendable {
  static var info: RuleInfo { get }

  /// State arrays of the parameters' size: 0, 1 or 2, all zero at the start.
  static var slots: Int { get }

  /// lr, the first parameter.
  var lr: Double { get }

  /// Whether the update is w ← w − lr·g and nothing else: then a matrix product can make it.
  static var isPlainDescent: Bool { get }

  /// λ of the decoupled decay W ← W − lr·λ·W, on W before the update; 0 for none.
  var decay: Double { get }

  init(_ values: RuleValues)

  /// What depends on the number t = 1, 2, ... of an update alone: two factors.
  func factors(step t: Int) -> (Double, Double)

  /// Made ready for the update with these factors.
  mutating func use(_ factors: (Double, Double))

  /// The parameter after the update; `g` is its gradient with penalties, `s` and `r` its
  /// state in slots 0 and 1.
  func update<T: Scalar>(_ w: T, _ g: T, _ s: inout T, _ r: inout T) -> T
}

extension Optimizer {
  static var isPlainDescent: Bool { false }
  var decay: Double { 0 }
  func factors(step t: Int) -> (Double, Double) { (0, 0) }
  mutating func use(_ factors: (Double, Double)) {}
}
