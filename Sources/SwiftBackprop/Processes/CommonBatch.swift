import CBridge

/// What processes of one machine have in common while they train together: the network with its
/// gradients and the optimizer's state, and X, y, a and grad_z of the whole batch. So nothing need
/// be sent, and each can work on any row.
final class CommonBatch<T: Scalar> {
  private let memory: SharedMemory
  /// Whether the network is this process' own between epochs, for callbacks that may change it
  private let leavesEachEpoch: Bool
  /// Whether this batch begins with having the memory in common
  private(set) var isJoining = false
  /// Whether the gradients are those of the last batch
  var hasGradients = true
  /// A bound on the |x| of all processes
  var largestInput: T.Bits = 0
  /// What went wrong in an update that this process made for all
  var failure: EngineError?
  /// The column sums of grad_z of each process [processes, Σ D(m)]
  private let biasSums: Storage<T>
  private let units: Int

  /// nil where the processes cannot, or would not, have memory in common: on several machines, with
  /// what needs numbers of other rows on the way, or where callbacks look at every batch.
  init?(_ network: Network<T>, _ config: sb_fit_config) throws(EngineError) {
    guard config.processes > 1, network.parameters.block.pageBytes > 0, network.norms.isEmpty,
      network.external == nil, config.pause_each_epoch != 2
    else { return nil }
    memory = try SharedMemory(
      file: config.memory, process: Int(config.process), processes: Int(config.processes))
    leavesEachEpoch = config.leaves_memory != 0
    units = network.layout.unitCount
    biasSums = try Storage(count: memory.processes * units, inPages: true)
    for storage in [network.parameters] + network.slots { memory.add(storage.block, isKept: true) }
    memory.add(network.gradients.block, isKept: true)
    memory.add(biasSums.block, isKept: false)
  }

  /// The number of this process, and how many they are
  var process: Int { memory.process }
  var processes: Int { memory.processes }

  /// Has the memory of a batch in common too.
  func add(_ batch: [Block]) throws(EngineError) {
    for block in batch { memory.add(block, isKept: false) }
    if process == 0 { try memory.reserve() }
  }

  /// Begins a batch.
  func begin() { isJoining = !memory.isJoined }

  func join() throws(EngineError) { try memory.join(writes: process == 0) }

  func endEpoch() {
    if leavesEachEpoch { memory.leave() }
  }

  /// This process' share of `count` rows, or columns, in multiples of `unit`.
  func share(of count: Int, unit: Int = 1) -> Range<Int> {
    Plan(parts: processes).share(process, of: count, unit: unit)
  }

  /// Column sums of grad_z over the rows of a process [Σ D(m)]
  func biasSums(of process: Int) -> UnsafeMutablePointer<T> { biasSums.base + process * units }
}
