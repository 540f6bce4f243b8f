/// Where the parameters lie in a flat buffer: layer by layer, W(m)ᵀ [D(m−1), D(m)] in C order,
/// then b(m) [D(m)] and, in a normalised layer, γ(m) and β(m) [D(m)], without gaps.
struct Layout {
  /// D(0), ..., D(L)
  let sizes: [Int]
  private let offsets: [Int]
  private let biases: [Int]
  /// P: the number of all parameters.
  let parameterCount: Int
  /// Σ D(m), m = 1..L: the numbers of z per row.
  let unitCount: Int
  /// The widest layer, the input included.
  let widest: Int

  /// L
  let layers: Int

  /// `isNormalised` says in place m − 1 whether layer m has γ and β.
  init(sizes: [Int], isNormalised: [Bool]) throws(EngineError) {
    guard sizes.count >= 2 else {
      throw .value("a network needs at least two sizes: D(0) inputs and D(L) outputs")
    }
    var offset = 0
    var units = 0
    var (offsets, biases) = ([0], [Int]())
    for m in 0..<sizes.count {
      guard sizes[m] > 0, sizes[m] <= Int(Int32.max) else {
        throw .value("the size of layer \(m) must be an int in 1..\(Int32.max), got \(sizes[m])")
      }
      guard m > 0 else { continue }
      let (weights, tooMany) = sizes[m].multipliedReportingOverflow(by: sizes[m - 1])
      let (end, beyond) = offset.addingReportingOverflow(weights)
      guard !tooMany, !beyond, end < Int.max / 64 - 3 * sizes[m] else {
        throw .memory(bytes: Int.max)
      }
      biases.append(end)
      offset = end + (isNormalised[m - 1] ? 3 : 1) * sizes[m]
      offsets.append(offset)
      units += sizes[m]
    }
    self.sizes = sizes
    layers = sizes.count - 1
    (self.offsets, self.biases) = (offsets, biases)
    parameterCount = offset
    unitCount = units
    widest = sizes.max() ?? 0
  }

  /// The start of W(m)ᵀ.
  func weights(_ m: Int) -> Int { offsets[m - 1] }
  func weightCount(_ m: Int) -> Int { sizes[m] * sizes[m - 1] }
  /// The start of b(m).
  func bias(_ m: Int) -> Int { biases[m - 1] }
  /// The numbers of b(m), and of γ(m) and β(m), which follow it.
  func vectorCount(_ m: Int) -> Int { offsets[m] - biases[m - 1] }
  /// The starts of γ(m) and β(m), in a normalised layer.
  func gamma(_ m: Int) -> Int { biases[m - 1] + sizes[m] }
  func beta(_ m: Int) -> Int { biases[m - 1] + 2 * sizes[m] }
}
