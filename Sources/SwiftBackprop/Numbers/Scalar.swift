import CBridge

// SIMD asks its numbers to be Codable, which Embedded Swift does not have.
#if hasFeature(Embedded)
  typealias VectorElement = BinaryFloatingPoint & Sendable
#else
  typealias VectorElement = BinaryFloatingPoint & Sendable & Codable
#endif

/// A floating-point type the engine computes with: `Float` and `Double`.
protocol Scalar: VectorElement {
  associatedtype Bits: FixedWidthInteger & UnsignedInteger & Sendable

  /// As many numbers as one register of the instruction set holds.
  associatedtype Vector: SIMD where Vector.Scalar == Self

  /// The code of this type in the C contract.
  static var dtype: Int32 { get }

  /// The largest finite argument of `bits` as an integer: infinity's pattern.
  static var infinityBits: Bits { get }

  /// The bit pattern; without its sign bit it grows with the magnitude.
  var bits: Bits { get }
  init(bits: Bits)

  /// The machine epsilon, the clipping limit of the log losses.
  static var epsilon: Self { get }

  /// C [m, n] ← α·op(A) [m, k] · op(B) [k, n] + β·C, row-major with leading dimensions.
  static func gemm(
    _ transA: Bool, _ transB: Bool, _ m: Int32, _ n: Int32, _ k: Int32,
    _ alpha: Self, _ a: UnsafePointer<Self>, _ lda: Int32,
    _ b: UnsafePointer<Self>, _ ldb: Int32,
    _ beta: Self, _ c: UnsafeMutablePointer<Self>, _ ldc: Int32)

  /// C ← factor·A·B, or C + factor·A·B when `keeps`, of factors split into `pieces` pieces of
  /// bfloat16; false if numbers of this type are not.
  static func roundedProduct(
    _ a: Matrix<Self>, _ b: Matrix<Self>, into c: UnsafeMutablePointer<Self>, keeps: Bool,
    factor: Self, pieces: Int32
  ) -> Bool

  #if SB_AVX512
    /// out[k·outStride + i] ← p[i·stride + k] for i < 8 and the k of a vector.
    static func transposeEight(
      _ p: UnsafePointer<Self>, _ stride: Int, into out: UnsafeMutablePointer<Self>,
      _ outStride: Int)
  #endif

  /// row + a·b in every lane, fused like `mulAdd`.
  static func adding(_ row: Vector, _ a: Self, _ b: Vector) -> Vector
  /// factor·row
  static func scaled(_ row: Vector, _ factor: Self) -> Vector

  /// √x by the vector instruction (Swift's own stays scalar in loops).
  static func sqrt(_ x: Self) -> Self

  // What the functions of Functions.swift are made of.

  /// 1.5·2ᵖ for p digits behind the first: what is added to it is rounded to an integer.
  static var roundingConstant: Self { get }
  /// 1 / ln 2
  static var inverseLn2: Self { get }
  /// ln 2 in two parts, so that n·ln2High is exact for every n that occurs.
  static var ln2High: Self { get }
  static var ln2Low: Self { get }

  /// Below, eˣ is 0.
  static var expLowest: Self { get }
  /// Above, eˣ is ∞.
  static var expHighest: Self { get }
  /// Below, eˣ − 1 is −1.
  static var expm1Lowest: Self { get }
  /// Above, tanh x is 1.
  static var tanhHighest: Self { get }
  /// Above, Φ(−z) is 0.
  static var normalHighest: Self { get }

  /// eʳ − 1 for |r| ≤ ½ ln 2, to be added to 1.
  static func expTail(_ r: Self) -> Self
  /// The same, accurate in itself.
  static func expm1OfReduced(_ r: Self) -> Self
  /// The e of x = 2ᵉm with m in [√½, √2), in the place of the exponent bits and as a number,
  /// for positive normal x.
  static func exponent(_ x: Self) -> (shift: Bits, e: Self)
  /// ln(1 + f) + e·ln 2 for 1 + f in [√½, √2)
  static func logOfReduced(_ f: Self, _ e: Self) -> Self
  /// eʳM(z) with M(z) = e^(z²/2)Φ(−z), for 0 ≤ z ≤ `normalHighest`
  static func expTimesMills(_ r: Self, _ z: Self) -> Self

  /// The loops around a rule for this type (RuleMakers.swift).
  static func kernels(_ entry: ActivationEntry, _ values: RuleValues) -> ActivationKernels<Self>
  static func kernels(_ entry: LossEntry, _ values: RuleValues) -> LossKernels<Self>
  static func kernels(_ entry: OptimizerEntry, _ values: RuleValues) -> OptimizerKernels<Self>
}
