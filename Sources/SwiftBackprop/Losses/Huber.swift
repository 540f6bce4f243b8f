import CBridge

/// ℓ(a, t) = ½r² for |r| ≤ δ, else δ(|r| − ½δ), with r = a − t; ∂ℓ/∂a = r limited to [−δ, δ];
/// ∂²ℓ/∂a² = 1 for |r| < δ, else 0.
///
/// Huber, "Robust estimation of a location parameter", 1964.
struct Huber: Loss {
  static let domain = TargetDomain.real
  static var info: RuleInfo {
    RuleInfo(
      name: "huber", title: "Huber",
      formula: "r^2 / 2 if |r| <= delta else delta (|r| - delta / 2)",
      parameters: [RuleParameter("delta", 1, .positive)], flags: SB_RULE_KINK,
      canonicalOutput: "identity")
  }

  let delta: Double
  init(_ values: RuleValues) { delta = values[0] }

  // With m = min(|r|, δ) both branches are m(|r| − ½m).
  @inline(__always)
  func value<T: Scalar>(a: T, t: T) -> T {
    let r = abs(a - t)
    let m = Swift.min(r, T(delta))
    return m * (r - 0.5 * m)
  }
  @inline(__always)
  func derivative<T: Scalar>(a: T, t: T) -> T {
    Swift.min(Swift.max(a - t, T(-delta)), T(delta))
  }
  @inline(__always)
  func secondDerivative<T: Scalar>(a: T, t: T) -> T { abs(a - t) < T(delta) ? 1 : 0 }
}
