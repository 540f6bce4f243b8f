// Elementary functions, once for both number types: a range reduction, and a minimax polynomial
// that `Float` and `Double` bring along, fitted by Remez' algorithm with coefficients rounded one
// after the other, in the manner of Muller, "Elementary Functions", 2016. Without branches, so that
// a plain loop over them becomes vector code. Subnormal results and ±∞ are right, NaN stays NaN.
//
// The largest errors are given in units of a result's last place (ULP), for `Float` and for `Double`,
// with and without fused products; MathTests holds them to it.

extension Scalar {
  /// a·b + c, fused where the instruction set has it, two roundings elsewhere.
  @inline(__always)
  static func mulAdd(_ a: Self, _ b: Self, _ c: Self) -> Self {
    #if SB_FMA
      c.addingProduct(a, b)
    #else
      a * b + c
    #endif
  }

  // MARK: exponentials

  /// eˣ; 1.1 and 1.1 ULP
  @inline(__always)
  static func exp(_ x: Self) -> Self {
    let (n, r) = reduced(Swift.min(Swift.max(x, expLowest), expHighest))
    return scaled(1 + expTail(r), n)
  }

  /// eˣ − 1 = 2ⁿ(eʳ − 1) + (2ⁿ − 1), whose last term is exact; 1.5 and 2 ULP
  @inline(__always)
  static func expm1(_ x: Self) -> Self {
    let (n, r) = reduced(Swift.min(Swift.max(x, expm1Lowest), expHighest))
    // Half of it, so that 2¹²⁸ and 2¹⁰²⁴ do not overflow too early.
    let half = power(n &- 1)
    return 2 * mulAdd(half, expm1OfReduced(r), half - 0.5)
  }

  /// 1 / (1 + e⁻ˣ): 1 / (1 + e^−|x|), times e^−|x| on the negative side; 2.4 and 2.4 ULP
  @inline(__always)
  static func sigmoid(_ x: Self) -> Self {
    let (n, r) = reduced(Swift.max(-abs(x), expLowest))
    let e = scaled(1 + expTail(r), n)
    return (x >= 0 ? 1 : e) / (1 + e)
  }

  /// tanh x: −E / (2 + E) with E = e^−2|x| − 1, and the sign of x; 2.6 and 2.6 ULP
  @inline(__always)
  static func tanh(_ x: Self) -> Self {
    let (n, r) = reduced(-2 * Swift.min(abs(x), tanhHighest))
    let whole = power(n)
    let e = mulAdd(whole, expm1OfReduced(r), whole - 1)
    return withSign(of: x, -e / (2 + e))
  }

  // MARK: logarithms

  /// ln x = e·ln 2 + ln m with m in [√½, √2); 0.9 and 0.9 ULP
  @inline(__always)
  static func log(_ x: Self) -> Self {
    // 2 to this power makes a subnormal number normal.
    let digits = Bits(truncatingIfNeeded: significandBitCount + 2)
    let isTiny = x < leastNormalMagnitude
    let y = isTiny ? x * power(digits) : x
    let (shift, e) = exponent(y)
    let ln = logOfReduced(Self(bits: y.bits &- shift) - 1, e - (isTiny ? Self(digits) : 0))
    let finite = x < .infinity ? ln : x
    return x > 0 ? finite : (x == 0 ? -.infinity : .nan)
  }

  /// ln(1 + x) = e·ln 2 + ln(1 + f) with f = 2⁻ᵉ(1 + x) − 1 = 2⁻ᵉx + (2⁻ᵉ − 1), rounded once;
  /// 1.5 and 1.5 ULP
  @inline(__always)
  static func log1p(_ x: Self) -> Self {
    let (shift, e) = exponent(1 + x)
    let scaled = Self(bits: x.bits &- shift)
    // 2·2⁻ᵉ, since 2⁻¹²⁸ and 2⁻¹⁰²⁴ have no exponent of their own.
    let double = Self(bits: Self(2).bits &- shift)
    let ln = logOfReduced(scaled + (0.5 * double - 1), e)
    let finite = x < .infinity ? ln : x
    return x > -1 ? finite : (x == -1 ? -.infinity : .nan)
  }

  // MARK: the normal distribution

  /// Φ(z) = ½ erfc(−z/√2), without z/√2, whose rounding would be a large error in the tail;
  /// 3 and 3.4 ULP
  @inline(__always)
  static func normalCDF(_ z: Self) -> Self {
    let y = Swift.min(abs(z), normalHighest)
    let (n, r) = reducedHalfSquare(y)
    let tail = scaled(expTimesMills(r, y), n)
    return z > 0 ? 1 - tail : tail
  }

  /// φ(z) = e^(−z²/2) / √(2π); 1.5 and 1.6 ULP
  @inline(__always)
  static func normalPDF(_ z: Self) -> Self {
    let (n, r) = reducedHalfSquare(Swift.min(abs(z), normalHighest))
    let density: Self = 0x1.9884533d43651p-2
    return scaled(mulAdd(density, expTail(r), density), n)
  }

  // MARK: parts

  /// x = n·ln 2 + r with |r| ≤ ½ ln 2, by Cody and Waite's two-part ln 2.
  ///
  /// Adding `roundingConstant` rounds to an integer and leaves it in the low bits, all that `power`
  /// looks at.
  @inline(__always)
  private static func reduced(_ x: Self) -> (n: Bits, r: Self) {
    let shifted = mulAdd(x, inverseLn2, roundingConstant)
    let n = shifted - roundingConstant
    let r = mulAdd(n, -ln2Low, mulAdd(n, -ln2High, x))
    return (shifted.bits, r)
  }

  /// −½y² = n·ln 2 + r, with the square in two parts, so that its rounding does not reach eʳ.
  @inline(__always)
  private static func reducedHalfSquare(_ y: Self) -> (n: Bits, r: Self) {
    let high = upperHalf(y)
    let low = 0.5 * (y - high) * (y + high)
    let shifted = mulAdd(0.5 * y * y, -inverseLn2, roundingConstant)
    let n = shifted - roundingConstant
    let first = mulAdd(n, -ln2High, -(0.5 * high * high))
    let r = first + mulAdd(n, -ln2Low, -low)
    return (shifted.bits, r)
  }

  /// x without the lower half of its digits, so that its square is exact.
  @inline(__always)
  private static func upperHalf(_ x: Self) -> Self {
    let digits = Bits(truncatingIfNeeded: (significandBitCount + 2) / 2)
    return Self(bits: x.bits & Bits.max &<< digits)
  }

  /// 2ⁿ, if it is a normal number.
  @inline(__always)
  private static func power(_ n: Bits) -> Self {
    Self(bits: Self(1).bits &+ n &<< Bits(truncatingIfNeeded: significandBitCount))
  }

  /// 2ⁿx in two steps, so that subnormal results are rounded once and ∞ is reached.
  @inline(__always)
  private static func scaled(_ x: Self, _ n: Bits) -> Self {
    let half = n &>> 1
    return x * power(half) * power(n &- half)
  }

  @inline(__always)
  private static func withSign(of x: Self, _ magnitude: Self) -> Self {
    let sign: Bits = 1 &<< Bits(truncatingIfNeeded: Bits.bitWidth - 1)
    return Self(bits: magnitude.bits & ~sign | x.bits & sign)
  }
}
