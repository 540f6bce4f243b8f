import CBridge

/// Double precision.
extension Double: Scalar {
  typealias Bits = UInt64
  #if SB_AVX512
    typealias Vector = SIMD8<Double>
  #elseif SB_FMA && arch(x86_64)
    typealias Vector = SIMD4<Double>
  #else
    typealias Vector = SIMD2<Double>
  #endif

  static var dtype: Int32 { SB_FLOAT64 }
  static var infinityBits: UInt64 { 0x7ff0_0000_0000_0000 }
  static var epsilon: Double { 0x1p-52 }

  @inline(__always)
  var bits: UInt64 { bitPattern }
  @inline(__always)
  init(bits: UInt64) { self.init(bitPattern: bits) }

  static func gemm(
    _ transA: Bool, _ transB: Bool, _ m: Int32, _ n: Int32, _ k: Int32,
    _ alpha: Double, _ a: UnsafePointer<Double>, _ lda: Int32,
    _ b: UnsafePointer<Double>, _ ldb: Int32,
    _ beta: Double, _ c: UnsafeMutablePointer<Double>, _ ldc: Int32
  ) {
    sb_dgemm(
      transA ? 112 : 111, transB ? 112 : 111, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
  }

  static func roundedProduct(
    _ a: Matrix<Double>, _ b: Matrix<Double>, into c: UnsafeMutablePointer<Double>, keeps: Bool,
    factor: Double, pieces: Int32
  ) -> Bool {
    false
  }

  #if SB_AVX512
    @inline(__always)
    static func transposeEight(
      _ p: UnsafePointer<Double>, _ stride: Int, into out: UnsafeMutablePointer<Double>,
      _ outStride: Int
    ) { sb_transpose_8d(p, stride, out, outStride) }
  #endif

  @inline(__always)
  static func adding(_ row: Vector, _ a: Double, _ b: Vector) -> Vector { sb_addd(row, a, b) }
  @inline(__always)
  static func scaled(_ row: Vector, _ factor: Double) -> Vector { sb_scaled(row, factor) }

  @inline(__always)
  static func sqrt(_ x: Double) -> Double { sb_sqrt(x) }

  // MARK: for Functions.swift

  static var roundingConstant: Double { 0x1.8p52 }
  static var inverseLn2: Double { 0x1.71547652b82fep0 }
  static var ln2High: Double { 0x1.62e42fefa38p-1 }
  static var ln2Low: Double { 0x1.ef35793c7673p-45 }

  static var expLowest: Double { -746 }
  static var expHighest: Double { 710 }
  static var expm1Lowest: Double { -38 }
  static var tanhHighest: Double { 20 }
  static var normalHighest: Double { 38.7 }

  /// eʳ − 1 = r + r²q(r), |error| < 2⁻⁵⁶·⁴ of eʳ.
  @inline(__always)
  static func expTail(_ r: Double) -> Double {
    var q: Double = 0x1.ae8f552eee901p-26
    q = mulAdd(q, r, 0x1.28b6e0d9c6f55p-22)
    q = mulAdd(q, r, 0x1.71ded04b284cep-19)
    q = mulAdd(q, r, 0x1.a01990a18a5aap-16)
    q = mulAdd(q, r, 0x1.a01a0129fb406p-13)
    q = mulAdd(q, r, 0x1.6c16c1875d9b1p-10)
    q = mulAdd(q, r, 0x1.111111112cf9fp-7)
    q = mulAdd(q, r, 0x1.555555554fa88p-5)
    q = mulAdd(q, r, 0x1.55555555554eep-3)
    q = mulAdd(q, r, 0x1.000000000000cp-1)
    return mulAdd(r * r, q, r)
  }

  /// eʳ − 1 = r + r²q(r), |error| < 2⁻⁶¹ of it.
  @inline(__always)
  static func expm1OfReduced(_ r: Double) -> Double {
    var q: Double = 0x1.1f7e92daabd4fp-29
    q = mulAdd(q, r, 0x1.af688dca3a7a1p-26)
    q = mulAdd(q, r, 0x1.27e4cb6f26df1p-22)
    q = mulAdd(q, r, 0x1.71ddf2c6acc5p-19)
    q = mulAdd(q, r, 0x1.a01a01b2933aap-16)
    q = mulAdd(q, r, 0x1.a01a01b218fd4p-13)
    q = mulAdd(q, r, 0x1.6c16c16c13302p-10)
    q = mulAdd(q, r, 0x1.111111110f11p-7)
    q = mulAdd(q, r, 0x1.555555555555cp-5)
    q = mulAdd(q, r, 0x1.555555555555ap-3)
    q = mulAdd(q, r, 0.5)
    return mulAdd(r * r, q, r)
  }

  /// Conversions of 64-bit integers are no vector instructions before AVX-512, so e + 1023 becomes
  /// the low bits of 2⁵².
  @inline(__always)
  static func exponent(_ x: Double) -> (shift: UInt64, e: Double) {
    let offset = x.bitPattern &- 0x3fe6_a09e_667f_3bcd &+ 0x3ff0_0000_0000_0000
    let number = Double(bitPattern: offset &>> 52 | 0x4330_0000_0000_0000)
    let shift = (offset & 0xfff0_0000_0000_0000) &- 0x3ff0_0000_0000_0000
    return (shift, number - (0x1p52 + 1023))
  }

  /// ln(1 + f) + e·ln 2 with ln(1 + f) = f − ½f² + s(½f² + R), s = f/(2 + f): Tang,
  /// "Table-driven implementation of the logarithm function", ACM TOMS 16(4), 1990, section 2.
  /// R is a polynomial in s², |error| < 2⁻⁵⁹ of ln(1 + f).
  @inline(__always)
  static func logOfReduced(_ f: Double, _ e: Double) -> Double {
    let s = f / (2 + f)
    let square = s * s
    var p: Double = 0x1.2f31f69114026p-3
    p = mulAdd(p, square, 0x1.399d71f025bf1p-3)
    p = mulAdd(p, square, 0x1.74666803acd11p-3)
    p = mulAdd(p, square, 0x1.c71c51481323cp-3)
    p = mulAdd(p, square, 0x1.24924942d5742p-2)
    p = mulAdd(p, square, 0x1.999999997ee6bp-2)
    p = mulAdd(p, square, 0x1.5555555555595p-1)
    let half = 0.5 * f * f
    let low = mulAdd(s, mulAdd(p, square, half), e * ln2Low) - half
    return mulAdd(e, ln2High, f + low)
  }

  /// M(z) = P(q) / (z + k), q = (z − k)/(z + k), k = 2, |error| < 2⁻⁵³·⁵ of it: Mills' ratio in
  /// the variable of Shepherd and Laframboise, "Chebyshev approximation of (1 + 2x)exp(x²)erfc
  /// x in 0 ≤ x < ∞", Math. Comp. 36, 1981. A larger k would take fewer terms, but let more
  /// of q's rounding through. That of z + k is made good: M′/M ≈ −1.5/(z + k).
  @inline(__always)
  static func expTimesMills(_ r: Double, _ z: Double) -> Double {
    let sum = z + 2
    let share = 4 / sum
    let q = 1 - share
    let lost = (z - (sum - 2)) * share * 0.375
    var p: Double = 0x1.bab92ccca6af5p-26
    p = mulAdd(p, q, 0x1.71e6c4b7f1a3dp-25)
    p = mulAdd(p, q, -0x1.50ccbab7aadadp-23)
    p = mulAdd(p, q, -0x1.8122df044fb0cp-22)
    p = mulAdd(p, q, 0x1.bce7bf742bbd6p-23)
    p = mulAdd(p, q, 0x1.1a6608e335479p-20)
    p = mulAdd(p, q, 0x1.52371a77d8429p-21)
    p = mulAdd(p, q, -0x1.78226f74b6adfp-21)
    p = mulAdd(p, q, -0x1.bf29efc89b3f4p-20)
    p = mulAdd(p, q, -0x1.5ba1e4c5515d7p-19)
    p = mulAdd(p, q, -0x1.64c26aef29efep-19)
    p = mulAdd(p, q, 0x1.eeab5e38a0672p-20)
    p = mulAdd(p, q, 0x1.a2f791bf1bfdbp-17)
    p = mulAdd(p, q, 0x1.6d3d6dab63b6bp-16)
    p = mulAdd(p, q, 0x1.45b405f2a9d82p-17)
    p = mulAdd(p, q, -0x1.8278dfe7e4715p-15)
    p = mulAdd(p, q, -0x1.0d9a73bace896p-13)
    p = mulAdd(p, q, -0x1.e53d5739d4b3bp-14)
    p = mulAdd(p, q, 0x1.b2182d91610eap-13)
    p = mulAdd(p, q, 0x1.b1b0b8af61525p-11)
    p = mulAdd(p, q, 0x1.9ba0c4d0c5c2ep-11)
    p = mulAdd(p, q, -0x1.ff79b96fdeaadp-10)
    p = mulAdd(p, q, -0x1.b8b937f610e12p-8)
    p = mulAdd(p, q, -0x1.ec6870cde3492p-12)
    p = mulAdd(p, q, 0x1.2ccbfbf0c5718p-5)
    p = mulAdd(p, q, 0x1.d7d0e23940037p-6)
    p = mulAdd(p, q, -0x1.535bafa73c582p-2)
    p = mulAdd(p, q, 0x1.5845dcad2a54ep-1)
    let tail = expTail(r)
    return mulAdd(p, tail - mulAdd(lost, tail, lost), p) / sum
  }
}
