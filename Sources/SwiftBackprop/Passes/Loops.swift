import CBridge

// The lectures' formulas before they are vectorized: one number at a time. n counts examples,
// i the units of a layer, j those of the layer below:
//
//     forward    zᵢ(m) = Σⱼ Wᵢⱼ(m) aⱼ(m−1) + bᵢ(m)
//                aᵢ(m) = σ(zᵢ(m))
//     backward   grad_aᵢ(L) = wₙ/Σw · ∂ℓ/∂aᵢ
//                grad_aⱼ(m) = Σᵢ grad_zᵢ(m+1) Wᵢⱼ(m+1)
//                grad_zᵢ(m) = grad_aᵢ(m) σ′(zᵢ(m))
//                grad_Wᵢⱼ(m) = Σₙ grad_zᵢ(m) aⱼ(m−1)
//                grad_bᵢ(m) = Σₙ grad_zᵢ(m)
//
// Backprop.swift has the same as matrix products of whole batches, Vectors.swift as
// matrix-vector products. This page is to be read, and to be measured against.

extension Network {
  // MARK: forward

  /// z(m) and a(m), m = 1..L.
  func forwardByLoops(_ tape: Tape<T>) {
    for m in 1...layout.layers {
      let (w, b) = (weights(m).transpose, bias(m))  // [D(m), D(m−1)], [D(m)]
      let below = activation(m - 1, tape)  // [N, D(m−1)]
      for n in 0..<below.rows {
        let (z, a) = (row(n, m, tape.z), row(n, m, tape.a))
        for i in 0..<w.rows {
          var sum: T = 0
          for j in 0..<w.cols { sum += w[i, j] * below[n, j] }
          z[i] = sum + b[i]
        }
        if norm(m) == nil { activateByLoops(m, z, a) }
      }
      if let layer = tape.norms?.layer(m) {
        activateNormByLoops(m, layer, tape, 0..<below.rows)
      }
    }
  }

  /// aᵢ = σ(zᵢ). softmax takes in the whole row: aᵢ = eᶻⁱ / Σₖ eᶻᵏ.
  func activateByLoops(
    _ m: Int, _ z: UnsafeMutablePointer<T>, _ a: UnsafeMutablePointer<T>
  ) {
    let units = layout.sizes[m]
    let sigma = Sigma(kernels: activations[m - 1])
    guard sigma.isSoftmax else {
      for i in 0..<units { a[i] = sigma.value(z[i]) }
      return
    }
    let top = largest(z, units)  // off every z: the same quotient, and nothing overflows
    var sum: T = 0
    for k in 0..<units { sum += T.exp(z[k] - top) }
    for i in 0..<units { a[i] = T.exp(z[i] - top) / sum }
  }

  // MARK: backward

  /// grad_a(m) and grad_z(m), m = L..1, from t [N, D(L)] and the row scales wₙ/Σw [N].
  func backwardByLoops(_ tape: Tape<T>, _ targets: TargetMemory<T>) {
    outputGradientByLoops(tape, targets)
    for m in stride(from: layout.layers - 1, through: 1, by: -1) {
      let w = weights(m + 1).transpose  // [D(m+1), D(m)]
      for n in 0..<tape.input.rows {
        let (gradZNext, gradA) = (row(n, m + 1, tape.gradZ), row(n, m, tape.gradA))
        for j in 0..<w.cols {
          var sum: T = 0
          for i in 0..<w.rows { sum += gradZNext[i] * w[i, j] }
          gradA[j] = sum
        }
        if norm(m) == nil { differentiateByLoops(m, tape, n) }
      }
      if let layer = tape.norms?.layer(m) {
        differentiateNormByLoops(m, layer, tape, 0..<tape.input.rows, isGiven: false)
      }
    }
  }

  /// grad_aᵢ(L) = wₙ/Σw · ∂ℓ/∂aᵢ and grad_z(L). Of a canonical output grad_z(L), or grad_u(L)
  /// of a normalised layer, comes to wₙ/Σw·(aᵢ − tᵢ), which is exact where σ′ or ∂ℓ/∂a no longer is.
  private func outputGradientByLoops(_ tape: Tape<T>, _ targets: TargetMemory<T>) {
    let m = layout.layers
    let units = layout.sizes[m]
    for n in 0..<tape.input.rows {
      let (a, t) = (row(n, m, tape.a), targets.t + n * units)
      let (gradA, gradZ) = (row(n, m, tape.gradA), row(n, m, tape.gradZ))
      let share = targets.scale[n]
      for i in 0..<units { gradA[i] = share * lossDerivative(a[i], t[i]) }
      guard isFused else {
        if norm(m) == nil { differentiateByLoops(m, tape, n) }
        continue
      }
      for i in 0..<units { gradZ[i] = share * (a[i] - t[i]) }
    }
    if let layer = tape.norms?.layer(m) {
      differentiateNormByLoops(m, layer, tape, 0..<tape.input.rows, isGiven: isFused)
    }
  }

  /// grad_zᵢ = grad_aᵢ σ′(zᵢ) for example n. In softmax every aₖ depends on every zᵢ:
  /// grad_zᵢ = Σₖ grad_aₖ ∂aₖ/∂zᵢ, ∂aₖ/∂zᵢ = aₖ(δₖᵢ − aᵢ).
  private func differentiateByLoops(_ m: Int, _ tape: Tape<T>, _ n: Int) {
    pullBackByLoops(
      m, row(n, m, tape.z), row(n, m, tape.a), row(n, m, tape.gradA), row(n, m, tape.gradZ))
  }

  /// The same for what σ takes in and gives, and the gradients by these.
  func pullBackByLoops(
    _ m: Int, _ z: UnsafePointer<T>, _ a: UnsafePointer<T>, _ gradA: UnsafePointer<T>,
    _ gradZ: UnsafeMutablePointer<T>
  ) {
    let units = layout.sizes[m]
    let sigma = Sigma(kernels: activations[m - 1])
    guard sigma.isSoftmax else {
      for i in 0..<units { gradZ[i] = gradA[i] * sigma.derivative(z[i], a[i]) }
      return
    }
    for i in 0..<units {
      var sum: T = 0
      for k in 0..<units { sum += gradA[k] * a[k] * ((k == i ? 1 : 0) - a[i]) }
      gradZ[i] = sum
    }
  }

  /// grad_W(m) and grad_b(m), m = 1..L: sums over the examples.
  func parameterGradientsByLoops(_ tape: Tape<T>, accumulate: Bool) {
    for m in 1...layout.layers {
      let (inputs, units) = (layout.sizes[m - 1], layout.sizes[m])
      // grad_W lies transposed, like W: element (i, j) is number j·D(m) + i.
      let (gradW, gradB) = (gradWeights(m), gradBias(m))
      if !accumulate {
        gradW.update(repeating: 0, count: inputs * units)
        gradB.update(repeating: 0, count: units)
      }
      let below = activation(m - 1, tape)  // [N, D(m−1)]
      for n in 0..<below.rows {
        let gradZ = row(n, m, tape.gradZ)
        for j in 0..<inputs {
          for i in 0..<units { gradW[j &* units &+ i] += gradZ[i] * below[n, j] }
        }
        for i in 0..<units { gradB[i] += gradZ[i] }
      }
    }
    normGradients(tape, parts: 1, accumulate: accumulate, to: gradients.base)
  }

  // MARK: where the numbers are

  /// Row n [D(m)] of a quantity of layer m = 1..L.
  func row(_ n: Int, _ m: Int, _ quantity: LayerPointers<T>) -> LayerPointers<T>.Rows {
    quantity[m - 1] + n * layout.sizes[m]
  }

  /// ∂ℓ/∂a of one output.
  private func lossDerivative(_ a: T, _ t: T) -> T {
    var (a, t, result) = (a, t, T.zero)
    loss.apply(1, &a, &t, &result, 1)
    return result
  }
}

extension Matrix {
  /// Element (i, j).
  @inline(__always)
  subscript(_ i: Int, _ j: Int) -> T {
    transposed ? base[j &* stride &+ i] : base[i &* stride &+ j]
  }
}

/// The activation of a layer for one number at a time.
private struct Sigma<T: Scalar> {
  let kernels: ActivationKernels<T>

  /// Whether a row has to be known as a whole.
  var isSoftmax: Bool { kernels.actsOnRows }

  /// σ(z)
  func value(_ z: T) -> T {
    var (z, a) = (z, T.zero)
    kernels.value(&z, &a, 1, 1)
    return a
  }

  /// σ′(z), where a = σ(z)
  func derivative(_ z: T, _ a: T) -> T {
    var (one, z, a, result) = (T(1), z, a, T.zero)
    kernels.gradient(&one, &z, &a, &result, 1, 1)
    return result
  }
}
