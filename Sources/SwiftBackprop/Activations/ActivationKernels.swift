import CBridge

/// The loops around an activation, formed where rule and scalar type are concrete.
///
/// Matrices are dense [rows, cols]. The in-place forms exist because a loop that may
/// overwrite its own input is not vectorised.
struct ActivationKernels<T: Scalar> {
  typealias Input = UnsafePointer<T>
  typealias Output = UnsafeMutablePointer<T>

  /// Whether `gradient` reads z, or `maskedGradientInPlace`.
  let needsZ: Bool
  /// Whether |σ(z)| ≤ |z| + 1, so that a bound on z bounds a.
  let growsAtMostLinearly: Bool
  /// Whether σ takes in a whole row, as softmax does, and not one number.
  let actsOnRows: Bool
  /// a ← σ(z)
  let value: @Sendable (_ z: Input, _ a: Output, _ rows: Int, _ cols: Int) -> Void
  /// z ← σ(z)
  let valueInPlace: @Sendable (_ z: Output, _ rows: Int, _ cols: Int) -> Void
  /// grad_z ← Jᵀ grad_a, which is grad_a ⊙ σ′(z) for elementwise σ
  let gradient:
    @Sendable (_ gradA: Input, _ z: Input, _ a: Input, _ gradZ: Output, _ rows: Int, _ cols: Int)
      -> Void
  /// grad ← Jᵀ grad; z is read only if `needsZ`
  let gradientInPlace:
    @Sendable (_ grad: Output, _ z: Input, _ a: Input, _ rows: Int, _ cols: Int) -> Void
  /// r ← the change of Jᵀ grad_a when grad_a changes by r and z by dz, which is
  /// r ⊙ σ′(z) + grad_a ⊙ σ″(z) ⊙ dz for elementwise σ
  let gradientChange:
    @Sendable (
      _ r: Output, _ gradA: Input, _ z: Input, _ a: Input, _ dz: Input, _ rows: Int, _ cols: Int
    ) -> Void
  /// The same where a(m) is σ(z) ⊙ r with dropout, and grad holds grad_a ⊙ r: σ(z) is a·`keep`
  /// wherever it counts, or made anew from z
  let maskedGradientInPlace:
    @Sendable (
      _ grad: Output, _ z: Input, _ a: Input, _ keep: T, _ rows: Int, _ cols: Int
    ) -> Void
  /// σ, σ′ or σ″ of every element, for order 0, 1, 2
  let apply: @Sendable (_ order: Int32, _ x: Input, _ out: Output, _ rows: Int, _ cols: Int) -> Void

  init<R: Activation>(_ rule: R) {
    needsZ = R.derivativeNeedsZ
    actsOnRows = false
    growsAtMostLinearly = rule.growsAtMostLinearly
    value = { z, a, rows, cols in
      for i in 0..<rows &* cols { a[i] = rule.value(z[i]) }
    }
    valueInPlace = { z, rows, cols in
      for i in 0..<rows &* cols { z[i] = rule.value(z[i]) }
    }
    // Everything is loaded before the select, or the loop would not be vectorised.
    gradient = { gradA, z, a, gradZ, rows, cols in
      for i in 0..<rows &* cols {
        let g = gradA[i]
        let zi = z[i]
        let ai = a[i]
        gradZ[i] = g * rule.derivative(z: zi, a: ai)
      }
    }
    gradientInPlace = { grad, z, a, rows, cols in
      for i in 0..<rows &* cols {
        let g = grad[i]
        let zi = z[i]
        let ai = a[i]
        grad[i] = g * rule.derivative(z: zi, a: ai)
      }
    }
    gradientChange = { r, gradA, z, a, dz, rows, cols in
      for i in 0..<rows &* cols {
        let ri = r[i]
        let g = gradA[i]
        let zi = z[i]
        let ai = a[i]
        let di = dz[i]
        r[i] =
          ri * rule.derivative(z: zi, a: ai) + g * di * rule.secondDerivative(z: zi, a: ai)
      }
    }
    // Where a was dropped, grad is 0.
    maskedGradientInPlace = { grad, z, a, keep, rows, cols in
      for i in 0..<rows &* cols {
        let g = grad[i]
        let zi = z[i]
        let ai = a[i] * keep
        grad[i] = g * rule.derivative(z: zi, a: ai)
      }
    }
    apply = { order, x, out, rows, cols in
      let count = rows &* cols
      switch order {
      case 0: for i in 0..<count { out[i] = rule.value(x[i]) }
      case 1: for i in 0..<count { out[i] = rule.derivative(z: x[i], a: rule.value(x[i])) }
      default: for i in 0..<count { out[i] = rule.secondDerivative(z: x[i], a: rule.value(x[i])) }
      }
    }
  }

  /// softmax, which acts on whole rows.
  init(_ rule: Softmax) {
    needsZ = true
    growsAtMostLinearly = true
    actsOnRows = true
    value = { z, a, rows, cols in
      a.copy(from: z, count: rows &* cols)
      rule.valueInPlace(a, rows, cols)
    }
    valueInPlace = { z, rows, cols in rule.valueInPlace(z, rows, cols) }
    gradient = { gradA, _, a, gradZ, rows, cols in
      gradZ.copy(from: gradA, count: rows &* cols)
      rule.gradientInPlace(gradZ, a, rows, cols)
    }
    gradientInPlace = { grad, _, a, rows, cols in rule.gradientInPlace(grad, a, rows, cols) }
    gradientChange = { r, gradA, _, a, dz, rows, cols in
      rule.gradientChange(r, gradA, a, dz, rows, cols)
    }
    // A dropped output is needed all the same: the others depend on its z.
    maskedGradientInPlace = { grad, z, _, _, rows, cols in
      rule.gradientInPlace(grad, fromZ: z, rows, cols)
    }
    apply = { _, x, out, rows, cols in
      out.copy(from: x, count: rows &* cols)
      rule.valueInPlace(out, rows, cols)
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
