import CBridge

/// v ← μv + g, w ← w − lr·v.
///
/// Polyak, "Some methods of speeding up the convergence of iteration methods", 1964, in
/// the form of PyTorch, where lr stands outside the velocity.
struct Momentum: Optimizer {
  static let slots = 1
  static var info: RuleInfo {
    RuleInfo(
      name: "momentum", title: "Momentum", formula: "v <- momentum v + g, w <- w - lr v",
      parameters: [
        RuleParameter("lr", 0.01, .nonNegative), RuleParameter("momentum", 0.9, .unitInterval),
      ])
  }

  let lr, momentum: Double
  init(_ values: RuleValues) {
    lr = values[0]
    momentum = values[1]
  }

  @inline(__always)
  func update<T: Scalar>(_ w: T, _ g: T, _ v: inout T, _ r: inout T) -> T {
    v = T.mulAdd(T(momentum), v, g)
    return T.mulAdd(T(-lr), v, w)
  }
}
