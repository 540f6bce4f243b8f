import CBridge

// What the backward pass says of single examples, without a gradient of all weights for each.

extension Network {
  /// grad_a(0) = grad_z(1) W(1) of the rows of x into out [N, D(0)], from where `blocks` is: of C,
  /// or of each row's own Cₙ when `perExample`.
  func inputGradient(
    _ x: Source, _ y: Source, weights rowWeights: Source?, perExample: Bool,
    into out: UnsafeMutablePointer<T>, _ blocks: inout BlockIterator
  ) throws(EngineError) {
    let inputs = layout.sizes[0]
    try passes(x, y, rowWeights, perExample: perExample, &blocks) { tape, first, rows in
      let gradZ = Matrix(tape.gradZ[0], tape.input.rows, layout.sizes[1])
      multiply(
        gradZ.rows(rows.lowerBound, rows.upperBound), weights(1).transpose,
        into: out + (first + rows.lowerBound) * inputs)
    }
  }

  /// ‖∇Cₙ‖ of the rows of x into out [N], or its part by the parameters of layer m into out
  /// [N, L]; batch norm is in evaluation, or one example would change the gradients of others.
  ///
  /// The gradient of one example is an outer product, grad_z(m) a(m−1)ᵀ, with grad_z(m) beside
  /// it for b, so ‖∇Cₙ‖² = Σ ‖grad_z(m)‖²·(‖a(m−1)‖² + 1): no matrix is needed. Goodfellow,
  /// "Efficient per-example gradient computations", 2015.
  func gradientNorms(
    _ x: Source, _ y: Source, perLayer: Bool, into out: UnsafeMutablePointer<T>,
    _ blocks: inout BlockIterator
  ) throws(EngineError) {
    let layers = layout.layers
    try passes(x, y, nil, perExample: true, &blocks) { tape, first, rows in
      for n in rows {
        var sum = 0.0
        for m in 1...layers {
          let cols = layout.sizes[m]
          let square =
            sumOfSquares(tape.gradZ[m - 1] + n * cols, cols) * (inputSquare(m, tape, n) + 1)
            + stages[m - 1].normSquare(tape, n)
          sum += square
          if perLayer { out[(first + n) * layers + m - 1] = T(square.squareRoot()) }
        }
        if !perLayer { out[first + n] = T(sum.squareRoot()) }
      }
    }
  }

  /// ‖a(m−1)‖² of row n.
  private func inputSquare(_ m: Int, _ tape: Tape<T>, _ n: Int) -> Double {
    let cols = layout.sizes[m - 1]
    guard m == 1 else { return sumOfSquares(tape.a[m - 2] + n * cols, cols) }
    let x = tape.input
    guard x.transposed else { return sumOfSquares(x.base + n * x.stride, cols) }
    var sum = 0.0
    for j in 0..<cols {
      let value = Double(x.base[n + j * x.stride])
      sum += value * value
    }
    return sum
  }

  /// Forward and backward without the gradients of W and b, block by block; `body` gets shares
  /// of a block's rows, whose first is row `first` of x.
  private func passes(
    _ x: Source, _ y: Source, _ rowWeights: Source?, perExample: Bool,
    _ blocks: inout BlockIterator,
    _ body: (_ tape: Tape<T>, _ first: Int, _ rows: Range<Int>) -> Void
  ) throws(EngineError) {
    try check(blocks, over: x)
    try asking(ifExternal: Continuation.Key(kind: .passes, rows: x.rows)) {
      (call) throws(EngineError) in
      try passes(x, y, rowWeights, perExample: perExample, &blocks, call, body)
    }
  }

  private func passes(
    _ x: Source, _ y: Source, _ rowWeights: Source?, perExample: Bool,
    _ blocks: inout BlockIterator,
    _ call: Continuation<T>?, _ body: (_ tape: Tape<T>, _ first: Int, _ rows: Range<Int>) -> Void
  ) throws(EngineError) {
    let memory: Workspace<T>
    if let begun = call?.workspace {
      memory = begun
    } else {
      memory = try Workspace(
        rows: Swift.min(x.rows, blockRows), network: self, trains: true, keepsGradients: true)
      call?.workspace = memory
    }
    let targets = try BlockTargets(
      self, x: x, y: y, weights: rowWeights, perExample: perExample, memory: memory.targets)
    try iterate(&blocks, over: x, maxRows: memory.rows, scratch: memory.x) {
      (input, rows) throws(EngineError) in
      try targets.read(rows, into: memory.targets)
      var tape = memory.tape(input, self)
      if let call {
        call.begin(rows.lowerBound)
        try askBothWays(&tape, memory.targets, memory.owners, call)
      }
      try withThreads(rows: rows.count, work: 2 * workPerRow * Double(rows.count)) {
        (plan) throws(EngineError) in
        try check(
          overRows(plan, rows.count) { part, flags in
            forward(tape, part, &flags)
            backward(tape, memory.targets, part, &flags)
            body(tape, rows.lowerBound, part.rows)
          })
      }
    }
  }
}
