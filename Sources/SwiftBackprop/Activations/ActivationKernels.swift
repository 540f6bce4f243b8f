import CBridge

/// The loops around an activation, formed where rule and scalar type are concrete.
///
/// Matrices are dense [rows, cols]. The loops work in place: one that might overwrite another
/// input of its own is not vectorised.
struct ActivationKernels<T: Scalar> {
  typealias Input = UnsafePointer<T>
  typealias Output = UnsafeMutablePointer<T>

  /// Whether `gradient` reads z, or `maskedGradientInPlace`.
  let needsZ: Bool
  /// Whether a comes from outside and is there already
  let isExternal: Bool
  /// Whether |σ(z)| ≤ |z| + 1, so that a bound on z bounds a.
  let growsAtMostLinearly: Bool
  /// Whether σ takes in a whole row, as softmax does, and not one number.
  let actsOnRows: Bool
  /// z ← σ(z)
  let valueInPlace: @Sendable (_ z: Output, _ rows: Int, _ cols: Int) -> Void
  /// grad ← Jᵀ grad, which is grad ⊙ σ′(z) for elementwise σ; z is read only if `needsZ`
  let gradientInPlace:
    @Sendable (_ grad: Output, _ z: Input, _ a: Input, _ rows: Int, _ cols: Int) -> Void
  /// r ← the change of Jᵀ grad_a when grad_a is fixed and z changes by dz, added to r, which is
  /// r + grad_a ⊙ σ″(z) ⊙ dz for elementwise σ; softmax makes r = Jᵀ r itself before
  let addCurvature:
    @Sendable (
      _ r: Output, _ gradA: Input, _ z: Input, _ a: Input, _ dz: Input, _ rows: Int, _ cols: Int
    ) -> Void

  init<R: Activation>(_ rule: R) {
    needsZ = R.derivativeNeedsZ
    isExternal = false
    actsOnRows = false
    growsAtMostLinearly = rule.growsAtMostLinearly
    valueInPlace = { z, rows, cols in
      for i in 0..<rows &* cols { z[i] = rule.value(z[i]) }
    }
    // Everything is loaded before the select, or the loop would not be vectorised.
    gradientInPlace = { grad, z, a, rows, cols in
      for i in 0..<rows &* cols {
        let g = grad[i]
        let zi = z[i]
        let ai = a[i]
        grad[i] = g * rule.derivative(z: zi, a: ai)
      }
    }
    addCurvature = { r, gradA, z, a, dz, rows, cols in
      for i in 0..<rows &* cols {
        let ri = r[i]
        let g = gradA[i]
        let zi = z[i]
        let ai = a[i]
        let di = dz[i]
        r[i] = ri + g * di * rule.secondDerivative(z: zi, a: ai)
      }
    }
  }

  /// softmax, which acts on whole rows.
  init(_ rule: Softmax) {
    needsZ = true
    isExternal = false
    growsAtMostLinearly = true
    actsOnRows = true
    valueInPlace = { z, rows, cols in rule.valueInPlace(z, rows, cols) }
    gradientInPlace = { grad, _, a, rows, cols in rule.gradientInPlace(grad, a, rows, cols) }
    addCurvature = { r, gradA, _, a, dz, rows, cols in
      rule.gradientChange(r, gradA, a, dz, rows, cols)
    }
  }
}

// The other forms are made of the loops above: a copy costs little beside them, and one more loop
// would be compiled for every rule, number type and instruction set.
extension ActivationKernels {
  /// a ← σ(z), which may be the same memory.
  func value(_ z: Input, _ a: Output, _ rows: Int, _ cols: Int) {
    if a != z && !isExternal { a.copy(from: z, count: rows &* cols) }
    valueInPlace(a, rows, cols)
  }

  /// grad_z ← Jᵀ grad_a; z is read only if `needsZ`
  func gradient(_ gradA: Input, _ z: Input, _ a: Input, _ gradZ: Output, _ rows: Int, _ cols: Int) {
    gradZ.copy(from: gradA, count: rows &* cols)
    gradientInPlace(gradZ, z, a, rows, cols)
  }

  /// r ← the change of Jᵀ grad_a when grad_a changes by r and z by dz, which is
  /// r ⊙ σ′(z) + grad_a ⊙ σ″(z) ⊙ dz for elementwise σ
  func gradientChange(
    _ r: Output, _ gradA: Input, _ z: Input, _ a: Input, _ dz: Input, _ rows: Int, _ cols: Int
  ) {
    if !actsOnRows { gradientInPlace(r, z, a, rows, cols) }
    addCurvature(r, gradA, z, a, dz, rows, cols)
  }

  /// grad ← Jᵀ grad where a(m) is σ(z) ⊙ r with dropout, and grad holds grad_a ⊙ r: σ(z) is
  /// a·`keep` wherever it counts, or made anew from z
  func maskedGradientInPlace(
    _ grad: Output, _ z: Input, _ a: Input, _ keep: T, _ rows: Int, _ cols: Int
  ) {
    // A dropped output of softmax is needed all the same: the others depend on its z.
    if actsOnRows { return Softmax().gradientInPlace(grad, fromZ: z, rows, cols) }
    // Where a was dropped, grad is 0.
    withScratch(T.self, rows &* cols) { whole, first, count in
      for i in 0..<count { whole[i] = a[first &+ i] * keep }
      gradientInPlace(grad + first, z + first, whole, 1, count)
    }
  }

  /// σ, σ′ or σ″ of every element, for order 0, 1, 2
  func apply(_ order: Int32, _ x: Input, _ out: Output, _ rows: Int, _ cols: Int) {
    if order == 0 { return value(x, out, rows, cols) }
    withScratch(T.self, rows &* cols) { scratch, first, count in
      let (x, out) = (x + first, out + first)
      let (a, ones) = (scratch, scratch + count)
      value(x, a, 1, count)
      for i in 0..<count { ones[i] = 1 }
      if order == 1 { return gradient(ones, x, a, out, 1, count) }
      for i in 0..<count { out[i] = 0 }
      addCurvature(out, ones, x, a, ones, 1, count)
    }
  }
}

/// Calls `body` for pieces of 0..<count, with memory for two numbers for each number of a piece.
func withScratch<T: Scalar>(
  _: T.Type, _ count: Int,
  _ body: (_ scratch: UnsafeMutablePointer<T>, _ first: Int, _ count: Int) -> Void
) {
  // 1 KB is the most that is taken from the stack.
  let capacity = 512 / MemoryLayout<T>.stride
  withUnsafeTemporaryAllocation(of: T.self, capacity: 2 * capacity) { memory in
    guard let scratch = memory.baseAddress else { return }
    for first in stride(from: 0, to: count, by: capacity) {
      body(scratch, first, Swift.min(capacity, count - first))
    }
  }
}

/// An activation as the engine's list holds it: its description and its makers.
struct ActivationEntry {
  let info: RuleInfo
  let float: @Sendable (RuleValues) -> ActivationKernels<Float>
  let double: @Sendable (RuleValues) -> ActivationKernels<Double>

  init<R: Activation>(_: R.Type) {
    info = R.info
    float = { ActivationKernels<Float>(R($0)) }
    double = { ActivationKernels<Double>(R($0)) }
  }

  init(_: Softmax.Type) {
    info = Softmax.info
    float = { _ in ActivationKernels<Float>(Softmax()) }
    double = { _ in ActivationKernels<Double>(Softmax()) }
  }

  /// Every activation the engine has. A new one is a file in this folder and a line here.
  static var all: [ActivationEntry] {
    [
      .init(Identity.self),
      .init(Sigmoid.self),
      .init(Tanh.self),
      .init(ReLU.self),
      .init(LeakyReLU.self),
      .init(ELU.self),
      .init(GELU.self),
      .init(GELUTanh.self),
      .init(SiLU.self),
      .init(Softplus.self),
      .init(Exp.self),
      .init(Softmax.self),
    ]
  }
}
