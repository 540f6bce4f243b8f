import CBridge

// A batch of training that processes of one machine share, with memory in common. They work as the
// threads of one process do:
//
//     each process   brings the rows of X and y that it has to their places in the batch
//     all wait for each other
//     each process   z, a, grad_z of its share of the rows, whoever brought them
//     C, the overflow flags and the bound on |g| are summed: here all processes go on or none does
//     each process   grad_W(m) from all rows of the batch, and the update, of its share of the rows
//                    of every W(m)ᵀ
//     all wait for each other: W is whole
//
// So no gradient is summed or sent, every W is updated once, grad_W(m) need not leave the cache, and
// all have equally much to do, however the rows are divided among them.

extension FitLoop {
  /// Puts the memory of all processes in common, with what process 0 has in it.
  func join(
    _ common: CommonBatch<T>, _ shared: SharedBatch<T>, _ call: Continuation<T>
  ) throws(EngineError) {
    if call.isFresh { common.begin() }
    guard common.isJoining else { return }
    // None looks any more at what they had in common before.
    let sums = shared.sums.base
    try call.once { () throws(EngineError) in sums[0] = Double(T(bits: largestInput)) }
    try shared.reduce(1, call)
    try call.once { () throws(EngineError) in
      common.largestInput = T(sums[0]).bits
      if common.process == 0 { try common.join() }
    }
    try shared.synchronize(call)
    try call.once { () throws(EngineError) in if common.process > 0 { try common.join() } }
  }

  /// One training step. C is in `shared`.
  func learn(
    _ common: CommonBatch<T>, _ shared: SharedBatch<T>, _ call: Continuation<T>
  ) throws(EngineError) {
    let tape =
      call.tape
      ?? memory.tape(
        Matrix(memory.x, shared.batch, x.cols), network, masks: network.drawMasks(),
        isForUpdate: true)
    if call.tape == nil { (call.tape, call.rates) = (tape, network.rates) }
    let rows = common.share(of: shared.batch)
    try network.withThreads { (threads) throws(EngineError) in
      try call.once { () throws(EngineError) in
        let plan = Plan.ofStep(
          rows: rows.count, layout: network.layout, hasState: !network.slots.isEmpty,
          threads: threads)
        shared.plan = Plan(parts: plan.parts)
        shared.flags = OverflowFlags()
        try network.partMemory(plan.parts)
        bring(shared)
      }
      try shared.synchronize(call)
      try call.once { () throws(EngineError) in
        if !rows.isEmpty {
          shared.flags = try network.overRows(shared.plan, rows) { part, flags in
            network.forward(tape, part, &flags)
            network.costs(tape, memory.targets, part.rows)
            network.backward(tape, memory.targets, part, &flags)
          }
        }
        network.noteBiasSums(common, parts: rows.isEmpty ? 0 : shared.plan.parts)
      }
      try check(tape, rows, shared, call)
      // Before another process begins the next batch, in the same memory.
      try call.once { () throws(EngineError) in score(rows, shared.weight) }
      try update(tape, common, shared, call)
    }
  }

  /// Brings the rows of the batch that this process has to their places in it.
  private func bring(_ shared: SharedBatch<T>) {
    let plan = shared.plan
    concurrently(plan.parts) { part in
      for n in plan.share(part, of: shared.count) {
        let (row, place) = (RowSelection(shared.rows + n, count: 1), Int(shared.places[n]))
        x.read(row, into: memory.x + place * x.cols)
        y.read(row, into: memory.targets.t + place * y.outputs)
      }
    }
  }

  /// The update, from what all have made of the batch.
  private func update(
    _ tape: Tape<T>, _ common: CommonBatch<T>, _ shared: SharedBatch<T>, _ call: Continuation<T>
  ) throws(EngineError) {
    let (plan, isHarmless) = (shared.plan, shared.isHarmless)
    // Of those whose batches count unequally the last ones may count nothing.
    let keepsGradients =
      shared.isToPause || next + shared.batch == total || weights.source != nil
    if isHarmless, network.clipNorm == 0 {
      try call.once { () throws(EngineError) in
        common.hasGradients = false
        if common.process == 0 { network.biasGradients(common) }
        network.update(
          network.preparedUpdate(), tape, plan, keepsGradients: keepsGradients, common)
      }
    } else {
      // The norm is of all gradients, and a probation of all numbers.
      try call.once { () throws(EngineError) in
        common.hasGradients = false
        if common.process == 0 { network.biasGradients(common) }
        network.weightGradients(tape, plan, common)
      }
      try shared.synchronize(call)
      if isHarmless {
        try call.once { () throws(EngineError) in
          network.update(network.preparedUpdate(), plan, common)
        }
      } else {
        try updateOnProbation(common, shared, call)
      }
    }
    if isHarmless, network.maxNorm > 0 {
      try shared.synchronize(call)
      try call.once { () throws(EngineError) in network.limitRows(plan.parts, common) }
    }
    try shared.synchronize(call)
    try call.once { () throws(EngineError) in
      common.hasGradients = keepsGradients || !isHarmless || network.clipNorm > 0
    }
  }

  /// Process 0 makes the update for all, which may be taken back.
  private func updateOnProbation(
    _ common: CommonBatch<T>, _ shared: SharedBatch<T>, _ call: Continuation<T>
  ) throws(EngineError) {
    let failed = shared.sums.base
    try call.once { () throws(EngineError) in
      try network.checkGradients()  // on every process, with the same result
      (failed[0], common.failure) = (0, nil)
      guard common.process == 0 else { return }
      do throws(EngineError) {
        try network.update(shared.plan, isHarmless: false)
      } catch {
        if error.status == SB_ERROR_MEMORY { throw error }
        (failed[0], common.failure) = (1, error)
      }
    }
    try shared.reduce(1, call)
    try call.once { () throws(EngineError) in
      if let failure = common.failure { throw failure }
      guard failed[0] == 0 else { throw EngineError.infiniteStep }
      if common.process > 0 { network.steps += 1 }
    }
  }
}

extension Network {
  /// Puts the column sums of grad_z that the parts have made where all processes see them.
  func noteBiasSums(_ common: CommonBatch<T>, parts: Int) {
    let (sums, units) = (common.biasSums(of: common.process), layout.unitCount)
    sums.update(repeating: 0, count: units)
    guard let memory = partMemory else { return }
    for part in 0..<parts {
      for m in 1...layout.layers where trains(m) {
        let first = stages[m - 1].units
        let own = memory.sums(part) + first
        for j in 0..<layout.sizes[m] { sums[first + j] += own[j] }
      }
    }
  }

  /// grad_b(m) of the layers that are trained, over the rows of all processes.
  func biasGradients(_ common: CommonBatch<T>) {
    for m in 1...layout.layers where trains(m) {
      let (gradB, cols) = (gradBias(m), layout.sizes[m])
      gradB.update(repeating: 0, count: cols)
      for process in 0..<common.processes {
        let sums = common.biasSums(of: process) + stages[m - 1].units
        for j in 0..<cols { gradB[j] += sums[j] }
      }
    }
  }

  /// grad_W(m) of the layers that are trained: this process' share.
  func weightGradients(_ tape: Tape<T>, _ plan: Plan, _ common: CommonBatch<T>) {
    forEachShare(plan, common) { m, share, _ in
      weightGradient(m, tape, share, accumulate: false)
    }
  }

  /// This process' share of the gradients and of the update from them together.
  func update(
    _ update: Update, _ tape: Tape<T>, _ plan: Plan, keepsGradients: Bool,
    _ common: CommonBatch<T>
  ) {
    let rate = descentRate(update, keepsGradients: keepsGradients)
    forEachShare(plan, common) { m, share, part in
      let panel = keepsGradients ? nil : partMemory?.panel(part)
      learn(update, m, tape, share, rate: rate, panel: panel)
    }
    if common.process == 0 { applyToBiases(update) }
  }

  /// This process' share of an update from gradients that are there.
  func update(_ update: Update, _ plan: Plan, _ common: CommonBatch<T>) {
    forEachShare(plan, common) { m, share, _ in apply(update, m, share) }
    if common.process == 0 { applyToBiases(update) }
  }

  /// `limitRows` for this process' share.
  func limitRows(_ parts: Int, _ common: CommonBatch<T>) {
    let plan = Plan(parts: parts)
    concurrently(parts) { part in
      for m in 1...layout.layers where trains(m) {
        let own = common.share(of: layout.sizes[m], unit: 16)
        limitRows(m, plan.share(part, of: own, unit: 16))
      }
    }
  }

  /// Calls `body` with rows of W(m)ᵀ of the layers that are trained: all those of this process,
  /// shared by threads.
  private func forEachShare(
    _ plan: Plan, _ common: CommonBatch<T>,
    _ body: (_ m: Int, _ share: Range<Int>, _ part: Int) -> Void
  ) {
    concurrently(plan.parts) { part in
      for m in 1...layout.layers where trains(m) {
        let share = plan.share(part, of: common.share(of: layout.sizes[m - 1], unit: 8), unit: 8)
        if !share.isEmpty { body(m, share, part) }
      }
    }
  }
}
