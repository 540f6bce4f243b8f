import CBridge

/// w ← w − lr·g.
///
/// Robbins and Monro, "A stochastic approximation method", 1951.
struct SGD: Optimizer {
  static let slots = 0
  static let isPlainDescent = true
  static var info: RuleInfo {
    RuleInfo(
      name: "sgd", title: "SGD", formula: "w <- w - lr g",
      parameters: [RuleParameter("lr", 0.01, .nonNegative)])
  }

  let lr: Double
  init(_ values: RuleValues) { lr = values[0] }

  @inline(__always)
  func update<T: Scalar>(_ w: T, _ g: T, _ s: inout T, _ r: inout T) -> T {
    T.mulAdd(T(-lr), g, w)
  }
}
