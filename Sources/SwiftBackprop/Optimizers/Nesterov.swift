import CBridge

/// v ← μv + g, w ← w − lr(g + μv).
///
/// Nesterov's method as momentum: Sutskever, Martens, Dahl and Hinton, "On the importance of
/// initialization and momentum in deep learning", 2013, in the form of PyTorch.
struct Nesterov: Optimizer {
  static let slots = 1
  static var info: RuleInfo {
    RuleInfo(
      name: "nesterov", title: "Nesterov",
      formula: "v <- momentum v + g, w <- w - lr (g + momentum v)",
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
    return T.mulAdd(T(-lr), T.mulAdd(T(momentum), v, g), w)
  }
}
