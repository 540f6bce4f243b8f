import CBridge

/// Double precision, by the same methods as `Float`.
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
  static func mulAdd(_ a: Double, _ b: Double, _ c: Double) -> Double {
    #if SB_FMA
      c.addingProduct(a, b)
    #else
      a * b + c
    #endif
  }

  @inline(__always)
  static func sqrt(_ x: Double) -> Double { sb_sqrt(x) }

  // MARK: exponentials

  /// eˣ
  @inline(__always)
  static func exp(_ x: Double) -> Double {
    let (n, r) = reduced(Swift.min(Swift.max(x, -746), 710))
    return scaled(1 + expTail(r), n)
  }

  /// eˣ − 1 = 2ⁿ(eʳ − 1) + (2ⁿ − 1), whose last term is exact.
  @inline(__always)
  static func expm1(_ x: Double) -> Double {
    let (n, r) = reduced(Swift.min(Swift.max(x, -38), 710))
    // Half of it, so that 2¹⁰²⁴ does not overflow too early.
    let half = power(n &- 1)
    return 2 * mulAdd(half, expm1OfReduced(r), half - 0.5)
  }

  /// 1 / (1 + e^−|x|), times e^−|x| on the negative side.
  @inline(__always)
  static func sigmoid(_ x: Double) -> Double {
    let (n, r) = reduced(Swift.max(-abs(x), -746))
    let e = scaled(1 + expTail(r), n)
    return (x >= 0 ? 1 : e) / (1 + e)
  }

  /// −E / (2 + E) with E = e^−2|x| − 1, and the sign of x.
  @inline(__always)
  static func tanh(_ x: Double) -> Double {
    let (n, r) = reduced(-2 * Swift.min(abs(x), 20))
    let whole = power(n)
    let e = mulAdd(whole, expm1OfReduced(r), whole - 1)
    return withSign(of: x, -e / (2 + e))
  }

  // MARK: logarithms

  /// ln x = e·ln 2 + ln m with m in [√½, √2).
  @inline(__always)
  static func log(_ x: Double) -> Double {
    let isTiny = x < 0x1p-1022
    let y = isTiny ? x * 0x1p54 : x
    let (shift, e) = exponent(y)
    let m = Double(bitPattern: y.bitPattern &- shift)
    let ln = logOfReduced(m - 1, e - (isTiny ? 54 : 0))
    let finite = x < .infinity ? ln : x
    return x > 0 ? finite : (x == 0 ? -.infinity : .nan)
  }

  /// ln(1 + x) = e·ln 2 + ln(1 + f) with f = 2⁻ᵉ(1 + x) − 1 = 2⁻ᵉx + (2⁻ᵉ − 1), rounded once.
  @inline(__always)
  static func log1p(_ x: Double) -> Double {
    let (shift, e) = exponent(1 + x)
    let scaled = Double(bitPattern: x.bitPattern &- shift)
    // 2·2⁻ᵉ, since 2⁻¹⁰²⁴ has no exponent of its own.
    let double = Double(bitPattern: 0x4000_0000_0000_0000 &- shift)
    let ln = logOfReduced(scaled + (0.5 * double - 1), e)
    let finite = x < .infinity ? ln : x
    return x > -1 ? finite : (x == -1 ? -.infinity : .nan)
  }

  // MARK: the normal distribution

  @inline(__always)
  static func normalCDF(_ z: Double) -> Double {
    let y = Swift.min(abs(z), 38.7)
    let (n, r) = reducedHalfSquare(y)
    let tail = scaled(expTimesMills(r, y), n)
    return z > 0 ? 1 - tail : tail
  }

  @inline(__always)
  static func normalPDF(_ z: Double) -> Double {
    let (n, r) = reducedHalfSquare(Swift.min(abs(z), 38.7))
    let density: Double = 0x1.9884533d43651p-2
    return scaled(mulAdd(density, expTail(r), density), n)
  }

  // MARK: parts

  /// x = n·ln 2 + r with |r| ≤ ½ ln 2, by Cody and Waite's two-part ln 2.
  ///
  /// Adding 1.5·2⁵² rounds to an integer and leaves it in the low bits, all that `power`
  /// looks at.
  @inline(__always)
  private static func reduced(_ x: Double) -> (n: UInt64, r: Double) {
    let shifted = mulAdd(x, 0x1.71547652b82fep0, 0x1.8p52)
    let n = shifted - 0x1.8p52
    let r = mulAdd(n, -0x1.ef35793c7673p-45, mulAdd(n, -0x1.62e42fefa38p-1, x))
    return (shifted.bitPattern, r)
  }

  /// −½y² = n·ln 2 + r, with the square in two parts, so that its rounding does not reach eʳ.
  @inline(__always)
  private static func reducedHalfSquare(_ y: Double) -> (n: UInt64, r: Double) {
    let high = upperHalf(y)
    let low = 0.5 * (y - high) * (y + high)
    let shifted = mulAdd(0.5 * y * y, -0x1.71547652b82fep0, 0x1.8p52)
    let n = shifted - 0x1.8p52
    let first = mulAdd(n, -0x1.62e42fefa38p-1, -(0.5 * high * high))
    let r = first + mulAdd(n, -0x1.ef35793c7673p-45, -low)
    return (shifted.bitPattern, r)
  }

  /// x without the lower half of its digits, so that its square is exact.
  @inline(__always)
  private static func upperHalf(_ x: Double) -> Double {
    Double(bitPattern: x.bitPattern & 0xffff_ffff_f800_0000)
  }

  /// 2ⁿ for −1022 ≤ n ≤ 1023.
  @inline(__always)
  private static func power(_ n: UInt64) -> Double {
    Double(bitPattern: (n &+ 1023) &<< 52)
  }

  /// 2ⁿx in two steps, so that subnormal results are rounded once and ∞ is reached.
  @inline(__always)
  private static func scaled(_ x: Double, _ n: UInt64) -> Double {
    let half = n &>> 1
    return x * power(half) * power(n &- half)
  }

  /// eʳ − 1 = r + r²q(r), |error| < 2⁻⁵⁶·⁴ of eʳ.
  @inline(__always)
  private static func expTail(_ r: Double) -> Double {
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
  private static func expm1OfReduced(_ r: Double) -> Double {
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

  /// The e of x = 2ᵉm with m in [√½, √2), in the place of the exponent bits and as a number,
  /// for positive normal x. Conversions of 64-bit integers are no vector instructions before
  /// AVX-512, so e + 1023 becomes the low bits of 2⁵².
  @inline(__always)
  private static func exponent(_ x: Double) -> (shift: UInt64, e: Double) {
    let offset = x.bitPattern &- 0x3fe6_a09e_667f_3bcd &+ 0x3ff0_0000_0000_0000
    let number = Double(bitPattern: offset &>> 52 | 0x4330_0000_0000_0000)
    let shift = (offset & 0xfff0_0000_0000_0000) &- 0x3ff0_0000_0000_0000
    return (shift, number - (0x1p52 + 1023))
  }

  /// ln(1 + f) + e·ln 2 with ln(1 + f) = f − ½f² + s(½f² + R), s = f/(2 + f): Tang,
  /// "Table-driven implementation of the logarithm function", ACM TOMS 16(4), 1990, section 2.
  /// R is a polynomial in s², |error| < 2⁻⁵⁹ of ln(1 + f).
  @inline(__always)
  private static func logOfReduced(_ f: Double, _ e: Double) -> Double {
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
    let low = mulAdd(s, mulAdd(p, square, half), e * 0x1.ef35793c7673p-45) - half
    return mulAdd(e, 0x1.62e42fefa38p-1, f + low)
  }

  /// eʳM(z) with M(z) = e^(z²/2)Φ(−z), for 0 ≤ z ≤ 38.7.
  ///
  /// M(z) = P(q) / (z + k), q = (z − k)/(z + k), k = 2, |error| < 2⁻⁵³·⁵ of it: Mills' ratio in
  /// the variable of Shepherd and Laframboise, "Chebyshev approximation of (1 + 2x)exp(x²)erfc
  /// x in 0 ≤ x < ∞", Math. Comp. 36, 1981. A larger k would take fewer terms, but let more
  /// of q's rounding through. That of z + k is made good: M′/M ≈ −1.5/(z + k).
  @inline(__always)
  private static func expTimesMills(_ r: Double, _ z: Double) -> Double {
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

  @inline(__always)
  private static func withSign(of x: Double, _ magnitude: Double) -> Double {
    let sign = x.bitPattern & 0x8000_0000_0000_0000
    return Double(bitPattern: (magnitude.bitPattern & 0x7fff_ffff_ffff_ffff) | sign)
  }
}
