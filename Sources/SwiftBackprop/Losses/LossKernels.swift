import CBridge

/// The loops around a loss, formed where rule and scalar type are concrete.
///
/// Matrices are dense [rows, cols]; t has the shape of a.
struct LossKernels<T: Scalar> {
  typealias Input = UnsafePointer<T>
  typealias Output = UnsafeMutablePointer<T>

  let domain: TargetDomain
  /// Whether costs and derivatives come from outside and are there already
  let isExternal: Bool
  /// out ← ℓ(a, t) of every number
  let values: @Sendable (_ a: Input, _ t: Input, _ out: Output, _ count: Int) -> Void
  /// cost[n] ← Cₙ of row n from z, for the canonical output; nil if the loss has none.
  let costFused:
    (
      @Sendable (
        _ z: Input, _ a: Input, _ t: Input, _ cost: Output, _ rows: Int, _ cols: Int
      ) -> Void
    )?
  /// grad_a ← scale[n]·∂ℓ/∂a
  let gradient:
    @Sendable (
      _ a: Input, _ t: Input, _ scale: Input, _ gradA: Output, _ rows: Int, _ cols: Int
    ) -> Void
  /// out ← ∂²ℓ/∂a² of every number
  let curvature: @Sendable (_ a: Input, _ t: Input, _ out: Output, _ count: Int) -> Void

  init<R: Loss>(_ rule: R) {
    domain = R.domain
    isExternal = false
    values = { a, t, out, count in
      for i in 0..<count { out[i] = rule.value(a: a[i], t: t[i]) }
    }
    switch R.fusion {
    case .none: costFused = nil
    case .elementwise:
      costFused = { z, _, t, cost, rows, cols in
        sumRows(rows, cols, into: cost) { i, _ in
          rule.valueFused(z: z[i], t: t[i], logSum: 0)
        }
      }
    case .softmax:
      costFused = { z, a, t, cost, rows, cols in
        // ln Σ eᶻ = z − ln a for any output; the largest loses no digits. One flat pass of
        // logarithms for all rows.
        for n in 0..<rows { cost[n] = largest(a + n &* cols, cols) }
        for n in 0..<rows { cost[n] = T.log(cost[n]) }
        for n in 0..<rows { cost[n] = largest(z + n &* cols, cols) - cost[n] }
        sumRows(rows, cols, into: cost) { i, n in
          rule.valueFused(z: z[i], t: t[i], logSum: cost[n])
        }
      }
    }
    gradient = { a, t, scale, gradA, rows, cols in
      for n in 0..<rows {
        let start = n &* cols
        let factor = scale[n]
        for i in start..<start &+ cols {
          let ai = a[i]
          let ti = t[i]
          gradA[i] = factor * rule.derivative(a: ai, t: ti)
        }
      }
    }
    curvature = { a, t, out, count in
      for i in 0..<count { out[i] = rule.secondDerivative(a: a[i], t: t[i]) }
    }
  }

  /// cost[n] ← Cₙ = Σ ℓ(a, t) over the outputs of row n
  func cost(_ a: Input, _ t: Input, _ cost: Output, _ rows: Int, _ cols: Int) {
    guard cols > 1 else { return values(a, t, cost, rows) }
    withScratch(T.self, rows &* cols) { terms, first, count in
      values(a + first, t + first, terms, count)
      var (n, place) = (first / cols, first % cols)
      var sum = place == 0 ? 0 : cost[n]
      for i in 0..<count {
        sum += terms[i]
        place &+= 1
        if place == cols {
          cost[n] = sum
          (n, place, sum) = (n &+ 1, 0, 0)
        }
      }
      // The row goes on in the next piece.
      if place > 0 { cost[n] = sum }
    }
  }

  /// change ← scale[n]·∂²ℓ/∂a²·da: how grad_a changes with a
  func gradientChange(
    _ a: Input, _ t: Input, _ scale: Input, _ da: Input, _ change: Output, _ rows: Int,
    _ cols: Int
  ) {
    curvature(a, t, change, rows &* cols)
    for n in 0..<rows {
      for i in n &* cols..<(n &+ 1) &* cols { change[i] = scale[n] * da[i] * change[i] }
    }
  }

  /// ℓ, ∂ℓ/∂a or ∂²ℓ/∂a² of every element, for order 0, 1, 2
  func apply(_ order: Int32, _ a: Input, _ t: Input, _ out: Output, _ count: Int) {
    if order == 0 { return values(a, t, out, count) }
    if order == 2 { return curvature(a, t, out, count) }
    withScratch(T.self, count) { ones, first, count in
      for i in 0..<count { ones[i] = 1 }
      gradient(a + first, t + first, ones, out + first, 1, count)
    }
  }
}

/// sums[n] ← Σ term(i, n) over the elements i of row n.
///
/// The terms go through a small block: a sum keeps its order, so the terms could not become
/// vector code in the same loop. `term` may read sums[n], which is written after its row.
@inline(__always)
func sumRows<T: Scalar>(
  _ rows: Int, _ cols: Int, into sums: UnsafeMutablePointer<T>, term: (_ i: Int, _ n: Int) -> T
) {
  guard cols > 1 else {
    for n in 0..<rows { sums[n] = term(n, n) }
    return
  }
  // 1 KB is the most that is taken from the stack.
  let capacity = 1024 / MemoryLayout<T>.stride
  withUnsafeTemporaryAllocation(of: T.self, capacity: capacity) { block in
    guard let terms = block.baseAddress else { return }
    for n in 0..<rows {
      var sum: T = 0
      var first = 0
      while first < cols {
        let count = Swift.min(capacity, cols &- first)
        let start = n &* cols &+ first
        for i in 0..<count { terms[i] = term(start &+ i, n) }
        for i in 0..<count { sum += terms[i] }
        first &+= count
      }
      sums[n] = sum
    }
  }
}

/// grad_z ← scale[n]·(a − t): what every loss comes to with its canonical output.
func fusedGradient<T: Scalar>(
  _ a: UnsafePointer<T>, _ t: UnsafePointer<T>, _ scale: UnsafePointer<T>,
  _ gradZ: UnsafeMutablePointer<T>, _ rows: Int, _ cols: Int
) {
  for n in 0..<rows {
    let start = n &* cols
    let factor = scale[n]
    for i in start..<start &+ cols {
      let ai = a[i]
      let ti = t[i]
      gradZ[i] = factor * (ai - ti)
    }
  }
}

/// A loss as the engine's list holds it: its description and its makers.
struct LossEntry {
  let info: RuleInfo
  let float: @Sendable (RuleValues) -> LossKernels<Float>
  let double: @Sendable (RuleValues) -> LossKernels<Double>

  init<R: Loss>(_: R.Type) {
    info = R.info
    float = { LossKernels<Float>(R($0)) }
    double = { LossKernels<Double>(R($0)) }
  }

  /// Every loss the engine has. A new one is a file in this folder and a line here.
  static var all: [LossEntry] {
    [
      .init(SquaredError.self),
      .init(AbsoluteError.self),
      .init(Huber.self),
      .init(BinaryCrossEntropy.self),
      .init(CrossEntropy.self),
      .init(Poisson.self),
    ]
  }
}
