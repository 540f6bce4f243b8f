// The two passes of backpropagation, one above the other. N is the number of rows, D(m) the
// width of layer m; matrices hold one example per row, so the lectures' columns are rows here:
//
//     forward    z(m) = a(m−1) W(m)ᵀ + b(m)            [N, D(m)]
//                a(m) = σ(z(m))
//     backward   grad_z(L) = grad_a(L) ⊙ σ′(z(L))      [N, D(L)]
//                grad_a(m) = grad_z(m+1) W(m+1)        [N, D(m)]
//                grad_z(m) = grad_a(m) ⊙ σ′(z(m))
//                grad_W(m)ᵀ = a(m−1)ᵀ grad_z(m)        [D(m−1), D(m)]
//                grad_b(m) = column sums of grad_z(m)  [D(m)]
//
// Here are the matrix products and their order. What stands between z(m) and a(m), and between
// grad_a(m) and grad_z(m), is the layer's `Stage`: b(m) and σ (Passes/Stage.swift), in a
// normalised layer normalisation and σ (Normalisation/NormStage.swift), either with dropout.
//
// Both passes work row by row, so threads share a batch by its rows: a `Part` is one thread's.
// A `Span` is all layers, or, where threads have to wait for each other, those up to there
// (Passes/Segments.swift). grad_W threads share by the rows of W(m)ᵀ. A `Tape` says where the
// quantities of a pass lie; `flags` see the largest |z| and |grad_z|, so that no NaN gets into
// the weights.

extension Network {
  // MARK: forward

  /// z(m) and a(m), m = 1..L, of the rows of `part`.
  @inline(never)
  func forward(
    _ tape: Tape<T>, _ part: Part<T>, _ flags: inout OverflowFlags<T>, _ span: Span
  ) {
    for m in span.layers {
      // z(m) = a(m−1) W(m)ᵀ
      if span.makesProduct(m) {
        let z = place(tape.z, m, part.rows)
        multiply(
          activation(m - 1, tape).rows(part.rows), weights(m), into: z, in: precision(m, tape))
      }
      // z(m) ← z(m) + b(m), a(m) = σ(z(m))
      flags.see(z: stages[m - 1].forward(tape, part, span), m)
    }
  }

  // MARK: backward

  /// grad_a(m) and grad_z(m), m = L..1, of the rows of `part`, from their targets; without
  /// targets grad_a(L) is there already. The part's sums receive its share of every grad_b.
  @inline(never)
  func backward(
    _ tape: Tape<T>, _ targets: TargetMemory<T>?, _ part: Part<T>,
    _ flags: inout OverflowFlags<T>, _ span: Span
  ) {
    for m in span.layers.reversed() {
      if span.makesProduct(m) {
        if m == layout.layers {
          // grad_a(L) = ∂C/∂a(L), or grad_z(L) where loss and σ are taken together
          targets.map { lossGradient(tape, $0, part.rows) }
        } else {
          // grad_a(m) = grad_z(m+1) W(m+1)
          let gradA = place(tape.gradA, m, part.rows)
          multiply(
            gradient(m + 1, tape).rows(part.rows), weights(m + 1).transpose, into: gradA,
            in: precision(m + 1, tape))
        }
      }
      // grad_z(m) = grad_a(m) ⊙ σ′(z(m))
      flags.see(gradZ: stages[m - 1].backward(tape, part, span), m)
    }
  }

  // MARK: the gradients of W and b

  /// grad_W(m) and grad_b(m), m = 1..L, after every row has its grad_z; threads share the rows
  /// of every W(m)ᵀ.
  func parameterGradients(_ tape: Tape<T>, _ plan: Plan, accumulate: Bool) {
    biasGradients(tape, parts: plan.parts, accumulate: accumulate)
    concurrently(plan.parts) { part in
      for m in 1...layout.layers where needsGradients(m, tape) {
        let share = plan.share(part, of: layout.sizes[m - 1], unit: 8)
        if !share.isEmpty { weightGradient(m, tape, share, accumulate: accumulate) }
      }
    }
  }

  /// grad_W(m)ᵀ ← a(m−1)ᵀ grad_z(m), or added to it, its rows `share` of D(m−1).
  func weightGradient(_ m: Int, _ tape: Tape<T>, _ share: Range<Int>, accumulate: Bool) {
    multiply(
      activation(m - 1, tape).transpose.rows(share), gradient(m, tape),
      into: gradWeights(m) + share.lowerBound * layout.sizes[m], accumulate: accumulate,
      in: precision(m, tape))
  }

  /// grad_b(m) ← Σₙ grad_z(m), or added to it, from the column sums that the parts made.
  func biasGradients(_ tape: Tape<T>, parts: Int, accumulate: Bool) {
    for m in 1...layout.layers where needsGradients(m, tape) {
      biasGradient(m, parts: parts, accumulate: accumulate)
    }
    normGradients(tape, parts: parts, accumulate: accumulate, to: gradients.base)
  }

  /// The same of one layer.
  func biasGradient(_ m: Int, parts: Int, accumulate: Bool) {
    guard let memory = partMemory else { return }
    let (gradB, cols) = (gradBias(m), layout.sizes[m])
    if !accumulate { gradB.update(repeating: 0, count: cols) }
    for part in 0..<parts {
      let sums = memory.sums(part) + stages[m - 1].units
      for j in 0..<cols { gradB[j] += sums[j] }
    }
  }
}
