import CBridge

/// Runs `body` for 0..<parts, at once where threads are free; a part's number decides what it
/// does, so that the result does not depend on which thread it ran on.
@inline(__always)
func concurrently(_ parts: Int, _ body: (_ part: Int) -> Void) {
  guard parts > 1 else { return body(0) }
  withoutActuallyEscaping(body) { body in
    var body = body
    withUnsafeMutablePointer(to: &body) { pointer in
      sb_parallel(
        Int32(truncatingIfNeeded: parts),
        { context, part in
          context?.assumingMemoryBound(to: ((Int) -> Void).self).pointee(Int(part))
        }, pointer)
    }
  }
}

/// How a batch is split among threads.
///
/// Depends on sizes and on the number of threads allowed alone, never on timing: the same
/// plan gives the same bits.
struct Plan {
  /// 1: everything on the calling thread.
  let parts: Int
  /// Whether the parts share a(0) W(1)ᵀ by the columns of a(0).
  private(set) var sharesInput = false

  init(parts: Int) { self.parts = parts }

  /// The plan for `rows` rows and `work` floating-point operations with at most `threads`.
  init(
    rows: Int, work: Double, threads: Int, minRows: Int = 32, minWork: Double = 5e6
  ) {
    // Less work than this, some 50 µs, does not pay for the handing over; and with few rows
    // the parts spend their time on reading W, which every part has to do.
    guard threads > 1, work >= 2 * minWork else {
      parts = 1
      return
    }
    let worthwhile = Swift.min(work / minWork, Double(rows) / Double(minRows))
    parts = Self.parts(Swift.min(Double(threads), worthwhile))
  }

  @inline(never)
  private static func parts(_ most: Double) -> Int { most > 1 ? Int(most) : 1 }

  /// The plan of a training step on `layout`; `hasState` tells of the optimizer.
  ///
  /// Where X is much wider than the batch is long, each part multiplies the columns of X that
  /// belong to its rows of W(1)ᵀ, the rows it also updates: then no thread reads what of W(1)
  /// another one wrote, and fewer rows, and less work, are enough, though it is one more handing
  /// over.
  static func ofStep(rows: Int, layout: Layout, hasState: Bool, threads: Int) -> Plan {
    // An update with state takes as long as some 75 operations a parameter.
    let work = (6 * Double(rows) + (hasState ? 75 : 0)) * Double(layout.parameterCount)
    guard layout.sizes[0] / 4 >= rows else {
      return Plan(rows: rows, work: work, threads: threads)
    }
    var plan = Plan(rows: rows, work: work, threads: threads, minRows: 16, minWork: 4.5e6)
    plan.sharesInput = plan.parts > 1
    return plan
  }

  /// Share `part` of 0..<count, in multiples of `unit` but for the last.
  func share(_ part: Int, of count: Int, unit: Int = 1) -> Range<Int> {
    parts == 1 ? 0..<count : oneOfShares(part, count, unit)
  }

  /// Share `part` of some places, likewise.
  func share(_ part: Int, of places: Range<Int>, unit: Int = 1) -> Range<Int> {
    let share = share(part, of: places.count, unit: unit)
    return places.lowerBound + share.lowerBound..<places.lowerBound + share.upperBound
  }

  @inline(never)
  private func oneOfShares(_ part: Int, _ count: Int, _ unit: Int) -> Range<Int> {
    let units = (count + unit - 1) / unit
    let first = Swift.min(units * part / parts * unit, count)
    let last = Swift.min(units * (part + 1) / parts * unit, count)
    return first..<last
  }
}

/// What a part of a pass found: its overflow flags.
struct OverflowFlags<T: Scalar> {
  /// The bits of the largest |z| and |grad_z|.
  var z: T.Bits = 0
  var gradZ: T.Bits = 0
  /// The first layer whose z, or else whose grad_z, is not finite; 0 for none.
  var badZ = 0
  var badGradZ = 0

  mutating func see(z largest: T.Bits, _ m: Int) {
    z = Swift.max(z, largest)
    if largest >= T.infinityBits, badZ == 0 { badZ = m }
  }

  mutating func see(gradZ largest: T.Bits, _ m: Int) {
    gradZ = Swift.max(gradZ, largest)
    if largest >= T.infinityBits, badGradZ == 0 { badGradZ = m }
  }

  mutating func add(_ other: OverflowFlags<T>) {
    z = Swift.max(z, other.z)
    gradZ = Swift.max(gradZ, other.gradZ)
    if badZ == 0 { badZ = other.badZ }
    if badGradZ == 0 { badGradZ = other.badGradZ }
  }
}

/// One part of a pass: its rows, and where it writes for itself.
struct Part<T: Scalar> {
  let rows: Range<Int>
  /// Column sums of grad_z, its share of every grad_b [Σ D(m)]
  let sums: UnsafeMutablePointer<T>
  /// Sums towards statistics, or grad_β and grad_γ, of normalised layers [Σ 2·D(m)]
  let norms: UnsafeMutablePointer<Double>
}

/// What every part of a pass writes for itself.
struct PartMemory<T: Scalar> {
  /// Numbers of a panel whose product is made in place: 16 KB of single precision, a part of the
  /// first-level cache.
  static var panelSize: Int { 4096 }
  /// And where the factors are packed, for every panel anew: a part of the second-level cache.
  static var packedPanelSize: Int { (512 << 10) / MemoryLayout<T>.stride }
  /// Rows that a wide layer's panel may have even if it is larger then: as many as are packed
  /// together of a sum in two slices.
  static var widePanelRows: Int { Blocks<T>.rows / 2 }
  /// With so many columns, a panel and what is packed are a little less than two megabytes. With
  /// short vectors `widePanelRows` are few, and a narrow layer's panel needs the more.
  static var widePanelSize: Int { Swift.max(704 * widePanelRows, packedPanelSize) }

  private let block: Block
  let parts: Int
  let watches: UnsafeMutablePointer<OverflowFlags<T>>

  private let panels: UnsafeMutablePointer<T>
  private let panelSize: Int
  private let columnSums: UnsafeMutablePointer<T>
  private let units: Int
  private let normSums: UnsafeMutablePointer<Double>
  private let normUnits: Int

  /// `units` is Σ D(m), `normUnits` the same over the normalised layers, times two; `parameters`
  /// bounds every W.
  init(parts: Int, units: Int, normUnits: Int, parameters: Int) throws(EngineError) {
    let lines = (Swift.max(Self.panelSize, parameters) + 15) & ~15
    panelSize = Swift.min(Self.widePanelSize, lines)
    let watchBytes = (parts * MemoryLayout<OverflowFlags<T>>.stride + 63) / 64 * 64
    let (count, overflow) = parts.multipliedReportingOverflow(
      by: units + normUnits + panelSize)
    guard !overflow, count < Int.max / 32 else { throw .memory(bytes: Int.max) }
    let normBytes = (parts * normUnits * MemoryLayout<Double>.stride + 63) / 64 * 64
    block = try Block(byteCount: watchBytes + normBytes + count * MemoryLayout<T>.stride)
    (self.parts, self.units, self.normUnits) = (parts, units, normUnits)
    watches = block.base.bindMemory(to: OverflowFlags<T>.self, capacity: parts)
    normSums = (block.base + watchBytes).bindMemory(
      to: Double.self, capacity: parts * normUnits)
    panels = (block.base + watchBytes + normBytes).bindMemory(to: T.self, capacity: count)
    columnSums = panels + parts * panelSize
  }

  /// A part that begins with some rows.
  func begin(_ part: Int, _ rows: Range<Int>) -> Part<T> {
    watches[part] = OverflowFlags()
    return Part(rows: rows, sums: sums(part), norms: norms(part))
  }

  /// What the first `parts` have seen together.
  func flags(of parts: Int) -> OverflowFlags<T> {
    parts == 1 ? watches[0] : sum(of: parts)
  }

  @inline(never)
  private func sum(of parts: Int) -> OverflowFlags<T> {
    var all = watches[0]
    for part in 1..<parts { all.add(watches[part]) }
    return all
  }

  /// Column sums of grad_z of one part [Σ D(m)]
  func sums(_ part: Int) -> UnsafeMutablePointer<T> { columnSums + part * units }

  /// The sums of normalised layers of one part.
  func norms(_ part: Int) -> UnsafeMutablePointer<Double> { normSums + part * normUnits }

  /// Room for some rows, or some columns of them, of a grad_W.
  func panel(_ part: Int) -> UnsafeMutablePointer<T> { panels + part * panelSize }
}

extension Network {
  /// How a step of `fit` on `rows` rows is shared when `threads` are allowed.
  func plan(rows: Int64, threads: Int32) -> Plan {
    Plan.ofStep(
      rows: Int(rows), layout: layout, hasState: !slots.isEmpty,
      threads: Int(Swift.min(threads, SB_MAX_THREADS)))
  }

  /// Runs `body` with BLAS held to one thread per part, and without subnormal numbers; it is
  /// told how many threads are allowed.
  func withThreads<Result>(
    _ body: (_ threads: Int) throws(EngineError) -> Result
  ) throws(EngineError) -> Result {
    let allowed = Int(sb_enter_blas())
    let arithmetic = sb_flush_subnormals()
    defer {
      sb_restore_arithmetic(arithmetic)
      sb_leave_blas()
    }
    return try body(allowed)
  }

  /// The same with a plan for `rows` rows and `work` operations.
  func withThreads<Result>(
    rows: Int, work: Double, _ body: (Plan) throws(EngineError) -> Result
  ) throws(EngineError) -> Result {
    try withThreads { (threads) throws(EngineError) in
      try body(Plan(rows: rows, work: work, threads: threads))
    }
  }

  /// Runs `body` for every share of `rows` rows and returns what they saw together.
  func overRows(
    _ plan: Plan, _ rows: Int,
    _ body: (_ part: Part<T>, _ flags: inout OverflowFlags<T>) -> Void
  ) throws(EngineError) -> OverflowFlags<T> {
    try overRows(plan, 0..<rows, body)
  }

  /// The same for rows that need not be the first ones.
  func overRows(
    _ plan: Plan, _ rows: Range<Int>,
    _ body: (_ part: Part<T>, _ flags: inout OverflowFlags<T>) -> Void
  ) throws(EngineError) -> OverflowFlags<T> {
    let memory = try partMemory(plan.parts)
    concurrently(plan.parts) { part in
      body(memory.begin(part, plan.share(part, of: rows)), &memory.watches[part])
    }
    return memory.flags(of: plan.parts)
  }

  /// The same for every segment of a pass; between two of them the parts synchronize.
  @inline(__always)
  func overRows(
    _ plan: Plan, _ tape: Tape<T>, _ segments: ClosedRange<Int>,
    _ body: (_ segment: Int, _ part: Part<T>, _ flags: inout OverflowFlags<T>) -> Void
  ) throws(EngineError) -> OverflowFlags<T> {
    var all = OverflowFlags<T>()
    for segment in segments {
      all.add(
        try overRows(plan, tape.input.rows) { part, flags in body(segment, part, &flags) })
      if segment < segments.upperBound { synchronize(tape, plan, after: segment) }
    }
    return all
  }

  @discardableResult
  func partMemory(_ parts: Int) throws(EngineError) -> PartMemory<T> {
    if let memory = partMemory, memory.parts >= parts { return memory }
    return try makePartMemory(parts)
  }

  @inline(never)
  private func makePartMemory(_ parts: Int) throws(EngineError) -> PartMemory<T> {
    let memory = try PartMemory<T>(
      parts: parts, units: layout.unitCount, normUnits: normUnits,
      parameters: layout.parameterCount)
    partMemory = memory
    return memory
  }
}
