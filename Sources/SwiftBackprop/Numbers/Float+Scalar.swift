import CBridge

/// Single precision.
///
/// Every elementary function is a range reduction and a minimax polynomial, fitted by Remez'
/// algorithm with coefficients rounded one after the other, in the manner of Muller,
/// "Elementary Functions", 2016. Subnormal results and ±∞ are right, NaN stays NaN.
extension Float: Scalar {
  typealias Bits = UInt32
  #if SB_AVX512
    typealias Vector = SIMD16<Float>
  #elseif SB_FMA && arch(x86_64)
    typealias Vector = SIMD8<Float>
  #else
    typealias Vector = SIMD4<Float>
  #endif

  static var dtype: Int32 { SB_FLOAT32 }
  static var infinityBits: UInt32 { 0x7f80_0000 }
  static var epsilon: Float { 0x1p-23 }

  @inline(__always)
  var bits: UInt32 { bitPattern }
  @inline(__always)
  init(bits: UInt32) { self.init(bitPattern: bits) }

  static func gemm(
    _ transA: Bool, _ transB: Bool, _ m: Int32, _ n: Int32, _ k: Int32,
    _ alpha: Float, _ a: UnsafePointer<Float>, _ lda: Int32,
    _ b: UnsafePointer<Float>, _ ldb: Int32,
    _ beta: Float, _ c: UnsafeMutablePointer<Float>, _ ldc: Int32
  ) {
    sb_sgemm(
      transA ? 112 : 111, transB ? 112 : 111, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
  }

  static func roundedProduct(
    _ a: Matrix<Float>, _ b: Matrix<Float>, into c: UnsafeMutablePointer<Float>, keeps: Bool,
    factor: Float, pieces: Int32
  ) -> Bool {
    SwiftBackprop.roundedProduct(
      a, b, into: c, keeps: keeps, factor: factor, pieces: pieces, scratch: sb_scratch())
    return true
  }

  #if SB_AVX512
    @inline(__always)
    static func transposeEight(
      _ p: UnsafePointer<Float>, _ stride: Int, into out: UnsafeMutablePointer<Float>,
      _ outStride: Int
    ) { sb_transpose_8f(p, stride, out, outStride) }
  #endif

  @inline(__always)
  static func adding(_ row: Vector, _ a: Float, _ b: Vector) -> Vector { sb_addf(row, a, b) }
  @inline(__always)
  static func scaled(_ row: Vector, _ factor: Float) -> Vector { sb_scalef(row, factor) }

  @inline(__always)
  static func mulAdd(_ a: Float, _ b: Float, _ c: Float) -> Float {
    #if SB_FMA
      c.addingProduct(a, b)
    #else
      a * b + c
    #endif
  }

  @inline(__always)
  static func sqrt(_ x: Float) -> Float { sb_sqrtf(x) }

  // MARK: exponentials

  /// eˣ
  @inline(__always)
  static func exp(_ x: Float) -> Float {
    let (n, r) = reduced(Swift.min(Swift.max(x, -104), 89))
    return scaled(1 + expTail(r), n)
  }

  /// eˣ − 1 = 2ⁿ(eʳ − 1) + (2ⁿ − 1), whose last term is exact.
  @inline(__always)
  static func expm1(_ x: Float) -> Float {
    let (n, r) = reduced(Swift.min(Swift.max(x, -18), 89))
    // Half of it, so that 2¹²⁸ does not overflow too early.
    let half = power(n &- 1)
    return 2 * mulAdd(half, expm1OfReduced(r), half - 0.5)
  }

  /// 1 / (1 + e^−|x|), times e^−|x| on the negative side.
  @inline(__always)
  static func sigmoid(_ x: Float) -> Float {
    let (n, r) = reduced(Swift.max(-abs(x), -104))
    let e = scaled(1 + expTail(r), n)
    return (x >= 0 ? 1 : e) / (1 + e)
  }

  /// −E / (2 + E) with E = e^−2|x| − 1, and the sign of x.
  @inline(__always)
  static func tanh(_ x: Float) -> Float {
    let (n, r) = reduced(-2 * Swift.min(abs(x), 10))
    let whole = power(n)
    let e = mulAdd(whole, expm1OfReduced(r), whole - 1)
    return withSign(of: x, -e / (2 + e))
  }

  // MARK: logarithms

  /// ln x = e·ln 2 + ln m with m in [√½, √2).
  @inline(__always)
  static func log(_ x: Float) -> Float {
    let isTiny = x < 0x1p-126
    let y = isTiny ? x * 0x1p25 : x
    let e = Int32(bitPattern: y.bitPattern &- 0x3f35_04f3) &>> 23
    let m = Float(bitPattern: y.bitPattern &- UInt32(bitPattern: e &<< 23))
    let ln = logOfReduced(m - 1, Float(e) - (isTiny ? 25 : 0))
    let finite = x < .infinity ? ln : x
    return x > 0 ? finite : (x == 0 ? -.infinity : .nan)
  }

  /// ln(1 + x) = e·ln 2 + ln(1 + f) with f = 2⁻ᵉ(1 + x) − 1 = 2⁻ᵉx + (2⁻ᵉ − 1), rounded once.
  @inline(__always)
  static func log1p(_ x: Float) -> Float {
    let e = Int32(bitPattern: (1 + x).bitPattern &- 0x3f35_04f3) &>> 23
    let scaled = Float(bitPattern: x.bitPattern &- UInt32(bitPattern: e &<< 23))
    // 2·2⁻ᵉ, since 2⁻¹²⁸ has no exponent of its own.
    let double = Float(bitPattern: UInt32(bitPattern: (128 &- e) &<< 23))
    let ln = logOfReduced(scaled + (0.5 * double - 1), Float(e))
    let finite = x < .infinity ? ln : x
    return x > -1 ? finite : (x == -1 ? -.infinity : .nan)
  }

  // MARK: the normal distribution

  @inline(__always)
  static func normalCDF(_ z: Float) -> Float {
    let y = Swift.min(abs(z), 14.42)
    let (n, r) = reducedHalfSquare(y)
    let tail = scaled(expTimesMills(r, y), n)
    return z > 0 ? 1 - tail : tail
  }

  @inline(__always)
  static func normalPDF(_ z: Float) -> Float {
    let (n, r) = reducedHalfSquare(Swift.min(abs(z), 14.42))
    let density: Float = 0x1.988454p-2
    return scaled(mulAdd(density, expTail(r), density), n)
  }

  // MARK: parts

  /// x = n·ln 2 + r with |r| ≤ ½ ln 2, by Cody and Waite's two-part ln 2.
  ///
  /// Adding 1.5·2²³ rounds to an integer and leaves it in the low bits, all that `power`
  /// looks at.
  @inline(__always)
  private static func reduced(_ x: Float) -> (n: UInt32, r: Float) {
    let shifted = mulAdd(x, 0x1.715476p0, 0x1.8p23)
    let n = shifted - 0x1.8p23
    let r = mulAdd(n, -0x1.7f7d1cp-20, mulAdd(n, -0x1.62e4p-1, x))
    return (shifted.bitPattern, r)
  }

  /// −½y² = n·ln 2 + r, with the square in two parts, so that its rounding does not reach eʳ.
  @inline(__always)
  private static func reducedHalfSquare(_ y: Float) -> (n: UInt32, r: Float) {
    let high = upperHalf(y)
    let low = 0.5 * (y - high) * (y + high)
    let shifted = mulAdd(0.5 * y * y, -0x1.715476p0, 0x1.8p23)
    let n = shifted - 0x1.8p23
    let first = mulAdd(n, -0x1.62e4p-1, -(0.5 * high * high))
    let r = first + mulAdd(n, -0x1.7f7d1cp-20, -low)
    return (shifted.bitPattern, r)
  }

  /// x without the lower half of its digits, so that its square is exact.
  @inline(__always)
  private static func upperHalf(_ x: Float) -> Float {
    Float(bitPattern: x.bitPattern & 0xffff_f000)
  }

  /// 2ⁿ for −126 ≤ n ≤ 127.
  @inline(__always)
  private static func power(_ n: UInt32) -> Float {
    Float(bitPattern: (n &+ 127) &<< 23)
  }

  /// 2ⁿx in two steps, so that subnormal results are rounded once and ∞ is reached.
  @inline(__always)
  private static func scaled(_ x: Float, _ n: UInt32) -> Float {
    let half = n &>> 1
    return x * power(half) * power(n &- half)
  }

  /// eʳ − 1 = r + r²q(r), |error| < 2⁻²⁷·⁹ of eʳ.
  @inline(__always)
  private static func expTail(_ r: Float) -> Float {
    var q: Float = 0x1.6b6b1p-10
    q = mulAdd(q, r, 0x1.124df6p-7)
    q = mulAdd(q, r, 0x1.5557e6p-5)
    q = mulAdd(q, r, 0x1.555476p-3)
    q = mulAdd(q, r, 0x1.fffffcp-2)
    return mulAdd(r * r, q, r)
  }

  /// eʳ − 1 = r + r²q(r), |error| < 2⁻²⁷·⁹ of it.
  @inline(__always)
  private static func expm1OfReduced(_ r: Float) -> Float {
    var q: Float = 0x1.3783aap-13
    q = mulAdd(q, r, 0x1.6d383ap-10)
    q = mulAdd(q, r, 0x1.115a52p-7)
    q = mulAdd(q, r, 0x1.5554fcp-5)
    q = mulAdd(q, r, 0x1.555528p-3)
    q = mulAdd(q, r, 0.5)
    return mulAdd(r * r, q, r)
  }

  /// ln(1 + f) + e·ln 2 = f − ½f² + f³p(f) + e·ln 2, |error of p| < 2⁻²⁷·³ of ln(1 + f).
  @inline(__always)
  private static func logOfReduced(_ f: Float, _ e: Float) -> Float {
    var p: Float = -0x1.3904e6p-4
    p = mulAdd(p, f, 0x1.058a4p-3)
    p = mulAdd(p, f, -0x1.0d8c88p-3)
    p = mulAdd(p, f, 0x1.22d43cp-3)
    p = mulAdd(p, f, -0x1.5470fap-3)
    p = mulAdd(p, f, 0x1.99a03ep-3)
    p = mulAdd(p, f, -0x1.00022cp-2)
    p = mulAdd(p, f, 0x1.555554p-2)
    let square = f * f
    let low = mulAdd(f * square, p, mulAdd(-0.5, square, e * 0x1.7f7d1cp-20))
    return mulAdd(e, 0x1.62e4p-1, f + low)
  }

  /// eʳM(z) with M(z) = e^(z²/2)Φ(−z), for 0 ≤ z ≤ 14.42.
  ///
  /// M(z) = P(q) / (z + k), q = (z − k)/(z + k), k = 1.5, |error| < 2⁻²⁶·⁵ of it: Mills' ratio in
  /// the variable of Shepherd and Laframboise, "Chebyshev approximation of (1 + 2x)exp(x²)erfc
  /// x in 0 ≤ x < ∞", Math. Comp. 36, 1981. A larger k would take fewer terms, but let more
  /// of q's rounding through. That of z + k is made good: M′/M ≈ −1.25/(z + k).
  @inline(__always)
  private static func expTimesMills(_ r: Float, _ z: Float) -> Float {
    let sum = z + 1.5
    let share = 3 / sum
    let q = 1 - share
    let lost = (z - (sum - 1.5)) * share * 0.4166666666666667
    var p: Float = 0x1.411714p-13
    p = mulAdd(p, q, 0x1.e8914ep-12)
    p = mulAdd(p, q, 0x1.0234acp-12)
    p = mulAdd(p, q, -0x1.114f56p-10)
    p = mulAdd(p, q, -0x1.62bf52p-9)
    p = mulAdd(p, q, -0x1.3ef1b2p-9)
    p = mulAdd(p, q, 0x1.053fcep-8)
    p = mulAdd(p, q, 0x1.21037cp-6)
    p = mulAdd(p, q, 0x1.253904p-6)
    p = mulAdd(p, q, -0x1.d7009p-5)
    p = mulAdd(p, q, -0x1.8f9054p-3)
    p = mulAdd(p, q, 0x1.3c144p-1)
    let tail = expTail(r)
    return mulAdd(p, tail - mulAdd(lost, tail, lost), p) / sum
  }

  @inline(__always)
  private static func withSign(of x: Float, _ magnitude: Float) -> Float {
    let sign = x.bitPattern & 0x8000_0000
    return Float(bitPattern: (magnitude.bitPattern & 0x7fff_ffff) | sign)
  }
}
