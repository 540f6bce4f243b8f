import CBridge

/// Memory for passes whose z and a need not be looked at: a(m) overwrites z(m) wherever
/// nothing reads z again.
final class Workspace<T: Scalar> {
  let rows: Int
  let z, a: LayerPointers<T>
  /// grad_z, which overwrites grad_a; none without a way back
  let gradZ: LayerPointers<T>
  private let lists: Block
  /// X of one batch [rows, D(0)]
  let x: UnsafeMutablePointer<T>
  let targets: TargetMemory<T>
  /// Of normalised layers
  private let norms: NormMemory<T>?
  private let storage: Storage<T>

  /// `keepsGradients`: also those on both sides of a normalisation. `inPages`: in pages that
  /// processes can have in common.
  init(
    rows: Int, network: Network<T>, trains: Bool, keepsGradients: Bool = false,
    inPages: Bool = false
  ) throws(EngineError) {
    let layout = network.layout
    let outputs = layout.layers
    // z, or in a normalised layer what σ takes in.
    let keepsZ = (1...outputs).map { m in
      trains && network.activations[m - 1].needsZ || m == outputs && network.isFused
    }
    // What the derivative of a normalisation takes in.
    let keepsNormalised = (1...outputs).map { m in trains && network.norm(m) != nil }
    var perRow = layout.sizes[0] + layout.unitCount * (trains ? 2 : 1)
    for m in 1...outputs {
      perRow += ((keepsZ[m - 1] ? 1 : 0) + (keepsNormalised[m - 1] ? 1 : 0)) * layout.sizes[m]
    }
    // Every array begins a cache line.
    let line = 64 / MemoryLayout<T>.stride
    let (count, overflow) = rows.multipliedReportingOverflow(by: perRow)
    guard !overflow, count < Int.max / 16 else { throw .memory(bytes: Int.max) }
    storage = try Storage(count: count + (1 + 4 * outputs) * line, inPages: inPages)
    var next = storage.base
    func take(_ cols: Int) -> UnsafeMutablePointer<T> {
      defer { next += (rows * cols + line - 1) / line * line }
      return next
    }
    x = take(layout.sizes[0])
    var (z, a, gradZ): (_, _, _) = (
      [UnsafeMutablePointer<T>](), [UnsafeMutablePointer<T>](), [UnsafeMutablePointer<T>]()
    )
    var between: [UnsafeMutablePointer<T>] = []
    for m in 1...outputs {
      let cols = layout.sizes[m]
      a.append(take(cols))
      let own = keepsZ[m - 1] ? take(cols) : nil
      if let norm = network.norm(m) {
        // Before σ: z, u, a. Behind it: z, σ(z), a. The derivative reads the first of the two
        // steps' sides apart.
        let input = keepsNormalised[m - 1] ? take(cols) : nil
        between.append((norm.isAfter ? input : own) ?? a[m - 1])
        z.append((norm.isAfter ? own : input) ?? between[m - 1])
      } else {
        z.append(own ?? a[m - 1])
        between.append(z[m - 1])
      }
      if trains { gradZ.append(take(cols)) }
    }
    self.rows = rows
    lists = try Block(byteCount: LayerPointers<T>.bytes(3 * outputs))
    self.z = LayerPointers(lists, layers: outputs) { m in z[m - 1] }
    self.a = LayerPointers(lists, first: outputs, layers: outputs) { m in a[m - 1] }
    self.gradZ =
      trains
      ? LayerPointers(lists, first: 2 * outputs, layers: outputs) { m in gradZ[m - 1] } : .none
    norms =
      network.norms.isEmpty
      ? nil : try NormMemory(network, rows: rows, between: between, keepsGradients: keepsGradients)
    targets = try TargetMemory(rows: rows, outputs: layout.sizes[outputs], inPages: inPages)
  }

  /// The tape for `input`, of at most `rows` rows.
  func tape(
    _ input: Matrix<T>, _ network: Network<T>, masks: Masks? = nil, isForUpdate: Bool = false
  ) -> Tape<T> {
    Tape(
      input: input, z: z, a: a, gradZ: gradZ, gradA: gradZ, masks: masks,
      norms: norms?.begin(network, training: isForUpdate), isForUpdate: isForUpdate)
  }

  /// The memory of X, z, a and grad_z
  var block: Block { storage.block }

  var owners: PassOwners {
    PassOwners(forward: storage.block, backward: storage.block, between: storage.block)
  }

  /// Where the selected rows of a source are to be: in place if they are a range that BLAS can
  /// read, else in `x`, into which they have to be read.
  func place(_ source: Source, inPlace: Matrix<T>?, _ rows: RowSelection) -> Matrix<T> {
    if let inPlace, rows.list == nil {
      return inPlace.rows(rows.first, rows.first + rows.count)
    }
    return Matrix(x, rows.count, source.cols)
  }

  /// The selected rows of a source, read into `x` unless they can be used in place.
  func load(_ source: Source, inPlace: Matrix<T>?, _ rows: RowSelection) -> Matrix<T> {
    if inPlace == nil || rows.list != nil { source.read(rows, into: x) }
    return place(source, inPlace: inPlace, rows)
  }
}

extension Network {
  /// Rows of a block in predict and evaluate: enough for BLAS, few enough for the cache.
  var blockRows: Int { Swift.min(1024, Swift.max(64, (1 << 19) / layout.widest)) }

  /// Multiplications and additions of a forward pass over one row, times two.
  var workPerRow: Double {
    var sum = 0.0
    for m in 1...layout.layers { sum += 2 * Double(layout.weightCount(m)) }
    return sum
  }

  /// a(L) of rows `range` of x into `out` [range.count, D(L)].
  func predict(
    _ x: Source, _ range: Range<Int>, into out: UnsafeMutablePointer<T>
  ) throws(EngineError) {
    try BLAS.require()
    let x = x.scaled(by: inputScale)
    try checkShape(x, mayBeEmpty: true)
    guard !range.isEmpty else { return }
    guard range.lowerBound >= 0, range.upperBound <= x.rows else {
      throw .shape("rows \(range.lowerBound)..\(range.upperBound) of X do not exist")
    }
    let key = Continuation<T>.Key(
      kind: .predict, rows: x.rows, first: range.lowerBound, last: range.upperBound)
    try asking(ifExternal: key) { (call) throws(EngineError) in
      try predict(x, range, into: out, call)
    }
  }

  /// Memory for blocks of `rows` rows, kept for the next call unless other calls may come before
  /// this one ends.
  private func predictor(rows: Int, isKept: Bool) throws(EngineError) -> Workspace<T> {
    if isKept, let memory = predictor, memory.rows >= rows { return memory }
    let memory = try Workspace(rows: rows, network: self, trains: false)
    if isKept { predictor = memory }
    return memory
  }

  private func predict(
    _ x: Source, _ range: Range<Int>, into out: UnsafeMutablePointer<T>, _ call: Continuation<T>?
  ) throws(EngineError) {
    let block = Swift.min(blockRows, range.count)
    let memory: Workspace<T>
    if let begun = call?.workspace {
      memory = begun
    } else {
      memory = try predictor(rows: block, isKept: call == nil)
      call?.workspace = memory
    }
    let inPlace = x.inPlace(T.self)
    let outputs = layout.sizes[layout.layers]
    var first = Swift.max(range.lowerBound, call?.row ?? 0)
    while first < range.upperBound {
      call?.row = first
      let last = Swift.min(first + block, range.upperBound)
      let input = memory.load(x, inPlace: inPlace, RowSelection(first..<last))
      if !x.isInteger { _ = try checkFinite(input, first: first) }
      var tape = memory.tape(input, self)
      if let call { try forward(&tape, memory.owners, asking: call) }
      try withThreads(rows: last - first, work: workPerRow * Double(last - first)) {
        (plan) throws(EngineError) in
        try check(overRows(plan, last - first) { part, flags in forward(tape, part, &flags) })
      }
      (out + (first - range.lowerBound) * outputs).copy(
        from: memory.a[layout.layers - 1], count: (last - first) * outputs)
      first = last
      call?.restart()
    }
  }
}
