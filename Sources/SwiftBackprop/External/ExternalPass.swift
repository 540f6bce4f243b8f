import CBridge

// A pass with functions of the caller's: it stops for all rows at once wherever their numbers are
// needed, and everything between two stops is as in any other pass. Of an activation
//
//     forward    z(m), or u(m) of a normalised layer, goes out and a(m) comes back
//     backward   the same goes out once more, and σ′ of it comes back, number by number
//
// and of the loss a(L) and t go out, and Cₙ and ∂Cₙ/∂a(L) come back. All of it is asked for before
// the way back begins, which then goes through without a stop.

/// Who owns the memory that a pass shows outside.
struct PassOwners {
  /// z(m), a(m) and grad_a(L)
  let forward, backward: Block
  /// What stands between normalisation and σ
  let between: Block
}

/// What is done of a layer between two questions.
private enum LayerWork {
  /// z(m) and a(m)
  case whole
  /// z(m) alone
  case product
  /// The normalisation behind σ, or what dropout drops
  case normalisation, mask
}

extension Network {
  /// Whether σ of layer m is a function of the caller's.
  func isExternal(_ m: Int) -> Bool { external?.layers.contains(m) ?? false }

  // MARK: forward

  /// z(m) and a(m), m = 1..L, of all rows; of those that are here of a batch of several processes.
  func forward(
    _ tape: inout Tape<T>, _ owners: PassOwners, asking call: Continuation<T>,
    shared: SharedBatch<T>? = nil
  ) throws(EngineError) {
    var first = 1
    for m in external?.layers ?? [] {
      try forward(tape, first, m - 1, call, shared)
      try forwardExternal(m, tape, owners, call, shared)
      first = m + 1
    }
    try forward(tape, first, layout.layers, call, shared)
    tape.isForwardDone = true
  }

  /// z(m) and a(m) of the engine's own layers m = first..last.
  private func forward(
    _ tape: Tape<T>, _ first: Int, _ last: Int, _ call: Continuation<T>, _ shared: SharedBatch<T>?
  ) throws(EngineError) {
    guard first <= last else { return }
    try overLayers(tape, first...last, call, .whole, shared)
  }

  /// z(m) and a(m) of a layer whose σ is the caller's.
  private func forwardExternal(
    _ m: Int, _ tape: Tape<T>, _ owners: PassOwners, _ call: Continuation<T>,
    _ shared: SharedBatch<T>?
  ) throws(EngineError) {
    let rows = tape.input.rows
    let layer = tape.norms?.layer(m)
    let isBehind = layer?.norm.isAfter == true
    var below = tape
    below.masks = nil
    if isBehind { below.norms = nil }
    try overLayers(below, m...m, call, isBehind ? .product : .whole, shared)
    let between = layer.map { ($0.between, owners.between) }
    let x = isBehind ? nil : between
    let y = (isBehind ? between : nil) ?? (tape.a[m - 1], owners.forward)
    try ask(0, m, x ?? (tape.z[m - 1], owners.forward), y, rows, call)
    guard isBehind || tape.masks?.mask(m, T.self) != nil else { return }
    var above = tape
    if !isBehind { above.norms = nil }
    try overLayers(above, m...m, call, isBehind ? .normalisation : .mask, shared)
  }

  /// Does some work of layers over the rows, span by span.
  private func overLayers(
    _ tape: Tape<T>, _ layers: ClosedRange<Int>, _ call: Continuation<T>, _ work: LayerWork,
    _ shared: SharedBatch<T>?
  ) throws(EngineError) {
    let tape = tape.narrowed(to: layers)
    guard let shared else {
      return try call.once { () throws(EngineError) in
        try overAllRows(tape, layers, call, work)
      }
    }
    for segment in tape.forwardSegments {
      try call.once { () throws(EngineError) in
        try shared.overRows(self) { part, flags in
          forward(work, tape, tape.forwardSpan(segment, layers), part, &flags)
        }
        try check(shared.flags)  // what the caller's functions are asked of is finite
      }
      if segment < 0, let m = tape.stop(after: segment), let layer = tape.norms?.layer(m) {
        try reduceMoments(m, layer, tape, shared, call)
      }
    }
  }

  private func overAllRows(
    _ tape: Tape<T>, _ layers: ClosedRange<Int>, _ call: Continuation<T>, _ work: LayerWork
  ) throws(EngineError) {
    let rows = tape.input.rows
    var operations = 0.0
    for m in layers { operations += 2 * Double(layout.weightCount(m)) * Double(rows) }
    let flags = try withThreads(rows: rows, work: operations) { (plan) throws(EngineError) in
      try overRows(plan, tape, tape.forwardSegments) { segment, part, flags in
        forward(work, tape, tape.forwardSpan(segment, layers), part, &flags)
      }
    }
    try check(flags)
    call.flags.add(flags)
  }

  /// Work of the layers of a span, of which there is one where it is not all of their work.
  @inline(never)
  private func forward(
    _ work: LayerWork, _ tape: Tape<T>, _ span: Span, _ part: Part<T>,
    _ flags: inout OverflowFlags<T>
  ) {
    let (m, rows) = (span.layers.lowerBound, part.rows)
    switch work {
    case .whole: forward(tape, part, &flags, span)
    case .product:
      let (z, cols) = (place(tape.z, m, rows), layout.sizes[m])
      multiply(
        activation(m - 1, tape).rows(rows), weights(m), into: z, in: precision(m, tape))
      addRow(bias(m), to: z, rows.count, cols)
      flags.see(z: largestMagnitude(z, rows.count * cols), m)
    case .normalisation:
      var span = span
      span.isActivated = true
      flags.see(z: stages[m - 1].forward(tape, part, span), m)
    case .mask:
      tape.masks?.mask(m, T.self)?.apply(
        to: place(tape.a, m, rows), first: rows.lowerBound, rows.count, layout.sizes[m])
    }
  }

  // MARK: backward

  /// Cₙ of all rows, if the loss is the caller's.
  func askCosts(
    _ tape: Tape<T>, _ targets: TargetMemory<T>, _ owners: PassOwners, _ call: Continuation<T>
  ) throws(EngineError) {
    let rows = tape.input.rows
    guard external?.hasLoss == true, rows > 0 else { return }
    try call.ask {
      lossQuestion(0, tape, targets, owners) {
        makeView(targets.block, targets.cost, [rows])
      }
    }
    try call.once { () throws(EngineError) in try check(cost: cost(targets, 0..<rows)) }
  }

  /// The way forward, and all that functions of the caller's give for the way back down to layer
  /// `lowest`; `between` finds z(m) in its place still.
  func askBothWays(
    _ tape: inout Tape<T>, _ targets: TargetMemory<T>, _ owners: PassOwners, lowest: Int = 1,
    _ call: Continuation<T>, shared: SharedBatch<T>? = nil,
    between: (Tape<T>) throws(EngineError) -> Void = { _ in }
  ) throws(EngineError) {
    try forward(&tape, owners, asking: call, shared: shared)
    try askCosts(tape, targets, owners, call)
    try between(tape)
    try askGradients(
      tape, slopes: tape, targets, owners, slopeOwners: owners, lowest: lowest, call)
  }

  /// What the way back down to layer `lowest` needs: ∂Cₙ/∂a(L) in the place of grad_a(L), and
  /// σ′(z(m)) in that of z(m), or of u(m), as `slopes` has them.
  func askGradients(
    _ tape: Tape<T>, slopes: Tape<T>, _ targets: TargetMemory<T>, _ owners: PassOwners,
    slopeOwners: PassOwners, lowest: Int, _ call: Continuation<T>
  ) throws(EngineError) {
    let (last, rows) = (layout.layers, tape.input.rows)
    if external?.hasLoss == true, rows > 0 {
      let gradA = tape.gradA[last - 1]
      try call.ask {
        lossQuestion(1, tape, targets, owners) {
          makeView(owners.backward, gradA, [rows, layout.sizes[last]])
        }
      }
      try call.once { () throws(EngineError) in
        guard largestMagnitude(gradA, rows * layout.sizes[last]) < T.infinityBits else {
          throw .diverged(
            "the derivative of the loss, a function of your own, gave NaN or infinity at the "
              + "output, layer \(last)")
        }
      }
    }
    for m in (external?.layers ?? []).reversed() where m >= lowest {
      try askSlope(m, tape, slopes: slopes, owners, slopeOwners: slopeOwners, call)
    }
  }

  /// σ′(z(m)) where the kernels of a layer of the caller's look for it.
  func askSlope(
    _ m: Int, _ tape: Tape<T>, slopes: Tape<T>, _ owners: PassOwners, slopeOwners: PassOwners,
    _ call: Continuation<T>
  ) throws(EngineError) {
    try ask(
      1, m, input(of: m, tape, owners), input(of: m, slopes, slopeOwners), tape.input.rows, call)
  }

  /// What σ of layer m takes in, and who owns it.
  func input(
    of m: Int, _ tape: Tape<T>, _ owners: PassOwners
  ) -> (UnsafeMutablePointer<T>, Block) {
    guard let layer = tape.norms?.layer(m), !layer.norm.isAfter else {
      return (tape.z[m - 1], owners.forward)
    }
    return (layer.between, owners.between)
  }

  // MARK: questions

  /// Asks for σ, or its derivative of `order`, of x [rows, D(m)], into `answer`.
  func ask(
    _ order: Int32, _ m: Int, _ x: (UnsafeMutablePointer<T>, Block),
    _ answer: (UnsafeMutablePointer<T>, Block), _ rows: Int, _ call: Continuation<T>
  ) throws(EngineError) {
    let cols = layout.sizes[m]
    guard rows > 0 else { return }  // of a batch that other processes have
    try call.ask {
      var question = sb_question()
      (question.kind, question.order, question.layer) = (SB_ACTIVATION, order, Int64(m))
      question.x = makeView(x.1, x.0, [rows, cols], readonly: true)
      question.answer = makeView(answer.1, answer.0, [rows, cols])
      return question
    }
    try call.once { () throws(EngineError) in
      guard largestMagnitude(answer.0, rows * cols) < T.infinityBits else {
        let of: StaticString =
          order == 0 ? "" : order == 1 ? "the derivative of " : "the second derivative of "
        throw .diverged(
          "\(of)the activation of layer \(m), a function of your own, gave NaN or infinity")
      }
    }
  }

  private func lossQuestion(
    _ order: Int32, _ tape: Tape<T>, _ targets: TargetMemory<T>, _ owners: PassOwners,
    _ answer: () -> sb_view
  ) -> sb_question {
    let (last, rows) = (layout.layers, tape.input.rows)
    let shape = [rows, layout.sizes[last]]
    var question = sb_question()
    (question.kind, question.order, question.layer) = (SB_LOSS, order, Int64(last))
    question.x = makeView(owners.forward, tape.a[last - 1], shape, readonly: true)
    question.t = makeView(targets.block, targets.t, shape, readonly: true)
    question.answer = answer()
    return question
  }
}

extension Tape {
  /// The same pass for some layers alone, with the stops that lie in them.
  func narrowed(to layers: ClosedRange<Int>) -> Tape<T> {
    guard let norms else { return self }
    var (first, count) = (0, 0)
    for index in 0..<norms.stopCount {
      if norms.stops[index] < layers.lowerBound { first += 1 }
      if layers.contains(norms.stops[index]) { count += 1 }
    }
    var tape = self
    tape.norms = Norms(layers: norms.layers, stops: norms.stops + first, stopCount: count)
    return tape
  }
}
