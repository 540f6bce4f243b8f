import CBridge

/// σ(z) = zΦ(z); σ′ = Φ(z) + zφ(z); σ″ = (2 − z²)φ(z). Here Φ(z) = ½ erfc(−z/√2) is the normal
/// distribution and φ its density.
///
/// Φ keeps its relative accuracy in the negative tail. Beyond |z| = 64 nothing changes in
/// either type; the limits keep ∞·0 out. Hendrycks and Gimpel, "Gaussian error linear units
/// (GELUs)", 2016.
struct GELU: Activation {
  static let derivativeNeedsZ = true
  static var info: RuleInfo {
    RuleInfo(
      name: "gelu", title: "GELU", formula: "z erfc(-z / sqrt(2)) / 2",
      defaultInitializer: "he_normal")
  }

  init(_ values: RuleValues) {}
  var growsAtMostLinearly: Bool { true }

  @inline(__always)
  func value<T: Scalar>(_ z: T) -> T { Swift.max(z, -64) * T.normalCDF(z) }
  @inline(__always)
  func derivative<T: Scalar>(z: T, a: T) -> T {
    // The two exponentials become one as long as both see the same z.
    T.mulAdd(Swift.min(Swift.max(z, -64), 64), T.normalPDF(z), T.normalCDF(z))
  }
  @inline(__always)
  func secondDerivative<T: Scalar>(z: T, a: T) -> T {
    let z = Swift.min(Swift.max(z, -64), 64)
    return (2 - z * z) * T.normalPDF(z)
  }
}
