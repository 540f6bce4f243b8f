import CBridge

// The explicit pass in parts, for functions that the engine does not have: the outside takes z(m),
// puts its own a(m), and lets the pass go on from there; likewise on the way back.

extension Network {
  /// Begins a pass on x: z(m) and a(m), m = 1..last.
  func beginPass(_ x: Source, last: Int, training: Bool) throws(EngineError) {
    try checkLayers(1, last)
    guard norms.isEmpty else {
      throw .value("a pass in parts, for functions of your own, knows no normalised layers")
    }
    try forward(x, by: .matrices, training: training, last: last)
  }

  /// z(m) and a(m), m = first..last, from a(first − 1).
  func resumeForward(_ first: Int, _ last: Int) throws(EngineError) {
    try checkLayers(first, last)
    let tape = try tapeOfPass()
    let rows = tape.input.rows
    try withThreads(rows: rows, work: workPerRow * Double(rows)) { (plan) throws(EngineError) in
      try check(
        overRows(plan, rows) { part, flags in
          forward(tape, part, &flags, Span(layers: first...last))
        })
    }
  }

  /// Puts a(m), or grad_a(m), grad_z(m) of a backward pass, which begins with grad_a(L).
  func put(_ what: Int32, _ m: Int, _ values: Source) throws(EngineError) {
    try checkLayers(m, m)
    guard let rows = pass?.rows else { throw .order("call forward first") }
    let cols = layout.sizes[m]
    guard values.rows == rows, values.cols == cols else {
      throw .shape("layer \(m) wants an array of shape (\(rows), \(cols)), not \(values.shape)")
    }
    let target: UnsafeMutablePointer<T>
    if what == SB_A {
      target = try tapeOfPass().a[m - 1]
    } else {
      guard what == SB_GRAD_A || what == SB_GRAD_Z else { throw EngineError.noOption }
      let begins = what == SB_GRAD_A && m == layout.layers
      let quantities = try begins ? beginBackward() : backwardQuantities()
      target = what == SB_GRAD_A ? quantities.a[m - 1] : quantities.z[m - 1]
    }
    if what != SB_A { pass?.state = .backward }
    values.read(RowSelection(0..<rows), into: target)
    guard largestMagnitude(target, rows * cols) < T.infinityBits else {
      throw .diverged("a function of your own gave NaN or infinity in layer \(m)")
    }
  }

  /// grad_a(m), if m < L, and grad_z(m), for m = first, first − 1, ..., last.
  func resumeBackward(_ first: Int, _ last: Int) throws(EngineError) {
    try checkLayers(last, first)
    _ = try backwardQuantities()
    let tape = try tapeOfPass()
    let rows = tape.input.rows
    try withThreads(rows: rows, work: workPerRow * Double(rows)) { (plan) throws(EngineError) in
      try check(
        overRows(plan, rows) { part, flags in
          backward(tape, nil, part, &flags, Span(layers: last...first))
        })
    }
  }

  /// grad_W and grad_b of all layers, from their grad_z.
  func endBackward(accumulate: Bool) throws(EngineError) {
    _ = try backwardQuantities()
    let tape = try tapeOfPass()
    let rows = tape.input.rows
    gradientState = .spoiled
    try withThreads(rows: rows, work: workPerRow * Double(rows)) { (plan) throws(EngineError) in
      let flags = try overRows(plan, rows) { part, flags in
        let rows = part.rows
        var sum = part.sums
        for m in 1...layout.layers {
          let cols = layout.sizes[m]
          sum.update(repeating: 0, count: cols)
          let gradZ = tape.gradZ[m - 1] + rows.lowerBound * cols
          addColumns(gradZ, rows.count, cols, to: sum)
          flags.see(gradZ: largestMagnitude(gradZ, rows.count * cols), m)
          sum += cols
        }
      }
      try check(flags)
      parameterGradients(tape, plan, accumulate: accumulate)
    }
    gradientState = .ready
  }

  private func checkLayers(_ first: Int, _ last: Int) throws(EngineError) {
    guard first >= 1, first <= last, last <= layout.layers else {
      throw .value("there are no layers \(first)..\(last); layers are numbered 1..\(layout.layers)")
    }
  }

  private func backwardQuantities() throws(EngineError) -> ActivationBuffers<T> {
    guard let quantities = pass?.backward, pass?.state == .backward else {
      throw .order("put a gradient into layer \(layout.layers) first")
    }
    return quantities
  }

  /// The pass at hand, with its backward part if there is one.
  private func tapeOfPass() throws(EngineError) -> Tape<T> {
    guard let pass, pass.state != .spent, let input = pass.input else {
      throw .order("call forward first: this pass is over")
    }
    return Tape(
      input: input, z: pass.forward.z, a: pass.forward.a, gradZ: pass.backward?.z ?? .none,
      gradA: pass.backward?.a ?? .none, masks: pass.masks)
  }
}
