import CBridge

/// Loss and metrics over a data set, block by block.
class Evaluation<T: Scalar> {
  final private let network: Network<T>
  final private let x: Source
  final private let inPlace: Matrix<T>?
  final private let y: Targets
  final private let weights: RowWeights
  final private let memory: Workspace<T>
  final var sums: MetricSums
  final private var next = 0
  final private let continuation: Continuation<T>?
  /// Where a(L) of every row goes too [N, D(L)]; nil for nowhere
  final var outputs: UnsafeMutableRawPointer?
  /// Whether the data still have to be checked; false from the second round on.
  final private var isUnchecked = true

  init(
    _ network: Network<T>, x: Source, y: Source, weights: Source?, mayBeEmpty: Bool = false
  ) throws(EngineError) {
    try BLAS.require()
    let x = x.scaled(by: network.inputScale)
    try network.checkShape(x, mayBeEmpty: mayBeEmpty)
    self.network = network
    self.x = x
    inPlace = x.inPlace(T.self)
    let outputs = network.layout.sizes[network.layout.layers]
    self.y = try Targets(y, rows: x.rows, outputs: outputs)
    self.weights = try RowWeights(weights, rows: x.rows)
    memory = try Workspace(
      rows: Swift.max(1, Swift.min(x.rows, network.blockRows)), network: network, trains: false)
    sums = try MetricSums(outputs: outputs, classes: network.hasClasses)
    continuation = network.sessionContinuation()
  }

  final var isDone: Bool { next == x.rows }

  /// Begins again, with the weights the network has now.
  final func restart() {
    next = 0
    sums.reset()
  }

  /// Checks one block of rows; true once all are checked.
  final func checkNext() throws(EngineError) -> Bool {
    let range = next..<Swift.min(next + memory.rows, x.rows)
    try check(range, memory.load(x, inPlace: inPlace, RowSelection(range)))
    next = isUnchecked ? range.upperBound : 0
    return !isUnchecked
  }

  /// Refuses data that no loss or metric has a meaning for.
  final private func check(_ range: Range<Int>, _ input: Matrix<T>) throws(EngineError) {
    if !x.isInteger { _ = try network.checkFinite(input, first: range.lowerBound) }
    try weights.check(range, scratch: memory.targets.scale)
    try y.check(
      range, domain: network.loss.domain, loss: network.lossInfo.name, scratch: memory.targets.t)
    if range.upperBound == x.rows { isUnchecked = false }
  }

  /// Evaluates one block of rows, and checks it if that was not done before.
  final func advance(_ call: Continuation<T>?) throws(EngineError) {
    let range = next..<Swift.min(next + memory.rows, x.rows)
    let rows = RowSelection(range)
    let (t, w) = (memory.targets.t, memory.targets.scale)
    let input = memory.load(x, inPlace: inPlace, rows)
    if isUnchecked { try check(range, input) }
    y.read(rows, into: t)
    if let given = weights.source {
      given.read(rows, into: w)
    } else {
      w.update(repeating: 1, count: range.count)
    }
    var tape = memory.tape(input, network)
    if let call {
      try network.forward(&tape, memory.owners, asking: call)
      try network.askCosts(tape, memory.targets, memory.owners, call)
    }
    try network.withThreads(rows: range.count, work: network.workPerRow * Double(range.count)) {
      (plan) throws(EngineError) in
      try network.check(
        network.overRows(plan, range.count) { part, flags in
          network.forward(tape, part, &flags)
          network.costs(tape, memory.targets, part.rows)
        })
    }
    try network.check(cost: network.cost(memory.targets, 0..<range.count))
    let a = memory.a[network.layout.layers - 1]
    sums.add(cost: memory.targets.cost, weights: w, rows: range.count)
    if network.hasClasses {
      sums.addHits(a, t, w, range.count, areClasses: network.areClasses(y))
    } else {
      sums.addErrors(a, t, w, range.count)
    }
    if let outputs {
      (outputs.assumingMemoryBound(to: T.self) + range.lowerBound * y.outputs)
        .copy(from: a, count: range.count * y.outputs)
    }
    next = range.upperBound
    call?.restart()
  }

  final func run(for nanoseconds: Int64) throws(EngineError) -> Bool {
    let end = deadline(after: nanoseconds)
    return try network.asking(in: continuation) { (call) throws(EngineError) in
      while !isDone {
        try advance(call)
        if sb_nanoseconds() >= end { break }
      }
      return isDone
    }
  }

  final func metrics() throws(EngineError) -> sb_metrics {
    guard isDone else { throw .order("the evaluation has not ended yet") }
    return sums.metrics()
  }
}

extension Network {
  /// Whether the targets are classes, so that accuracy is the metric.
  var hasClasses: Bool { lossInfo.flags & SB_RULE_CLASSES != 0 }

  /// Whether a row's largest output names its class (else every output is a yes or no).
  func areClasses(_ y: Targets) -> Bool {
    y.areIndices || loss.domain == .distribution || lossInfo.isExternal && y.outputs > 1
  }
}

/// Weighted sums over rows, in double precision.
struct MetricSums {
  let outputs: Int
  private(set) var weight = 0.0
  private var cost = 0.0
  var hits = 0.0
  private var absolute = 0.0
  /// Four numbers per output: Σw(a − t)², Σw(t − s), Σw(t − s)² and s, the first target that
  /// counts, around which the variance stays exact when the mean is large. Nil for classes.
  private let perOutput: Storage<Double>?
  private var hasShift = false

  init(outputs: Int, classes: Bool) throws(EngineError) {
    self.outputs = outputs
    let (count, overflow) = outputs.multipliedReportingOverflow(by: 4)
    guard !overflow else { throw .memory(bytes: Int.max) }
    perOutput = classes ? nil : try Storage<Double>(count: count)
    perOutput?.fill(0)
  }

  mutating func reset() {
    (weight, cost, hits, absolute, hasShift) = (0, 0, 0, 0, false)
    perOutput?.fill(0)
  }

  mutating func add<T: Scalar>(cost: UnsafePointer<T>, weights: UnsafePointer<T>, rows: Int) {
    for n in 0..<rows {
      self.cost += Double(weights[n]) * Double(cost[n])
      weight += Double(weights[n])
    }
  }

  mutating func add(weight: Double) { self.weight += weight }

  /// Counts right answers: the largest output of a row, or each output against ½. Row n
  /// counts factor·w[n], or 1 without weights.
  mutating func addHits<T: Scalar>(
    _ a: UnsafePointer<T>, _ t: UnsafePointer<T>, _ w: UnsafePointer<T>?, _ rows: Int,
    areClasses: Bool, factor: Double = 1
  ) {
    for n in 0..<rows {
      let (row, target) = (a + n * outputs, t + n * outputs)
      let weight = w.map { factor * Double($0[n]) } ?? 1
      if areClasses {
        let isHit = target[argmax(row, outputs)] == largest(target, outputs)
        hits += isHit ? weight : 0
      } else {
        var right = 0
        for i in 0..<outputs where (row[i] >= 0.5) == (target[i] >= 0.5) { right += 1 }
        hits += weight * Double(right) / Double(outputs)
      }
    }
  }

  mutating func addErrors<T: Scalar>(
    _ a: UnsafePointer<T>, _ t: UnsafePointer<T>, _ w: UnsafePointer<T>, _ rows: Int
  ) {
    guard let sums = perOutput?.base else { return }
    for n in 0..<rows where w[n] > 0 {
      let weight = Double(w[n])
      for i in 0..<outputs {
        let sum = sums + 4 * i
        let target = Double(t[n * outputs + i])
        if !hasShift { sum[3] = target }
        let error = Double(a[n * outputs + i]) - target
        let moved = target - sum[3]
        sum[0] += weight * error * error
        sum[1] += weight * moved
        sum[2] += weight * moved * moved
        absolute += weight * error.magnitude
      }
      hasShift = true
    }
  }

  /// Numbers of `write`
  var count: Int { 4 + (perOutput == nil ? 0 : 3 * outputs) }
  /// Numbers of `writeShifts`
  var shiftCount: Int { perOutput == nil ? 0 : outputs + 1 }

  /// The shift s of every output and 1, or zeros where there is none yet: their sums over the
  /// processes make a shift for all.
  func writeShifts(_ out: UnsafeMutablePointer<Double>) {
    guard let sums = perOutput?.base else { return }
    for i in 0..<outputs { out[i] = hasShift ? sums[4 * i + 3] : 0 }
    out[outputs] = hasShift ? 1 : 0
  }

  /// Takes the mean of the processes' shifts, from the sums of what they wrote.
  mutating func readShifts(_ given: UnsafePointer<Double>) {
    guard let sums = perOutput?.base, given[outputs] > 0 else { return }
    for i in 0..<outputs {
      let (sum, shift) = (sums + 4 * i, given[i] / given[outputs])
      let moved = hasShift ? sum[3] - shift : 0
      sum[2] += 2 * moved * sum[1] + weight * moved * moved
      sum[1] += weight * moved
      sum[3] = shift
    }
    hasShift = true
  }

  /// What has been added up, to be summed over the processes.
  func write(_ out: UnsafeMutablePointer<Double>) {
    (out[0], out[1], out[2], out[3]) = (weight, cost, hits, absolute)
    guard let sums = perOutput?.base else { return }
    for i in 0..<outputs { for k in 0..<3 { out[4 + 3 * i + k] = sums[4 * i + k] } }
  }

  /// Takes the sums of what the processes wrote.
  mutating func read(_ given: UnsafePointer<Double>) {
    (weight, cost, hits, absolute) = (given[0], given[1], given[2], given[3])
    guard let sums = perOutput?.base else { return }
    for i in 0..<outputs { for k in 0..<3 { sums[4 * i + k] = given[4 + 3 * i + k] } }
  }

  /// Everything is 0 or NaN when Σw = 0.
  func metrics() -> sb_metrics {
    let share = weight > 0 ? 1 / weight : 0
    var result = sb_metrics(
      loss: cost * share, accuracy: .nan, mse: .nan, mae: .nan, r2: .nan)
    guard let sums = perOutput?.base else {
      result.accuracy = weight > 0 ? hits * share : .nan
      return result
    }
    var (squares, determination) = (0.0, 0.0)
    for i in 0..<outputs {
      let sum = sums + 4 * i
      squares += sum[0]
      let total = sum[2] - sum[1] * sum[1] * share
      // As scikit-learn: a constant target is explained fully or not at all.
      if total > 0 {
        determination += 1 - sum[0] / total
      } else if sum[0] == 0 {
        determination += 1
      }
    }
    result.mse = squares * share / Double(outputs)
    result.mae = absolute * share / Double(outputs)
    result.r2 = determination / Double(outputs)
    return result
  }
}

/// The place of the largest of `count` numbers, none of them NaN; the first of equals.
func argmax<T: Scalar>(_ x: UnsafePointer<T>, _ count: Int) -> Int {
  // Selects, not branches: which output is the largest is hard to foretell.
  var (best, top) = (0, x[0])
  for i in 1..<Swift.max(count, 1) {
    let xi = x[i]
    best = xi > top ? i : best
    top = larger(top, xi)
  }
  return best
}

/// The clock's reading `nanoseconds` from now.
func deadline(after nanoseconds: Int64) -> Int64 {
  let (end, overflow) = sb_nanoseconds().addingReportingOverflow(nanoseconds)
  return overflow ? .max : end
}
