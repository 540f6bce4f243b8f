import CBridge

// Training that several processes share. Each has its own rows of the data and the same network;
// a batch is of the rows of all, in an order that they all draw from the same generator. A process
// computes with those of a batch that it has, and what it adds to the gradients, to C and to the
// statistics of batch norm is summed over the processes; or, where these have memory in common
// (CommonTraining.swift), with an equal share of all. The engine stops with a question for every sum
// (External/Continuation.swift), so it knows nothing of how they reach each other.

/// What a process keeps of a batch whose rows the processes have between them.
final class SharedBatch<T: Scalar> {
  /// A part of the gradients that is summed and used on its own: some rows of W(m)ᵀ, and with the
  /// last ones b(m), γ(m) and β(m).
  struct Piece {
    let m: Int
    let rows: Range<Int>
    let isLast: Bool
  }

  /// The place of this process' first row among all, and how many it has
  let first: Int
  private let own: Int
  /// Of the batch at hand: the rows that are here, as rows of X, their places in the batch, and
  /// how many they are and the batch has
  let rows, places: UnsafeMutablePointer<Int32>
  private(set) var count = 0
  private(set) var batch = 0
  /// wₙ/Σw of the whole batch, and Σw
  let scale: Storage<T>
  var weight = 0.0
  /// Numbers to be summed, and what stays here meanwhile
  let sums, kept: Storage<Double>
  private let numbers: Block

  var pieces: [Piece] = []
  var plan = Plan(parts: 1)
  var flags = OverflowFlags<T>()
  var cost = 0.0
  var isHarmless = false
  var update: Network<T>.Update?
  /// Whether some process wants `sb_fit_run` to end behind this batch
  var isToPause = false

  /// What the processes have in common; nil where they send each other their sums
  let common: CommonBatch<T>?

  init(
    _ network: Network<T>, _ config: sb_fit_config, own: Int, batchSize: Int
  ) throws(EngineError) {
    let (first, total) = (config.first_row, config.total_rows)
    guard total <= Int(Int32.max), first >= 0, first <= total - Int64(own) else {
      throw .value("rows \(Int(clamping: first)).. of \(Int(clamping: total)) are not there")
    }
    (self.first, self.own) = (Int(first), own)
    let bytes = batchSize * MemoryLayout<Int32>.stride
    numbers = try Block(byteCount: 2 * bytes)
    rows = numbers.base.bindMemory(to: Int32.self, capacity: 2 * batchSize)
    places = rows + batchSize
    scale = try Storage(count: batchSize)
    let outputs = network.layout.sizes[network.layout.layers]
    sums = try Storage(count: Swift.max(2 * network.layout.widest, 3 * outputs) + 8)
    kept = try Storage(count: 2 * network.layout.widest)
    common = try CommonBatch(network, config)
    if common == nil { network.gradients.useLargePages() }
  }

  /// Finds the rows of a batch that are here.
  func select(_ all: RowSelection) {
    (count, batch) = (0, all.count)
    for place in 0..<all.count {
      let row = all[place] - first
      guard row >= 0, row < own else { continue }
      rows[count] = Int32(truncatingIfNeeded: row)
      places[count] = Int32(truncatingIfNeeded: place)
      count += 1
    }
  }

  var selection: RowSelection { RowSelection(rows, count: count) }

  /// Runs `body` for the rows that are here, shared by threads.
  func overRows(
    _ network: Network<T>, _ body: (_ part: Part<T>, _ flags: inout OverflowFlags<T>) -> Void
  ) throws(EngineError) {
    guard count > 0 else { return }
    flags.add(try network.overRows(plan, count, body))
  }

  /// Lists the pieces, from layer L down: some 2 MB each, so that one is used while the sum of the
  /// next is on its way.
  func listPieces(_ network: Network<T>) {
    pieces = []
    let layout = network.layout
    for m in (1...layout.layers).reversed() where network.trains(m) {
      let (rows, cols) = (layout.sizes[m - 1], layout.sizes[m])
      let size = Swift.max(64, (2 << 20) / MemoryLayout<T>.stride / cols & ~7)
      for start in stride(from: 0, to: rows, by: size) {
        let end = Swift.min(start + size, rows)
        pieces.append(Piece(m: m, rows: start..<end, isLast: end == rows))
      }
    }
  }

  /// Where a piece lies in a flat buffer.
  func place(_ piece: Piece, _ layout: Layout) -> (start: Int, count: Int) {
    let cols = layout.sizes[piece.m]
    let vectors = piece.isLast ? layout.vectorCount(piece.m) : 0
    return (
      layout.weights(piece.m) + piece.rows.lowerBound * cols, piece.rows.count * cols + vectors
    )
  }

  // MARK: questions

  /// Asks for the sums over the processes of the first `count` of `sums`.
  func reduce(
    _ count: Int, _ call: Continuation<T>, order: Int32 = SB_REDUCE_NOW
  ) throws(EngineError) {
    try call.ask {
      sb_fence()  // for memory that the processes have in common
      var question = sb_question()
      (question.kind, question.order) = (SB_REDUCTION, order)
      question.answer = makeView(sums.block, sums.base, [count])
      return question
    }
    sb_fence()
  }

  /// Waits until all processes are here.
  func synchronize(_ call: Continuation<T>) throws(EngineError) {
    try call.once { () throws(EngineError) in sums.base[0] = 0 }
    try reduce(1, call)
  }

  /// Asks for the sum of a piece to be begun.
  func begin(_ index: Int, _ network: Network<T>, _ call: Continuation<T>) throws(EngineError) {
    try call.ask {
      let (start, count) = place(pieces[index], network.layout)
      var question = sb_question()
      (question.kind, question.order) = (SB_REDUCTION, SB_REDUCE_BEGIN)
      question.layer = Int64(index)
      question.answer = makeView(
        network.gradients.block, network.gradients.base + start, [count])
      return question
    }
  }

  /// Asks for the sum of a piece to be there.
  func end(_ index: Int, _ call: Continuation<T>) throws(EngineError) {
    try call.ask {
      var question = sb_question()
      (question.kind, question.order) = (SB_REDUCTION, SB_REDUCE_END)
      question.layer = Int64(index)
      return question
    }
  }
}
