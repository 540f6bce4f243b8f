import CBridge

/// A piece of memory on a 64-byte boundary with a count of the views held outside.
///
/// Freed when the last reference, of the engine or of a view, is gone. Behind the bytes that
/// were asked for a cache line more can be read: a vector may begin at the last number.
final class Block {
  let base: UnsafeMutableRawPointer
  // Stands in the first cache line, so that it lives and dies with the memory.
  private let holders: UnsafeMutablePointer<Int64>
  private static let header = 64
  /// The bytes from `base` on that are whole pages with nothing else in them; 0 if it has none
  let pageBytes: Int

  /// Memory of `byteCount` bytes, not initialised. With `inPages` it has whole pages to itself,
  /// which several processes can have in common, where the system lets them.
  @inline(never)
  init(byteCount: Int, inPages: Bool = false) throws(EngineError) {
    let page = inPages ? Int(sb_page_bytes()) : 0
    let hasPages = page > 0
    let (total, overflow) = byteCount.addingReportingOverflow(2 * (Block.header + page))
    guard byteCount >= 0, !overflow,
      let memory = hasPages ? sb_allocate_pages(total) : sb_allocate(total)
    else { throw .memory(bytes: byteCount) }
    holders = memory.bindMemory(to: Int64.self, capacity: 1)
    holders.initialize(to: 0)
    base = memory + (hasPages ? page : Block.header)
    pageBytes = hasPages ? (byteCount + Block.header + page - 1) / page * page : 0
    // So that nothing is read that was never written.
    (base + byteCount).initializeMemory(as: UInt8.self, repeating: 0, count: Block.header)
  }

  deinit { sb_deallocate(UnsafeMutableRawPointer(holders)) }

  /// Whether somebody outside looks at this memory.
  var isHeld: Bool { sb_read(holders) > 0 }

  /// A reference for the outside, to be given back with `Block.release`.
  func hold() -> OpaquePointer {
    sb_add(holders, 1)
    return OpaquePointer(Unmanaged.passRetained(self).toOpaque())
  }

  static func release(_ owner: OpaquePointer) {
    let block = Unmanaged<Block>.fromOpaque(UnsafeRawPointer(owner))
    sb_add(block.takeUnretainedValue().holders, -1)
    block.release()
  }
}

/// A block seen as `count` scalars.
struct Storage<T: Scalar> {
  let block: Block
  let base: UnsafeMutablePointer<T>
  let count: Int

  /// Memory for `count` scalars, not initialised; `inPages` as of a block.
  @inline(never)
  init(count: Int, inPages: Bool = false) throws(EngineError) {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<T>.stride)
    guard !overflow else { throw .memory(bytes: Int.max) }
    self.init(block: try Block(byteCount: bytes, inPages: inPages), count: count)
  }

  /// Lets the system back it by large pages, if it can.
  func useLargePages() { sb_use_large_pages(base, count * MemoryLayout<T>.stride) }

  /// The first `count` scalars of `block`, which must be large enough.
  init(block: Block, count: Int) {
    self.block = block
    base = block.base.bindMemory(to: T.self, capacity: count)
    self.count = count
  }

  /// A copy of some numbers.
  init(_ numbers: [T]) throws(EngineError) {
    try self.init(count: numbers.count)
    for (i, number) in numbers.enumerated() { base[i] = number }
  }

  func fill(_ value: T) { base.update(repeating: value, count: count) }

  func copy(from other: Storage<T>) {
    base.copy(from: other.base, count: Swift.min(count, other.count))
  }
}

extension UnsafeMutablePointer where Pointee: Scalar {
  /// self[i] ← other[i] for i < count; the two do not overlap. The library's `update(from:)` calls
  /// a function for every number where it is built without a runtime.
  @inline(__always)
  func copy(from other: UnsafePointer<Pointee>, count: Int) {
    memcpy(self, other, count &* MemoryLayout<Pointee>.stride)
  }
}

/// Where a quantity of layers 1..L lies, that of layer m in place m − 1.
///
/// A list in memory that somebody else owns: what holds one is plain numbers alone, and no
/// references are counted when a pass hands it on.
struct LayerPointers<T: Scalar> {
  typealias Rows = UnsafeMutablePointer<T>
  private let list: UnsafeMutablePointer<Rows>?

  /// Of a quantity that a pass does not have.
  static var none: LayerPointers { LayerPointers(list: nil) }

  /// Writes what `place` says of layers 1..layers into `memory`, from place `first` on.
  init(_ memory: Block, first: Int = 0, layers: Int, _ place: (_ m: Int) -> Rows) {
    let list = memory.base.bindMemory(to: Rows.self, capacity: first + layers) + first
    for m in 1...layers { (list + m - 1).initialize(to: place(m)) }
    self.list = list
  }

  private init(list: UnsafeMutablePointer<Rows>?) { self.list = list }

  /// The bytes of `count` places.
  static func bytes(_ count: Int) -> Int { count * MemoryLayout<Rows>.stride }

  @inline(__always)
  subscript(index: Int) -> Rows { list.unsafelyUnwrapped[index] }
}

/// Two matrices [N, D(m)] for every layer m = 1..L in one block: z and a of a forward pass, or
/// grad_z and grad_a of a backward pass.
final class ActivationBuffers<T: Scalar> {
  let block: Block
  let rows: Int
  private let lists: Block
  /// z(m) or grad_z(m)
  let z: LayerPointers<T>
  /// a(m) or grad_a(m)
  let a: LayerPointers<T>

  init(rows: Int, layout: Layout) throws(EngineError) {
    let (count, overflow) = rows.multipliedReportingOverflow(by: 2 * layout.unitCount)
    guard !overflow else { throw .memory(bytes: Int.max) }
    let storage = try Storage<T>(count: count)
    let layers = layout.layers
    lists = try Block(byteCount: LayerPointers<T>.bytes(2 * layers))
    var next = storage.base
    z = LayerPointers(lists, layers: layers) { m in
      defer { next += 2 * rows * layout.sizes[m] }
      return next
    }
    let z = z
    a = LayerPointers(lists, first: layers, layers: layers) { m in z[m - 1] + rows * layout.sizes[m]
    }
    (block, self.rows) = (storage.block, rows)
  }
}

/// Buffers that are used again once nobody outside looks at them any more.
///
/// The loop forward, backward, step with the last result held alternates between two and
/// allocates nothing after its second turn.
struct Pool<T: Scalar> {
  private var spare: [ActivationBuffers<T>] = []
  // More would keep the memory of a past peak for good.
  private static var maxSpare: Int { 2 }

  /// Buffers for `rows` rows that nobody holds.
  mutating func take(rows: Int, layout: Layout) throws(EngineError) -> ActivationBuffers<T> {
    var index = 0
    while index < spare.count {
      if spare[index].rows == rows, !spare[index].block.isHeld { return spare.remove(at: index) }
      index += 1
    }
    return try ActivationBuffers(rows: rows, layout: layout)
  }

  mutating func empty() { spare.removeAll() }

  /// Keeps `quantities` for later, and none of another number of rows.
  mutating func give(_ quantities: ActivationBuffers<T>) {
    spare.removeAll { $0.rows != quantities.rows }
    if spare.count == Self.maxSpare { spare.removeFirst() }
    spare.append(quantities)
  }
}
