import CBridge

// The derivatives of the output by a layer, by the recursion of the deck "Backpropagation: A
// Matrix Formulation" for all D(L) outputs at once. Written with one example per row:
//
//     ∂z(L)/∂z(L)   = 1                                  [D(L), D(L)]
//     ∂z(L)/∂a(m−1) = ∂z(L)/∂z(m) W(m)                   [D(L), D(m−1)]
//     ∂z(L)/∂z(m−1) = ∂z(L)/∂a(m−1) ⊙ σ′(z(m−1))         each row; softmax: times its Jacobian
//
// For a(L) the recursion starts at ∂a(L)/∂z(L), which is σ′(z(L)) on the diagonal, or softmax'
// Jacobian. The matrices of N examples lie on top of each other: row n·D(L) + k is output k of
// example n, so that one product does the work of a layer's backward pass D(L) times.

/// z or a of a layer.
enum LayerQuantity {
  case z, a

  init(_ code: Int32) throws(EngineError) {
    switch code {
    case SB_Z: self = .z
    case SB_A: self = .a
    default: throw .value("of and wrt of a Jacobian must be z or a")
    }
  }
}

/// ∂of(L)/∂wrt(m)
struct JacobianTask {
  let of: LayerQuantity
  let wrt: LayerQuantity
  let m: Int

  init(of: LayerQuantity, wrt: LayerQuantity, m: Int, layers: Int) throws(EngineError) {
    let first = wrt == .z ? 1 : 0
    guard m >= first, m <= layers else {
      let hint: Message = wrt == .z && m == 0 ? ": layer 0, the input, has a and no z" : ""
      let letter: StaticString = wrt == .z ? "z" : "a"
      throw .value(
        "layer must be an int in \(first)..L = \(first)..\(layers) for a Jacobian with respect to "
          + "\(letter), got \(m)\(hint)")
    }
    guard of == .a || wrt == .z || m < layers else {
      throw .value(
        "z of layer L = \(layers) does not depend on a of the same layer: a(L) is made of z(L); "
          + "ask of=\"a\", wrt=\"z\" for that")
    }
    (self.of, self.wrt, self.m) = (of, wrt, m)
  }

  /// Whether the recursion has to pass through σ of layer `m`.
  func passes(_ m: Int, layers: Int) -> Bool {
    m == layers ? of == .a && (self.m < m || wrt == .z) : m > self.m || m == self.m && wrt == .z
  }
}

/// Two matrices [rows, width] that the recursion alternates between.
private struct JacobianMemory<T: Scalar> {
  let rows: Int
  private let width: Int
  private let storage: Storage<T>

  init(_ task: JacobianTask, rows: Int, layout: Layout) throws(EngineError) {
    var width = 0
    for k in task.m...layout.layers where k > task.m { width = Swift.max(width, layout.sizes[k]) }
    let (count, overflow) = rows.multipliedReportingOverflow(by: 2 * width)
    guard !overflow else { throw .memory(bytes: Int.max) }
    storage = try Storage(count: count)
    (self.rows, self.width) = (rows, width)
  }

  /// The memory of layer k for rows from `row` on: apart from that of all other rows, whatever
  /// layer their thread has come to.
  func place(_ k: Int, _ row: Int) -> UnsafeMutablePointer<T> {
    storage.base + (k % 2) * rows * width + row * width
  }
}

extension Network {
  /// ∂of(L)/∂wrt(m) of the rows of x into out [N, D(L), D(m)], from where `blocks` is.
  func jacobian(
    _ x: Source, _ task: JacobianTask, into out: UnsafeMutablePointer<T>,
    _ blocks: inout BlockIterator
  ) throws(EngineError) {
    try check(blocks, over: x, mayBeEmpty: true)
    guard blocks.next < x.rows else { return }
    let key = Continuation<T>.Key(kind: .jacobian, rows: x.rows, first: task.m)
    try asking(ifExternal: key) { (call) throws(EngineError) in
      try jacobian(x, task, into: out, &blocks, call)
    }
  }

  @inline(never)
  private func jacobian(
    _ x: Source, _ task: JacobianTask, into out: UnsafeMutablePointer<T>,
    _ blocks: inout BlockIterator, _ call: Continuation<T>?
  ) throws(EngineError) {
    let outputs = layout.sizes[layout.layers]
    let block = Swift.min(x.rows - blocks.next, blockRows)
    let lean: Workspace<T>
    if let begun = call?.workspace {
      lean = begun
    } else {
      lean = try Workspace(rows: block, network: self, trains: true)
      call?.workspace = lean
    }
    let memory = try JacobianMemory<T>(
      task, rows: Swift.min(block * outputs, blockRows), layout: layout)
    let work = jacobianWork(task)
    try iterate(&blocks, over: x, maxRows: block, scratch: lean.x) {
      (input, rows) throws(EngineError) in
      var tape = lean.tape(input, self)
      if let call {
        call.begin(rows.lowerBound)
        try forward(&tape, lean.owners, asking: call)
        for m in external?.layers ?? [] where task.passes(m, layers: layout.layers) {
          try askSlope(m, tape, slopes: tape, lean.owners, slopeOwners: lean.owners, call)
        }
      }
      try withThreads(rows: rows.count, work: workPerRow * Double(rows.count)) {
        (plan) throws(EngineError) in
        try check(overRows(plan, rows.count) { part, flags in forward(tape, part, &flags) })
      }
      let result = out + rows.lowerBound * outputs * layout.sizes[task.m]
      try withThreads { (threads) throws(EngineError) in
        var first = 0
        while first < rows.count * outputs {
          let last = Swift.min(first + memory.rows, rows.count * outputs)
          let plan = Plan(rows: last - first, work: work * Double(last - first), threads: threads)
          concurrently(plan.parts) { part in
            let share = plan.share(part, of: last - first)
            jacobianRows(task, tape, memory, first: first, share, into: result)
          }
          try checkJacobian(result + first * layout.sizes[task.m], task, rows: last - first)
          first = last
        }
      }
    }
  }

  /// Rows `share`, counted from row `first` of the block's N·D(L), into out [N·D(L), D(m)].
  @inline(never)
  private func jacobianRows(
    _ task: JacobianTask, _ tape: Tape<T>, _ memory: JacobianMemory<T>, first: Int,
    _ share: Range<Int>, into out: UnsafeMutablePointer<T>
  ) {
    let last = layout.layers
    let outputs = layout.sizes[last]
    let rows = first + share.lowerBound..<first + share.upperBound
    func place(_ k: Int) -> UnsafeMutablePointer<T> {
      k == task.m
        ? out + rows.lowerBound * layout.sizes[k] : memory.place(k, share.lowerBound)
    }
    var jacobian = place(last)
    jacobian.update(repeating: 0, count: rows.count * outputs)
    for i in 0..<rows.count { jacobian[i * outputs + (rows.lowerBound + i) % outputs] = 1 }
    if task.passes(last, layers: last) { pullBack(last, jacobian, tape, rows) }
    for k in stride(from: last, to: task.m, by: -1) {
      let below = place(k - 1)
      multiply(
        Matrix(jacobian, rows.count, layout.sizes[k]), weights(k).transpose, into: below)
      jacobian = below
      if task.passes(k - 1, layers: last) { pullBack(k - 1, jacobian, tape, rows) }
    }
  }

  /// Each row of ∂·/∂a(m) times the Jacobian of a(m) by z(m) at its example, which makes it one
  /// of ∂·/∂z(m).
  private func pullBack(
    _ m: Int, _ jacobian: UnsafeMutablePointer<T>, _ tape: Tape<T>, _ rows: Range<Int>
  ) {
    let outputs = layout.sizes[layout.layers]
    guard outputs > 1 else {
      return stages[m - 1].pullBack(jacobian, tape, first: rows.lowerBound, rows.count)
    }
    for row in rows {
      let place = jacobian + (row - rows.lowerBound) * layout.sizes[m]
      stages[m - 1].pullBack(place, tape, first: row / outputs, 1)
    }
  }

  /// Floating-point operations for one row of the Jacobian.
  private func jacobianWork(_ task: JacobianTask) -> Double {
    var sum = 0.0
    for k in task.m...layout.layers where k > task.m { sum += 2 * Double(layout.weightCount(k)) }
    return sum
  }

  private func checkJacobian(
    _ out: UnsafePointer<T>, _ task: JacobianTask, rows: Int
  ) throws(EngineError) {
    guard largestMagnitude(out, rows * layout.sizes[task.m]) < T.infinityBits else {
      throw .diverged(
        "the Jacobian with respect to layer \(task.m) overflowed to NaN or infinity; "
          + "smaller weights may help")
    }
  }
}
