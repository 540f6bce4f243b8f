import CBridge

/// A floating-point type the engine computes with: `Float` and `Double`.
///
/// The elementary functions are branch-free polynomials, so that a plain loop over them
/// becomes vector code.
protocol Scalar: BinaryFloatingPoint, Sendable {
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

  /// a·b + c, fused where the instruction set has it, two roundings elsewhere.
  static func mulAdd(_ a: Self, _ b: Self, _ c: Self) -> Self

  /// √x by the vector instruction (Swift's own stays scalar in loops).
  static func sqrt(_ x: Self) -> Self

  // In brackets: the largest error of a result in units of its last place (ULP), for `Float`
  // and for `Double`, with and without fused products; MathTests holds them to it.

  /// eˣ [1.1, 1.1]
  static func exp(_ x: Self) -> Self
  /// eˣ − 1 [1.5, 2]
  static func expm1(_ x: Self) -> Self
  /// ln x [0.9, 0.9]
  static func log(_ x: Self) -> Self
  /// ln(1 + x) [1.5, 1.5]
  static func log1p(_ x: Self) -> Self
  /// tanh x [2.6, 2.6]
  static func tanh(_ x: Self) -> Self
  /// 1 / (1 + e⁻ˣ), without overflow at either end [2.4, 2.4]
  static func sigmoid(_ x: Self) -> Self
  /// Φ(z) = ½ erfc(−z/√2), accurate where it is small: the rounding of z/√2 would show there
  /// [3, 3.4]
  static func normalCDF(_ z: Self) -> Self
  /// φ(z) = e^(−z²/2) / √(2π) [1.5, 1.6]
  static func normalPDF(_ z: Self) -> Self

  /// The loops around a rule for this type (RuleMakers.swift).
  static func kernels(_ entry: ActivationEntry, _ values: RuleValues) -> ActivationKernels<Self>
  static func kernels(_ entry: LossEntry, _ values: RuleValues) -> LossKernels<Self>
  static func kernels(_ entry: OptimizerEntry, _ values: RuleValues) -> OptimizerKernels<Self>
}
