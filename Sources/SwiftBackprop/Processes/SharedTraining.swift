import CBridge

// A batch of training that several processes share, by messages where they have no memory in common
// (CommonTraining.swift has that way). The way forward is as ever; the way back goes
// layer by layer, so that the sum of grad_W(L) begins while the layers below still work:
//
//     for m = L..1   grad_a(m), grad_z(m) of the rows that are here
//                    grad_W(m), grad_b(m); their sum over the processes begins, in pieces
//     C, the overflow flags and the bound on |g| are summed: here all processes go on or none does
//     for m = L..1   the sum has ended; W(m) and b(m) are updated
//
// Every process makes the same update from the same sums, so its weights have the same bits.

extension FitLoop {
  /// One batch.
  func train(_ shared: SharedBatch<T>, _ call: Continuation<T>) throws(EngineError) {
    let count = Swift.min(batchSize, total - next)
    if let common = shared.common { try join(common, shared, call) }
    try call.once { () throws(EngineError) in
      let all =
        order.map { RowSelection($0 + next, count: count) } ?? RowSelection(next..<next + count)
      shared.select(all)
      shared.weight = weights.scale(all, into: shared.scale.base)
      let scale = memory.targets.scale
      if shared.common != nil {
        scale.copy(from: shared.scale.base, count: count)
      } else {
        for n in 0..<shared.count { scale[n] = shared.scale.base[Int(shared.places[n])] }
      }
    }
    if shared.weight > 0 {
      if network.sharesPenalties { network.penaltyShare = 1 / shared.weight }
      defer { network.penaltyShare = 1 }
      do {
        try call.once { () throws(EngineError) in
          if network.sharesPenalties {
            penaltySum += network.penalty() * network.penaltyShare * Double(count)
          }
          if hasRates, next / batchSize < rates.count {
            try network.setRate(rates[next / batchSize])
          }
        }
        try learn(shared, call)
      } catch {
        if error.status == SB_ASKS { throw error }
        network.gradientState = .spoiled
        throw inContext(error)
      }
      lossSum += shared.cost * Double(count)
    }
    call.restart()
    next += count
    if next == total {
      validation?.restart()
      phase = .validating
    }
  }

  /// One training step on the rows of the batch that are here. C is in `shared`.
  private func learn(_ shared: SharedBatch<T>, _ call: Continuation<T>) throws(EngineError) {
    if let common = shared.common { return try learn(common, shared, call) }
    var tape = call.tape ?? makeTape(shared)
    if call.tape == nil { (call.tape, call.rates) = (tape, network.rates) }
    try network.withThreads { (threads) throws(EngineError) in
      try call.once { () throws(EngineError) in
        let plan = Plan.ofStep(
          rows: shared.count, layout: network.layout, hasState: !network.slots.isEmpty,
          threads: threads)
        shared.plan = Plan(parts: plan.parts)
        shared.flags = OverflowFlags()
        shared.listPieces(network)
        try network.partMemory(plan.parts)
      }
      if network.external == nil {
        try forward(tape, shared, call)
      } else {
        try ask(&tape, shared, call)
      }
      try backward(tape, shared, call)
      try check(tape, 0..<shared.count, shared, call)
      try update(tape, shared, call)
    }
    score(0..<shared.count, shared.weight)
  }

  private func makeTape(_ shared: SharedBatch<T>) -> Tape<T> {
    var masks = network.drawMasks()
    masks?.places = UnsafePointer(shared.places)
    return memory.tape(
      Matrix(memory.x, shared.count, x.cols), network, masks: masks, isForUpdate: true)
  }

  private func forward(
    _ tape: Tape<T>, _ shared: SharedBatch<T>, _ call: Continuation<T>
  ) throws(EngineError) {
    let segments = tape.forwardSegments
    for segment in segments {
      try call.once { () throws(EngineError) in
        try shared.overRows(network) { part, flags in
          if segment == segments.lowerBound {
            begin(tape, shared.selection, part.rows, shared.plan)
          }
          network.forward(tape, part, &flags, segment: segment)
          if segment == 0 { network.costs(tape, memory.targets, part.rows) }
        }
      }
      if segment < 0, let m = tape.stop(after: segment), let layer = tape.norms?.layer(m) {
        try network.reduceMoments(m, layer, tape, shared, call)
      }
    }
  }

  /// The way forward and all that functions of the caller's give for the rows that are here.
  private func ask(
    _ tape: inout Tape<T>, _ shared: SharedBatch<T>, _ call: Continuation<T>
  ) throws(EngineError) {
    let begun = tape
    try call.once { () throws(EngineError) in
      try shared.overRows(network) { part, _ in
        begin(begun, shared.selection, part.rows, shared.plan)
      }
    }
    try network.askBothWays(
      &tape, memory.targets, memory.owners, lowest: network.lowestLayer(tape), call, shared: shared)
    let made = tape
    try call.once { () throws(EngineError) in
      try shared.overRows(network) { part, _ in network.costs(made, memory.targets, part.rows) }
    }
  }

  private func backward(
    _ tape: Tape<T>, _ shared: SharedBatch<T>, _ call: Continuation<T>
  ) throws(EngineError) {
    let (lowest, last) = (network.lowestLayer(tape), network.layout.layers)
    guard lowest <= last else { return }
    var index = 0
    for m in (lowest...last).reversed() {
      let stops = network.norm(m)?.kind == .batch
      var span = Span(layers: m...m, suspendsAt: stops ? m : 0)
      if network.isFused(tape) { span.givenAt = last }
      try backward(tape, span, shared, call)
      if stops, let layer = tape.norms?.layer(m) {
        try network.reduceGradientSums(m, layer, shared, call)
        (span.resumesAt, span.suspendsAt) = (m, 0)
        try backward(tape, span, shared, call)
      }
      guard network.trains(m) else { continue }
      try call.once { () throws(EngineError) in network.gradients(of: m, tape, shared) }
      while index < shared.pieces.count, shared.pieces[index].m == m {
        try shared.begin(index, network, call)
        index += 1
      }
    }
  }

  private func backward(
    _ tape: Tape<T>, _ span: Span, _ shared: SharedBatch<T>, _ call: Continuation<T>
  ) throws(EngineError) {
    try call.once { () throws(EngineError) in
      try shared.overRows(network) { part, flags in
        network.backward(tape, memory.targets, part, &flags, span)
      }
    }
  }

  /// The one place where the processes agree whether this batch is good, each by some rows of a
  /// tape.
  func check(
    _ tape: Tape<T>, _ rows: Range<Int>, _ shared: SharedBatch<T>, _ call: Continuation<T>
  ) throws(EngineError) {
    let sums = shared.sums.base
    let isBad = shared.flags.badZ > 0 || shared.flags.badGradZ > 0
    try call.once { () throws(EngineError) in
      let cost = network.cost(memory.targets, rows)
      let largest = shared.common.map { $0.largestInput } ?? largestInput
      let bound =
        rows.isEmpty
        ? 0 : network.gradientBound(tape, largest, shared.flags, rows, batch: shared.batch)
      (sums[0], sums[1], sums[2], sums[3]) = (0, isBad ? 1 : 0, cost, bound)
    }
    try shared.reduce(4, call, order: SB_REDUCE_CHECK)
    try call.once { () throws(EngineError) in
      shared.isToPause = sums[0] > 0
      try network.check(shared.flags)
      guard sums[1] == 0 else { throw .diverged("numbers overflowed in another process") }
      try network.check(cost: sums[2])
      shared.cost = sums[2]
      shared.isHarmless = network.isHarmless(bound: sums[3])
      network.pass?.state = .spent
      network.gradientState = .ready
    }
  }

  private func update(
    _ tape: Tape<T>, _ shared: SharedBatch<T>, _ call: Continuation<T>
  ) throws(EngineError) {
    let plan = shared.plan
    // The norm is of all gradients, and a probation of all numbers.
    let isPiecewise = shared.isHarmless && network.clipNorm == 0
    if isPiecewise {
      try call.once { () throws(EngineError) in shared.update = network.preparedUpdate() }
    }
    for (index, piece) in shared.pieces.enumerated() {
      try shared.end(index, call)
      guard isPiecewise, let update = shared.update else { continue }
      try call.once { () throws(EngineError) in network.apply(update, piece, plan) }
    }
    try call.once { () throws(EngineError) in
      if isPiecewise {
        network.limitRows(plan.parts)
      } else {
        try network.update(plan, isHarmless: shared.isHarmless)
      }
      network.follow(tape, rows: shared.batch)
    }
  }

  /// One block of the rows to validate on that are here; after the last one the end of the epoch.
  func validate(_ shared: SharedBatch<T>, _ call: Continuation<T>) throws(EngineError) {
    if let validation, !validation.isDone {
      return try ofValidation { () throws(EngineError) in
        try validation.advance(network.external == nil ? nil : call)
      }
    }
    let base = shared.sums.base
    if let validation {
      let shifts = validation.sums.shiftCount
      if shifts > 0 {
        try call.once { () throws(EngineError) in validation.sums.writeShifts(base) }
        try shared.reduce(shifts, call)
        try call.once { () throws(EngineError) in validation.sums.readShifts(base) }
      }
      try call.once { () throws(EngineError) in validation.sums.write(base) }
      try shared.reduce(validation.sums.count, call)
      try call.once { () throws(EngineError) in validation.sums.read(base) }
    }
    try call.once { () throws(EngineError) in base[0] = sums.hits }
    try shared.reduce(1, call)
    sums.hits = base[0]
    call.restart()
    endEpoch(try validation?.metrics())
  }
}
