import CBridge

/// σ(z)ᵢ = eᶻⁱ / Σₖ eᶻᵏ over a row; σ′ = the matrix J = diag(a) − a aᵀ, with
/// Jᵀg = a ⊙ (g − Σₖ aₖgₖ); σ″ = an array with three indices.
///
/// The largest z of the row is taken off first, so that no exponential overflows.
/// Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990.
struct Softmax: Sendable {
  static var info: RuleInfo {
    RuleInfo(
      name: "softmax", title: "Softmax", formula: "exp(z_i) / sum_k exp(z_k)",
      flags: SB_RULE_ROWS | SB_RULE_PROBABILITY, defaultInitializer: "glorot_uniform")
  }

  @inline(__always)
  func valueInPlace<T: Scalar>(_ z: UnsafeMutablePointer<T>, _ rows: Int, _ cols: Int) {
    for n in 0..<rows {
      let row = z + n &* cols
      let top = largest(row, cols)
      for i in 0..<cols { row[i] -= top }
    }
    // One flat pass: rows of ten would leave most of a vector idle.
    for i in 0..<rows &* cols { z[i] = T.exp(z[i]) }
    for n in 0..<rows {
      let row = z + n &* cols
      var sum: T = 0
      for i in 0..<cols { sum += row[i] }
      let share = 1 / sum
      for i in 0..<cols { row[i] *= share }
    }
  }

  @inline(__always)
  func gradientInPlace<T: Scalar>(
    _ grad: UnsafeMutablePointer<T>, _ a: UnsafePointer<T>, _ rows: Int, _ cols: Int
  ) {
    for n in 0..<rows {
      let g = grad + n &* cols
      let row = a + n &* cols
      var dot: T = 0
      for i in 0..<cols { dot = T.mulAdd(row[i], g[i], dot) }
      for i in 0..<cols { g[i] = row[i] * (g[i] - dot) }
    }
  }

  /// r ← the change of Jᵀg when g changes by r and z by d, the second order of softmax: with
  /// s = Σ aₖgₖ, p = Σ aₖdₖ and uᵢ = (dᵢ − p)(gᵢ − s) + rᵢ it is a ⊙ (u − Σₖ aₖuₖ).
  @inline(__always)
  func gradientChange<T: Scalar>(
    _ change: UnsafeMutablePointer<T>, _ grad: UnsafePointer<T>, _ a: UnsafePointer<T>,
    _ dz: UnsafePointer<T>, _ rows: Int, _ cols: Int
  ) {
    for n in 0..<rows {
      let start = n &* cols
      let (r, g, row, d) = (change + start, grad + start, a + start, dz + start)
      var (s, p): (T, T) = (0, 0)
      for i in 0..<cols {
        s = T.mulAdd(row[i], g[i], s)
        p = T.mulAdd(row[i], d[i], p)
      }
      var sum: T = 0
      for i in 0..<cols {
        r[i] = T.mulAdd(d[i] - p, g[i] - s, r[i])
        sum = T.mulAdd(row[i], r[i], sum)
      }
      for i in 0..<cols { r[i] = row[i] * (r[i] - sum) }
    }
  }

  /// The same from z, which stays as it is.
  @inline(__always)
  func gradientInPlace<T: Scalar>(
    _ grad: UnsafeMutablePointer<T>, fromZ z: UnsafePointer<T>, _ rows: Int, _ cols: Int
  ) {
    for n in 0..<rows {
      let g = grad + n &* cols
      let row = z + n &* cols
      let top = largest(row, cols)
      var (sum, dot): (T, T) = (0, 0)
      for i in 0..<cols {
        let e = T.exp(row[i] - top)
        sum += e
        dot = T.mulAdd(e, g[i], dot)
      }
      let share = 1 / sum
      dot *= share
      for i in 0..<cols {
        let gi = g[i]
        g[i] = T.exp(row[i] - top) * share * (gi - dot)
      }
    }
  }
}

/// The largest element of a row.
@inline(__always)
func largest<T: Scalar>(_ row: UnsafePointer<T>, _ count: Int) -> T {
  var top = row[0]
  for i in 1..<Swift.max(count, 1) { top = larger(top, row[i]) }
  return top
}

/// The larger of two numbers, y if one of them is NaN: one instruction, which Swift.max is not.
@inline(__always)
func larger<T: Scalar>(_ x: T, _ y: T) -> T { x > y ? x : y }
