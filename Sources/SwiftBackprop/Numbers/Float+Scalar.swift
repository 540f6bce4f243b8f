import CBridge

/// Single precision.
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
  static func sqrt(_ x: Float) -> Float { sb_sqrtf(x) }

  // MARK: for Functions.swift

  static var roundingConstant: Float { 0x1.8p23 }
  static var inverseLn2: Float { 0x1.715476p0 }
  static var ln2High: Float { 0x1.62e4p-1 }
  static var ln2Low: Float { 0x1.7f7d1cp-20 }

  static var expLowest: Float { -104 }
  static var expHighest: Float { 89 }
  static var expm1Lowest: Float { -18 }
  static var tanhHighest: Float { 10 }
  static var normalHighest: Float { 14.42 }

  /// eʳ − 1 = r + r²q(r), |error| < 2⁻²⁷·⁹ of eʳ.
  @inline(__always)
  static func expTail(_ r: Float) -> Float {
    var q: Float = 0x1.6b6b1p-10
    q = mulAdd(q, r, 0x1.124df6p-7)
    q = mulAdd(q, r, 0x1.5557e6p-5)
    q = mulAdd(q, r, 0x1.555476p-3)
    q = mulAdd(q, r, 0x1.fffffcp-2)
    return mulAdd(r * r, q, r)
  }

  /// eʳ − 1 = r + r²q(r), |error| < 2⁻²⁷·⁹ of it.
  @inline(__always)
  static func expm1OfReduced(_ r: Float) -> Float {
    var q: Float = 0x1.3783aap-13
    q = mulAdd(q, r, 0x1.6d383ap-10)
    q = mulAdd(q, r, 0x1.115a52p-7)
    q = mulAdd(q, r, 0x1.5554fcp-5)
    q = mulAdd(q, r, 0x1.555528p-3)
    q = mulAdd(q, r, 0.5)
    return mulAdd(r * r, q, r)
  }

  @inline(__always)
  static func exponent(_ x: Float) -> (shift: UInt32, e: Float) {
    let e = Int32(bitPattern: x.bitPattern &- 0x3f35_04f3) &>> 23
    return (UInt32(bitPattern: e &<< 23), Float(e))
  }

  /// ln(1 + f) + e·ln 2 = f − ½f² + f³p(f) + e·ln 2, |error of p| < 2⁻²⁷·³ of ln(1 + f).
  @inline(__always)
  static func logOfReduced(_ f: Float, _ e: Float) -> Float {
    var p: Float = -0x1.3904e6p-4
    p = mulAdd(p, f, 0x1.058a4p-3)
    p = mulAdd(p, f, -0x1.0d8c88p-3)
    p = mulAdd(p, f, 0x1.22d43cp-3)
    p = mulAdd(p, f, -0x1.5470fap-3)
    p = mulAdd(p, f, 0x1.99a03ep-3)
    p = mulAdd(p, f, -0x1.00022cp-2)
    p = mulAdd(p, f, 0x1.555554p-2)
    let square = f * f
    let low = mulAdd(f * square, p, mulAdd(-0.5, square, e * ln2Low))
    return mulAdd(e, ln2High, f + low)
  }

  /// M(z) = P(q) / (z + k), q = (z − k)/(z + k), k = 1.5, |error| < 2⁻²⁶·⁵ of it: Mills' ratio in
  /// the variable of Shepherd and Laframboise, "Chebyshev approximation of (1 + 2x)exp(x²)erfc
  /// x in 0 ≤ x < ∞", Math. Comp. 36, 1981. A larger k would take fewer terms, but let more
  /// of q's rounding through. That of z + k is made good: M′/M ≈ −1.25/(z + k).
  @inline(__always)
  static func expTimesMills(_ r: Float, _ z: Float) -> Float {
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
}
