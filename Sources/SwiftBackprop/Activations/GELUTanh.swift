import CBridge

/// σ(z) = ½z(1 + tanh ½v) = z·s; σ′ = s + z·s′·v′; σ″ = s′(2v′ + z(v″ + (1 − 2s)v′²)). Here
/// v = √(8/π)(z + 0.044715z³), s is the sigmoid of v, and s′ = s(1 − s).
///
/// 1 − s is the sigmoid of −v. For negative z the value is as accurate as v, whose rounding moves
/// eᵛ by |v| ULP; the limits keep ∞·0 out. Hendrycks and Gimpel, "Gaussian error linear units
/// (GELUs)", 2016.
struct GELUTanh: Activation {
  static let derivativeNeedsZ = true
  static var info: RuleInfo {
    RuleInfo(
      name: "gelu_tanh", title: "GELUTanh",
      formula: "z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2", defaultInitializer: "he_normal")
  }

  init(_ values: RuleValues) {}
  var growsAtMostLinearly: Bool { true }

  // v = z(p + q·z²) with p = 2√(2/π) and q = 0.044715p.
  private static var p: Double { 1.5957691216057307118 }
  private static var q: Double { 0.0713548162726002527 }

  @inline(__always)
  private func argument<T: Scalar>(_ z: T) -> T {
    z * T.mulAdd(T(Self.q), z * z, T(Self.p))
  }

  @inline(__always)
  func value<T: Scalar>(_ z: T) -> T {
    let z = Swift.max(z, -64)
    return z * T.sigmoid(argument(z))
  }
  @inline(__always)
  func derivative<T: Scalar>(z: T, a: T) -> T {
    let z = Swift.min(Swift.max(z, -64), 64)
    let v = argument(z)
    let s = T.sigmoid(v)
    let dv = T.mulAdd(T(3 * Self.q), z * z, T(Self.p))
    return T.mulAdd(z * dv, s * T.sigmoid(-v), s)
  }
  @inline(__always)
  func secondDerivative<T: Scalar>(z: T, a: T) -> T {
    let z = Swift.min(Swift.max(z, -64), 64)
    let v = argument(z)
    let s = T.sigmoid(v)
    let dv = T.mulAdd(T(3 * Self.q), z * z, T(Self.p))
    let ddv = T(6 * Self.q) * z
    return s * T.sigmoid(-v) * (2 * dv + z * (ddv + (1 - 2 * s) * dv * dv))
  }
}
