import CBridge

// Iteration over a data set by blocks of rows, in memory apart from the network's passes: what they
// compute is there to study, and neither X nor any quantity of the network changes or is kept.

/// How far an iteration has come, and when it is to pause.
struct BlockIterator {
  /// The next row.
  var next: Int
  private let end: Int64

  init(from next: Int, for nanoseconds: Int64) {
    self.next = next
    end = deadline(after: nanoseconds)
  }

  var shouldPause: Bool { sb_nanoseconds() >= end }
}

extension Network {
  /// Refuses to iterate over an X that does not fit, or from a row it does not have.
  func check(_ blocks: BlockIterator, over x: Source, mayBeEmpty: Bool = false) throws(EngineError)
  {
    try BLAS.require()
    try checkShape(x, mayBeEmpty: mayBeEmpty)
    guard blocks.next >= 0, blocks.next <= x.rows else {
      throw .shape("X has \(x.rows) rows: there is no row \(blocks.next) to go on from")
    }
  }

  /// Calls `body` with one block of at most `maxRows` rows [rows.count, D(0)] of x after the other,
  /// in place or converted into `scratch`, until all are done or it is time to pause.
  @inline(never)
  func iterate(
    _ blocks: inout BlockIterator, over x: Source, maxRows: Int, scratch: UnsafeMutablePointer<T>,
    _ body: (_ input: Matrix<T>, _ rows: Range<Int>) throws(EngineError) -> Void
  ) throws(EngineError) {
    let x = x.scaled(by: inputScale)
    let inPlace = x.inPlace(T.self)
    while blocks.next < x.rows {
      let rows = blocks.next..<Swift.min(blocks.next + maxRows, x.rows)
      if inPlace == nil { x.read(RowSelection(rows), into: scratch) }
      let input =
        inPlace?.rows(rows.lowerBound, rows.upperBound) ?? Matrix(scratch, rows.count, x.cols)
      if !x.isInteger { _ = try checkFinite(input, first: rows.lowerBound) }
      try body(input, rows)
      blocks.next = rows.upperBound
      if blocks.shouldPause { return }
    }
  }
}

/// The targets and the row scales of an iteration, read block by block.
struct BlockTargets<T: Scalar> {
  private let targets: Targets
  private let weights: RowWeights
  /// Σw, or N without weights; nil for a scale of 1 in every row.
  private let total: Double?
  private let domain: TargetDomain
  private let loss: StaticString

  /// y and weights for x; `perExample` scales every row by 1 instead of wₙ/Σw.
  init(
    _ network: Network<T>, x: Source, y: Source, weights: Source?, perExample: Bool,
    memory: TargetMemory<T>
  ) throws(EngineError) {
    let outputs = network.layout.sizes[network.layout.layers]
    targets = try Targets(y, rows: x.rows, outputs: outputs)
    self.weights = try RowWeights(weights, rows: x.rows)
    (domain, loss) = (network.loss.domain, network.lossInfo.name)
    total =
      perExample ? nil : try self.weights.total(x.rows, scratch: memory.scale, room: memory.rows)
  }

  /// t and the scales of some rows, checked, into `memory`.
  func read(_ rows: Range<Int>, into memory: TargetMemory<T>) throws(EngineError) {
    try targets.check(rows, domain: domain, loss: loss, scratch: memory.t)
    if targets.areIndices { targets.read(RowSelection(rows), into: memory.t) }
    guard let total else { return memory.scale.update(repeating: 1, count: rows.count) }
    weights.scale(rows, of: total, into: memory.scale)
  }
}

extension RowWeights {
  /// Σw of all `rows` rows, checked; `scratch` has room for `room` of them.
  fileprivate func total<T: Scalar>(
    _ rows: Int, scratch: UnsafeMutablePointer<T>, room: Int
  ) throws(EngineError) -> Double {
    guard source != nil else { return Double(rows) }
    var (sum, first) = (0.0, 0)
    while first < rows {
      let count = Swift.min(room, rows - first)
      try check(first..<first + count, scratch: scratch)
      for n in 0..<count { sum += Double(scratch[n]) }
      first += count
    }
    return sum
  }

  /// scale[n] ← wₙ / total of the rows `range` (0 when total = 0).
  fileprivate func scale<T: Scalar>(
    _ range: Range<Int>, of total: Double, into scale: UnsafeMutablePointer<T>
  ) {
    guard let source else {
      return scale.update(repeating: 1 / T(total), count: range.count)
    }
    source.read(RowSelection(range), into: scale)
    for n in 0..<range.count { scale[n] = total > 0 ? T(Double(scale[n]) / total) : 0 }
  }
}
