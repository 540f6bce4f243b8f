import CBridge

/// Training over whole epochs, one batch after the other, in slices that end at a batch's end.
class FitLoop<T: Scalar> {
  final let network: Network<T>
  final let x: Source
  final private let inPlace: Matrix<T>?
  final let y: Targets
  final let weights: RowWeights
  final let validation: Evaluation<T>?
  final private let epochs: Int
  final let batchSize: Int
  final private let pausesEachEpoch, pausesEachBatch: Bool
  final private let spreadsEvenly: Bool
  final let memory: Workspace<T>
  /// Where several processes train together, what this one keeps for it; else nil
  final let shared: SharedBatch<T>?
  /// N, the rows of all processes
  final let total: Int
  /// Of the parts' shares of a(0) W(1)ᵀ.
  final private var shares: Storage<T>?
  /// Where a(L) of every validation row goes too; nil for nowhere
  final var outputs: UnsafeMutableRawPointer? {
    get { validation?.outputs }
    set { validation?.outputs = newValue }
  }
  /// The rows' order in this epoch; nil without shuffling.
  final let order: UnsafeMutablePointer<Int32>?
  final private let orderBlock: Block?

  enum Phase { case checking, starting, training, validating, done }
  final var phase = Phase.checking
  final var next = 0
  /// The last batch, while its grad_W are not made.
  final private var unsettled: Tape<T>?
  final private(set) var largestInput: T.Bits = 0
  final private var records: [sb_epoch] = []
  final var sums: MetricSums
  /// lr for the batches of an epoch; empty to leave it alone.
  final var rates: [Double] = [] { didSet { hasRates = !rates.isEmpty } }
  final private(set) var hasRates = false
  /// What the batch at hand keeps while it waits for functions of the caller's, and since when
  /// it does; nil where there are none.
  final private let continuation: Continuation<T>?
  final private var waitsSince: Int64?
  final var lossSum = 0.0
  final var penaltySum = 0.0
  final private var seconds = 0.0

  init(_ network: Network<T>, _ config: sb_fit_config) throws(EngineError) {
    try BLAS.require()
    guard let xArray = config.x, let yArray = config.y else { throw .value("X or y is missing") }
    guard config.epochs >= 0 else {
      throw .value("epochs must be an int >= 0, got \(Int(clamping: config.epochs))")
    }
    guard (0...2).contains(config.shuffle) else {
      throw .value("shuffle must be 0, 1 or 2, got \(Int(config.shuffle))")
    }
    guard config.batch_size >= 1 else {
      throw .value("batch_size must be an int >= 1, got \(Int(clamping: config.batch_size))")
    }
    let x = try Source(xArray.pointee).scaled(by: network.inputScale)
    let isShared = config.total_rows > 0
    try network.checkShape(x, mayBeEmpty: isShared)
    let total = isShared ? Int(clamping: config.total_rows) : x.rows
    self.network = network
    self.total = total
    self.x = x
    let outputs = network.layout.sizes[network.layout.layers]
    y = try Targets(try Source(yArray.pointee), rows: x.rows, outputs: outputs)
    weights = try RowWeights(try optional(config.weights), rows: total)
    if let validX = config.valid_x, let validY = config.valid_y {
      validation = try ofValidation { () throws(EngineError) in
        try Evaluation(
          network, x: Source(validX.pointee), y: Source(validY.pointee),
          weights: optional(config.valid_weights), mayBeEmpty: isShared)
      }
    } else if config.valid_x != nil || config.valid_y != nil {
      throw .value("validation data must be an X and a y")
    } else {
      validation = nil
    }
    inPlace = x.inPlace(T.self)
    epochs = Int(config.epochs)
    batchSize = Int(Swift.min(config.batch_size, Int64(total)))
    spreadsEvenly = config.shuffle == 2
    pausesEachEpoch = config.pause_each_epoch != 0
    pausesEachBatch = config.pause_each_epoch == 2
    try Self.checkLastBatch(network, rows: total, batchSize: batchSize)
    shared =
      isShared
      ? try SharedBatch(network, config, own: x.rows, batchSize: batchSize) : nil
    let hasWholeBatches = !isShared || shared?.common != nil
    memory = try Workspace(
      rows: hasWholeBatches ? batchSize : Swift.max(1, Swift.min(batchSize, x.rows)),
      network: network, trains: true, inPages: shared?.common != nil)
    try shared?.common?.add([memory.block, memory.targets.block])
    if config.shuffle != 0 {
      let block = try Block(byteCount: total * MemoryLayout<Int32>.stride)
      orderBlock = block
      order = block.base.bindMemory(to: Int32.self, capacity: total)
    } else {
      (orderBlock, order) = (nil, nil)
    }
    sums = try MetricSums(outputs: outputs, classes: true)
    continuation =
      isShared
      ? Continuation(network, Continuation<T>.Key(kind: .session)) : network.sessionContinuation()
  }

  /// Refuses minibatches of one row where batch norm needs two.
  private static func checkLastBatch(
    _ network: Network<T>, rows: Int, batchSize: Int
  ) throws(EngineError) {
    guard network.normalisesBatches, batchSize == 1 || rows % batchSize == 1 else { return }
    var better = Swift.max(batchSize, 2)
    while better < rows, rows % better == 1 { better += 1 }
    throw .value(
      "N = \(rows) rows in minibatches of \(batchSize) leave one of a single row, and batch norm "
        + "needs at least 2: one row has no variance"
        + (rows > 1 ? "; batch_size=\(better) leaves none" : ""))
  }

  final private var batches: Int { (total + batchSize - 1) / batchSize }

  final func run(for nanoseconds: Int64) throws(EngineError) {
    let end = deadline(after: nanoseconds)
    try network.asking(in: continuation) { (call) throws(EngineError) in try run(until: end, call) }
  }

  final private func run(until end: Int64, _ call: Continuation<T>?) throws(EngineError) {
    var now = waitsSince ?? sb_nanoseconds()
    waitsSince = nil
    while phase != .done {
      let ended = records.count
      do {
        try advance(call)
      } catch {
        if error.status == SB_ASKS { waitsSince = now }
        throw error
      }
      let later = sb_nanoseconds()
      // An epoch's last unit of work has stored its record already.
      if records.count > ended {
        records[ended].seconds = seconds + Double(later - now) * 1e-9
        seconds = 0
      } else if phase != .checking {
        seconds += Double(later - now) * 1e-9
      }
      now = later
      if now >= end || pausesEachBatch || pausesEachEpoch && records.count > ended { break }
      if let shared, shared.isToPause {
        shared.isToPause = false
        break
      }
    }
  }

  /// One block of checking, one batch, or one block of validation.
  final private func advance(_ call: Continuation<T>?) throws(EngineError) {
    switch phase {
    case .checking: try check()
    case .starting:
      beginEpoch()
      try train(call)
    case .training: try train(call)
    case .validating:
      if let shared, let call { return try validate(shared, call) }
      guard let validation else { return endEpoch(nil) }
      try ofValidation { () throws(EngineError) in try validation.advance(call) }
      if validation.isDone { endEpoch(try validation.metrics()) }
    case .done: break
    }
  }

  /// The door: nothing is trained on data with a flaw.
  final private func check() throws(EngineError) {
    guard next < x.rows else {
      guard let validation else { return beginEpoch() }
      let done = try ofValidation { () throws(EngineError) in try validation.checkNext() }
      return done ? beginEpoch() : ()
    }
    let range = next..<Swift.min(next + memory.rows, x.rows)
    let input = memory.load(x, inPlace: inPlace, RowSelection(range))
    largestInput = Swift.max(largestInput, try network.checkFinite(input, first: next))
    let first = shared?.first ?? 0
    try weights.check(
      first + range.lowerBound..<first + range.upperBound, from: first,
      scratch: memory.targets.scale)
    try y.check(
      range, domain: network.loss.domain, loss: network.lossInfo.name, scratch: memory.targets.t)
    next = range.upperBound
  }

  final private func beginEpoch() {
    next = 0
    (lossSum, penaltySum) = (0, 0)
    sums.reset()
    phase = records.count == epochs ? .done : .training
    network.forgetPass()
    if network.hasFrozenLayers { network.clearFrozenGradients() }
    guard phase == .training, let order else { return }
    if spreadsEvenly {
      network.random.drawEvenly(order, count: total, batchSize: batchSize)
    } else {
      network.drawOrder(order, count: total)
    }
  }

  /// One batch: forward, C, backward, update.
  final private func train(_ call: Continuation<T>?) throws(EngineError) {
    if let shared, let call { return try train(shared, call) }
    let count = Swift.min(batchSize, x.rows - next)
    let rows =
      order.map { RowSelection($0 + next, count: count) } ?? RowSelection(next..<next + count)
    let targets = memory.targets
    let weight = weights.scale(rows, into: targets.scale)
    if weight > 0 {
      if network.sharesPenalties {
        network.penaltyShare = 1 / weight
        if call?.isFresh != false {
          penaltySum += network.penalty() * network.penaltyShare * Double(count)
        }
      }
      defer { network.penaltyShare = 1 }
      do {
        if hasRates, next / batchSize < rates.count { try network.setRate(rates[next / batchSize]) }
        lossSum += try learn(rows, call) * Double(count)
      } catch {
        if error.status == SB_ASKS { throw error }
        // What is left of the batch before cannot be made good any more.
        if unsettled != nil { network.gradientState = .spoiled }
        unsettled = nil
        throw inContext(error)
      }
      score(0..<count, weight)
      call?.restart()
    }
    next += count
    if next == x.rows {
      if let validation {
        validation.restart()
        phase = .validating
      } else {
        endEpoch(nil)
      }
    }
  }

  /// One training step on the selected rows. Returns C.
  final private func learn(
    _ selected: RowSelection, _ call: Continuation<T>?
  ) throws(EngineError) -> Double {
    let count = selected.count
    let targets = memory.targets
    var tape =
      call?.tape
      ?? memory.tape(
        memory.place(x, inPlace: inPlace, selected), network, masks: network.drawMasks(),
        isForUpdate: true)
    if let call { try ask(&tape, selected, call) }
    return try network.withThreads { (threads) throws(EngineError) in
      let plan = Plan.ofStep(
        rows: count, layout: network.layout, hasState: !network.slots.isEmpty, threads: threads)
      if plan.sharesInput, call == nil { try multiplyInput(&tape, plan, selected) }
      let segments = tape.segments(lowest: network.lowestLayer(tape))
      var flags = try network.overRows(plan, tape, segments) { segment, part, flags in
        if segment == segments.lowerBound, call == nil {
          begin(tape, selected, part.rows, plan)
        }
        if segment <= 0 { network.forward(tape, part, &flags, segment: segment) }
        if segment == 0 { network.costs(tape, targets, part.rows) }
        if segment >= 0 { network.backward(tape, targets, part, &flags, segment: segment) }
      }
      if let call { flags.add(call.flags) }
      let cost = network.cost(targets, 0..<count)
      try network.check(flags)
      try network.check(cost: cost)
      network.pass?.state = .spent
      let bound = network.gradientBound(tape, largestInput, flags)
      let made = try network.update(
        tape, plan, isHarmless: network.isHarmless(bound: bound),
        keepsGradients: pausesEachBatch || next + count == x.rows || call != nil)
      unsettled = made == .parametersOnly ? tape : nil
      network.follow(tape)
      return cost
    }
  }

  /// The way forward and all that functions of the caller's give, for a batch that keeps
  /// nothing of the one before.
  final private func ask(
    _ tape: inout Tape<T>, _ selected: RowSelection, _ call: Continuation<T>
  ) throws(EngineError) {
    if call.tape == nil { (call.tape, call.rates) = (tape, network.rates) }
    try call.once { () throws(EngineError) in
      _ = memory.load(x, inPlace: inPlace, selected)
      y.read(selected, into: memory.targets.t)
    }
    try network.askBothWays(
      &tape, memory.targets, memory.owners, lowest: network.lowestLayer(tape), call)
  }

  /// Brings some rows of X, unless they are there, or of a(0) W(1)ᵀ, where it was made by shares,
  /// and of y to where the pass needs them.
  final func begin(
    _ tape: Tape<T>, _ selected: RowSelection, _ rows: Range<Int>, _ plan: Plan
  ) {
    let own = selected[rows]
    if let shares = tape.shares {
      let units = network.layout.sizes[1]
      shares.add(rows, tape.input.rows, units, into: tape.z[0] + rows.lowerBound * units)
    } else if gathers(own) {
      x.read(own, into: memory.x + rows.lowerBound * x.cols)
    }
    y.read(own, into: memory.targets.t + rows.lowerBound * y.outputs)
  }

  /// Whether the rows have to be brought together in `memory.x`.
  final private func gathers(_ rows: RowSelection) -> Bool { inPlace == nil || rows.list != nil }

  /// Brings the columns of X to the parts they belong to, and multiplies them there.
  final private func multiplyInput(
    _ tape: inout Tape<T>, _ plan: Plan, _ selected: RowSelection
  ) throws(EngineError) {
    let size = batchSize * network.layout.sizes[1]
    if shares == nil || shares.map({ $0.count < plan.parts * size }) == true {
      shares = try Storage(count: plan.parts * size)
    }
    guard let shares else { return }
    let current = tape
    concurrently(plan.parts) { part in
      let columns = plan.share(part, of: x.cols, unit: 8)
      if gathers(selected) {
        x.columns(columns).read(selected, into: memory.x + columns.lowerBound, stride: x.cols)
      }
      network.multiplyInput(
        current, columns,
        into: shares.base + part * current.input.rows * network.layout.sizes[1])
    }
    tape.shares = InputShares(base: shares.base, parts: plan.parts)
  }

  /// Counts what of some rows of the batch was classified right before the update.
  final func score(_ rows: Range<Int>, _ weight: Double) {
    guard network.hasClasses else { return }
    let (m, targets) = (network.layout.layers, memory.targets)
    // The scales are wₙ/Σw; times Σw they are the weights again.
    let scale = weights.source == nil ? nil : UnsafePointer(targets.scale + rows.lowerBound)
    sums.addHits(
      network.place(memory.a, m, rows), targets.t + rows.lowerBound * y.outputs, scale, rows.count,
      areClasses: network.areClasses(y), factor: weight)
    sums.add(weight: weight)
  }

  /// Makes the grad_W of the last batch, if its step was made without them: training was
  /// stopped in mid-epoch, or the last rows had no weight.
  final func settle() {
    if let common = shared?.common, !common.hasGradients { network.gradientState = .spoiled }
    guard let tape = unsettled else { return }
    unsettled = nil
    _ = sb_enter_blas()
    defer { sb_leave_blas() }
    for m in 1...network.layout.layers where network.trains(m) {
      network.weightGradient(m, tape, 0..<network.layout.sizes[m - 1], accumulate: false)
    }
  }

  final func endEpoch(_ valid: sb_metrics?) {
    settle()
    let none = sb_metrics(loss: .nan, accuracy: .nan, mse: .nan, mae: .nan, r2: .nan)
    records.append(
      sb_epoch(
        loss: lossSum / Double(total),
        accuracy: network.hasClasses ? sums.metrics().accuracy : .nan,
        penalty: network.sharesPenalties ? penaltySum / Double(total) : network.penalty(),
        seconds: 0, valid: valid ?? none))
    // The next order is drawn when it is needed: who stores the network between two epochs
    // finds the generator as the next `fit` needs it.
    next = 0
    phase = records.count == epochs ? .done : .starting
    shared?.common?.endEpoch()
  }

  final func inContext(_ error: EngineError) -> EngineError {
    let batch = next / batchSize + 1
    // Before the first update nothing has diverged: the weights came that way.
    let isFirst = records.isEmpty && next == 0
    return EngineError(
      status: isFirst ? error.status : SB_ERROR_DIVERGED,
      message: "epoch \(records.count + 1), batch \(batch) of \(batches): \(error.message) "
        + "(the weights are those before this batch)")
  }

  final var progress: sb_progress {
    sb_progress(
      epoch: Int64(records.count), batch: Int64(phase == .training ? next / batchSize : 0),
      batches: Int64(batches), loss: next > 0 ? lossSum / Double(next) : .nan,
      done: phase == .done ? 1 : 0,
      phase: phase == .checking ? 0 : phase == .validating ? 2 : 1)
  }

  final func record(_ epoch: Int) throws(EngineError) -> sb_epoch {
    guard epoch >= 0, epoch < records.count else { throw .value("there is no epoch \(epoch)") }
    return records[epoch]
  }
}

extension Network {
  /// Draws the order of an epoch's rows.
  func drawOrder(_ order: UnsafeMutablePointer<Int32>, count: Int) {
    // From the natural order, so that an epoch depends on the generator's state alone.
    for n in 0..<count { order[n] = Int32(truncatingIfNeeded: n) }
    random.shuffle(order, count: count)
  }
}

/// Runs `body`; its errors say that they are about the validation data.
func ofValidation<Result>(
  _ body: () throws(EngineError) -> Result
) throws(EngineError) -> Result {
  do {
    return try body()
  } catch {
    throw EngineError(status: error.status, message: "validation data: \(error.message)")
  }
}
