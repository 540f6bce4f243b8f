import CBridge

// The lectures' vectorized formulas as they stand on the slides: one example at a time, by
// products of a matrix and a vector. (A product with a single row is what BLAS hands to its
// matrix-vector routines.) Beside Backprop.swift this shows what the whole batch at once gains.

extension Network {
  /// z(m) = W(m) a(m−1) + b(m), a(m) = σ(z(m)), m = 1..L.
  func forwardByVectors(_ tape: Tape<T>) {
    for n in 0..<tape.input.rows {
      for m in 1...layout.layers {
        let (z, a) = (row(n, m, tape.z), row(n, m, tape.a))
        z.copy(from: bias(m), count: layout.sizes[m])
        multiply(example(n, m - 1, tape), weights(m), into: z, accumulate: true)
        if let layer = tape.norms?.layer(m) {
          activateNormByLoops(m, layer, tape, n..<n + 1)
        } else {
          activations[m - 1].value(z, a, 1, layout.sizes[m])
        }
      }
    }
  }

  /// grad_a(m) = W(m+1)ᵀ grad_z(m+1) and grad_z(m) = grad_a(m) ⊙ σ′(z(m)), m = L..1; at the
  /// output grad_a(L) = wₙ/Σw·∂ℓ/∂a, and of a canonical output grad_z(L) = wₙ/Σw·(a − t).
  func backwardByVectors(_ tape: Tape<T>, _ targets: TargetMemory<T>) {
    for n in 0..<tape.input.rows {
      for m in stride(from: layout.layers, through: 1, by: -1) {
        let units = layout.sizes[m]
        let (z, a) = (row(n, m, tape.z), row(n, m, tape.a))
        let (gradZ, gradA) = (row(n, m, tape.gradZ), row(n, m, tape.gradA))
        let (t, share) = (targets.t + n * units, targets.scale + n)
        if m == layout.layers {
          loss.gradient(a, t, share, gradA, 1, units)
        } else {
          let gradZNext = Matrix(row(n, m + 1, tape.gradZ), 1, layout.sizes[m + 1])
          multiply(gradZNext, weights(m + 1).transpose, into: gradA)
        }
        let isGiven = m == layout.layers && isFused
        if isGiven { fusedGradient(a, t, share, gradZ, 1, units) }
        if let layer = tape.norms?.layer(m) {
          differentiateNormByLoops(m, layer, tape, n..<n + 1, isGiven: isGiven)
        } else if !isGiven {
          activations[m - 1].gradient(gradA, z, a, gradZ, 1, units)
        }
      }
    }
  }

  /// grad_W(m) = Σₙ grad_z(m) a(m−1)ᵀ, outer products, and grad_b(m) = Σₙ grad_z(m), m = 1..L.
  func parameterGradientsByVectors(_ tape: Tape<T>, accumulate: Bool) {
    for n in 0..<tape.input.rows {
      let adds = accumulate || n > 0
      for m in 1...layout.layers {
        let units = layout.sizes[m]
        let (gradZ, gradB) = (row(n, m, tape.gradZ), gradBias(m))
        multiply(
          example(n, m - 1, tape).transpose, Matrix(gradZ, 1, units), into: gradWeights(m),
          accumulate: adds)
        for i in 0..<units { gradB[i] = adds ? gradB[i] + gradZ[i] : gradZ[i] }
      }
    }
    normGradients(tape, parts: 1, accumulate: accumulate, to: gradients.base)
  }

  /// a(m) of example n as one row [1, D(m)].
  private func example(_ n: Int, _ m: Int, _ tape: Tape<T>) -> Matrix<T> {
    activation(m, tape).rows(n, n + 1)
  }
}
