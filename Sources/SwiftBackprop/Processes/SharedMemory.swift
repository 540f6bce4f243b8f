import CBridge

/// Memory that the processes of one machine have in common while they train together.
///
/// Blocks stay where they are: their pages are put in common by `join`, and become this process'
/// own again by `leave`. All processes add the same blocks in the same order.
final class SharedMemory {
  /// The number of this process, and how many they are
  let process, processes: Int
  /// Whether the blocks are in common now
  private(set) var isJoined = false
  private let file: Int32
  private var size = 0
  private var regions: [Region] = []

  private struct Region {
    let block: Block
    let offset: Int
    /// Whether what is in it comes along, one way and back
    let isKept: Bool
  }

  /// `file` is open, and the same on every process.
  init(file: Int32, process: Int, processes: Int) throws(EngineError) {
    guard process >= 0, process < processes else {
      throw .value("there is no process \(process) of \(processes)")
    }
    self.file = sb_keep_file(file)
    (self.process, self.processes) = (process, processes)
    guard self.file >= 0 else { throw .value("file \(Int(file)) cannot be used") }
  }

  deinit {
    leave()
    sb_close_file(file)
  }

  /// Adds a block, which must have pages.
  func add(_ block: Block, isKept: Bool) {
    regions.append(Region(block: block, offset: size, isKept: isKept))
    size += block.pageBytes
  }

  /// Makes room for the blocks that were added: one process for all, before they join.
  func reserve() throws(EngineError) {
    guard sb_reserve_pages(file, size) != 0 else { throw .memory(bytes: size) }
  }

  /// Has the blocks in common from now on: with what they have here, if this process `writes`,
  /// else with what the others have.
  func join(writes: Bool) throws(EngineError) {
    isJoined = true
    for region in regions {
      let block = region.block
      guard
        sb_share_pages(
          block.base, block.pageBytes, file, region.offset, writes && region.isKept ? 1 : 0) != 0
      else {
        leave()
        throw .memory(bytes: size)
      }
    }
  }

  /// Makes the blocks this process' own, with what is in them.
  func leave() {
    guard isJoined else { return }
    isJoined = false
    for region in regions where sb_own_pages(region.block.base, region.isKept ? 1 : 0) == 0 {
      // Others may still write here, so it is never given to anybody else.
      _ = Unmanaged.passRetained(region.block)
    }
  }
}
