import CBridge

// Normalisation belongs to a layer and stands before σ, or behind it where that is asked for. With
// x = z(m), or x = σ(z(m)) behind, and γ(m), β(m) [D(m)]:
//
//     x̂ = (x − μ) / √(v + ε)
//     before σ   u(m) = γ ⊙ x̂ + β, a(m) = σ(u(m))
//     behind σ   a(m) = γ ⊙ x̂ + β
//
// layer norm: μ and v are mean and variance of each row, over its D(m) units. Ba, Kiros and Hinton,
// "Layer normalization", 2016.
//
// batch norm: μ and v are those of each unit, over the N rows of a batch in training; in evaluation
// they are running means of training, which makes it an affine map. v is the biased variance,
// what runs is the unbiased one: r ← (1 − momentum)·r + momentum·v·N/(N − 1). Ioffe and
// Szegedy, "Batch normalization", 2015.
//
// With g, the gradient by what comes out of it, and means over what μ is the mean of, backward
//
//     grad_γ = Σₙ g ⊙ x̂, grad_β = Σₙ g
//     grad_x = (h − mean(h) − x̂ ⊙ mean(h ⊙ x̂)) / √(v + ε), h = g ⊙ γ
//
// where in evaluation batch norm has no means. z(m), the products with W(m) and their gradients
// know nothing of all this.

/// How one layer is normalised.
struct Norm {
  enum Kind { case batch, layer }

  let kind: Kind
  /// Whether σ comes first
  let isAfter: Bool
  let epsilon: Double
  let momentum: Double
  /// Where its running mean and variance lie in `Network.running`, and its sums in a part's
  let running, sums: Int

  /// Reads what a configuration says of layers 1..L; empty if none is normalised.
  static func read(
    _ config: sb_config, _ layout: Layout, minEpsilon: Double
  ) throws(EngineError) -> [Norm?] {
    guard let given = config.norms else { return [] }
    var norms: [Norm?] = []
    var (running, sums) = (0, 0)
    for m in 1...layout.layers {
      let (norm, cols) = (given[m - 1], layout.sizes[m])
      guard norm.kind != SB_NORM_NONE else {
        norms.append(nil)
        continue
      }
      guard norm.kind == SB_NORM_BATCH || norm.kind == SB_NORM_LAYER else {
        throw .value("layer \(m): there is no normalisation of this kind")
      }
      let isBatch = norm.kind == SB_NORM_BATCH
      guard norm.epsilon >= minEpsilon, norm.epsilon <= 1 else {
        throw .value(
          "eps of the normalisation of layer \(m) must be a number in (0, 1] and not less than the "
            + "smallest normal number of the network's dtype")
      }
      guard !isBatch || norm.momentum >= 0 && norm.momentum <= 1 else {
        throw .value("momentum of the normalisation of layer \(m) must be a number in [0, 1]")
      }
      guard isBatch || cols > 1 else {
        throw .value(
          "layer norm on layer \(m), which has one unit, would make everything beta: it takes "
            + "mean and variance over the units of a row")
      }
      norms.append(
        Norm(
          kind: isBatch ? .batch : .layer, isAfter: norm.after != 0, epsilon: norm.epsilon,
          momentum: norm.momentum, running: running, sums: sums))
      running += isBatch ? 2 * cols : 0
      sums += 2 * cols
    }
    return norms.contains { $0 != nil } ? norms : []
  }

  /// Memory for the running statistics of all layers; nil where none has any.
  static func runningStatistics<T: Scalar>(
    _ norms: [Norm?], _ layout: Layout
  ) throws(EngineError) -> Storage<T>? {
    var count = 0
    for (index, norm) in norms.enumerated() where norm?.kind == .batch {
      count += 2 * layout.sizes[index + 1]
    }
    return count == 0 ? nil : try Storage(count: count)
  }
}

/// What one pass keeps of the normalisation of a layer.
struct NormLayer<T: Scalar> {
  let norm: Norm
  /// What stands between the two steps [N, D(m)]: u(m), or behind σ what σ gave
  let between: UnsafeMutablePointer<T>
  /// μ and 1/√(v + ε): [D(m)] of batch norm, [N] of layer norm
  let mean, scale: UnsafeMutablePointer<T>
  /// Of batch norm: mean(g) and mean(g ⊙ x̂) [D(m)], 0 in evaluation; and v [D(m)]
  let center, slope: UnsafeMutablePointer<T>
  let variance: UnsafeMutablePointer<Double>
  /// Kept where derivatives to study want them: the gradients by what comes out of the
  /// normalisation, and by what goes in [N, D(m)]
  let gradOut, gradIn: UnsafeMutablePointer<T>?
}

/// The normalisation of one pass, in plain numbers as all of a tape.
struct Norms<T: Scalar> {
  let layers: UnsafePointer<NormLayer<T>?>
  /// The layers at which the parts of a pass have to meet, because their statistics are those
  /// of the whole batch.
  let stops: UnsafePointer<Int>
  let stopCount: Int

  @inline(__always)
  func layer(_ m: Int) -> NormLayer<T>? { layers[m - 1] }

  /// Whether batch norm takes its statistics from the rows of the pass.
  var usesBatch: Bool { stopCount > 0 }
}

/// Memory for the normalisation of passes over at most `rows` rows.
final class NormMemory<T: Scalar> {
  let rows: Int
  private let layers: UnsafeMutablePointer<NormLayer<T>?>
  private let stops: UnsafeMutablePointer<Int>
  private let plain: Block
  private let numbers: Storage<T>
  /// Who owns what stands between normalisation and σ, if that is memory of its own
  var block: Block { numbers.block }
  private let variances: Storage<Double>

  /// `between` says in place m − 1 where u(m) is to be, if not in memory of its own.
  init(
    _ network: Network<T>, rows: Int, between: [UnsafeMutablePointer<T>]? = nil,
    keepsGradients: Bool = false
  ) throws(EngineError) {
    let layout = network.layout
    let matrices = (between == nil ? 1 : 0) + (keepsGradients ? 2 : 0)
    var (perRow, fixed) = (0, 0)
    for m in 1...layout.layers {
      guard let norm = network.norm(m) else { continue }
      perRow += matrices * layout.sizes[m] + (norm.kind == .layer ? 2 : 0)
      fixed += norm.kind == .batch ? 4 * layout.sizes[m] : 0
    }
    let (count, overflow) = rows.multipliedReportingOverflow(by: perRow)
    guard !overflow, count < Int.max / 16 - fixed else { throw .memory(bytes: Int.max) }
    numbers = try Storage(count: count + fixed)
    variances = try Storage(count: fixed / 4)
    let stride = MemoryLayout<NormLayer<T>?>.stride
    plain = try Block(byteCount: layout.layers * (stride + MemoryLayout<Int>.stride))
    layers = plain.base.bindMemory(to: NormLayer<T>?.self, capacity: layout.layers)
    stops = (plain.base + layout.layers * stride).bindMemory(to: Int.self, capacity: layout.layers)
    self.rows = rows
    var (next, variance) = (numbers.base, variances.base)
    func take(_ count: Int) -> UnsafeMutablePointer<T> {
      defer { next += count }
      return next
    }
    for m in 1...layout.layers {
      guard let norm = network.norm(m) else {
        (layers + m - 1).initialize(to: nil)
        continue
      }
      let cols = layout.sizes[m]
      let isBatch = norm.kind == .batch
      let statistics = isBatch ? cols : rows
      (layers + m - 1).initialize(
        to: NormLayer(
          norm: norm, between: between?[m - 1] ?? take(rows * cols), mean: take(statistics),
          scale: take(statistics), center: take(isBatch ? cols : 0),
          slope: take(isBatch ? cols : 0), variance: variance,
          gradOut: keepsGradients ? take(rows * cols) : nil,
          gradIn: keepsGradients ? take(rows * cols) : nil))
      variance += isBatch ? cols : 0
    }
  }

  /// What a tape needs of it. In evaluation batch norm has its running statistics.
  @inline(never)
  func begin(_ network: Network<T>, training: Bool) -> Norms<T> {
    var stopCount = 0
    for m in 1...network.layout.layers {
      guard let layer = layers[m - 1], layer.norm.kind == .batch else { continue }
      if training {
        stops[stopCount] = m
        stopCount += 1
      } else if let (mean, variance) = network.runningStatistics(m) {
        for j in 0..<network.layout.sizes[m] {
          layer.mean[j] = mean[j]
          layer.scale[j] = T(1 / (Double(variance[j]) + layer.norm.epsilon).squareRoot())
          (layer.center[j], layer.slope[j]) = (0, 0)
        }
      }
    }
    return Norms(layers: layers, stops: stops, stopCount: stopCount)
  }
}

extension Network {
  /// The sums that a part of a pass makes for normalised layers.
  var normUnits: Int {
    var count = 0
    for (index, norm) in norms.enumerated() where norm != nil {
      count += 2 * layout.sizes[index + 1]
    }
    return count
  }

  /// How layer m is normalised, if it is.
  func norm(_ m: Int) -> Norm? { norms.isEmpty ? nil : norms[m - 1] }

  /// γ(m) and β(m) [D(m)] of a normalised layer
  func gamma(_ m: Int) -> UnsafePointer<T> { UnsafePointer(parameters.base + layout.gamma(m)) }
  func beta(_ m: Int) -> UnsafePointer<T> { UnsafePointer(parameters.base + layout.beta(m)) }

  /// The running mean and variance [D(m)] of a layer with batch norm
  func runningStatistics(_ m: Int) -> (UnsafeMutablePointer<T>, UnsafeMutablePointer<T>)? {
    guard let norm = norm(m), norm.kind == .batch, let running else { return nil }
    let mean = running.base + norm.running
    return (mean, mean + layout.sizes[m])
  }

  /// γ = 1, β = 0; running mean 0, running variance 1.
  func resetNorms() {
    for m in 1...layout.layers where norm(m) != nil {
      let cols = layout.sizes[m]
      (parameters.base + layout.gamma(m)).update(repeating: 1, count: cols)
      (parameters.base + layout.beta(m)).update(repeating: 0, count: cols)
      guard let (mean, variance) = runningStatistics(m) else { continue }
      mean.update(repeating: 0, count: cols)
      variance.update(repeating: 1, count: cols)
    }
  }

  /// Whether a training pass normalises by statistics of the batch.
  var normalisesBatches: Bool { running != nil }

  /// Refuses a batch of one row, which has no variance.
  func checkBatch(rows: Int) throws(EngineError) {
    guard rows > 1 || !normalisesBatches else {
      throw .value(
        "batch norm in training needs at least 2 rows, got 1: a single row has no variance")
    }
  }

  /// Lets the running statistics follow those of a training pass that went well, over its rows
  /// or, where several processes have them between them, over `rows`.
  func follow(_ tape: Tape<T>, rows: Int? = nil) {
    guard let norms = tape.norms else { return }
    let rows = Double(rows ?? tape.input.rows)
    for index in 0..<norms.stopCount {
      let m = norms.stops[index]
      guard let layer = norms.layer(m), let (mean, variance) = runningStatistics(m) else {
        continue
      }
      let share = layer.norm.momentum
      for j in 0..<layout.sizes[m] {
        let unbiased = Swift.min(
          layer.variance[j] * rows / (rows - 1), Double(T.greatestFiniteMagnitude))
        mean[j] = T((1 - share) * Double(mean[j]) + share * Double(layer.mean[j]))
        variance[j] = T((1 - share) * Double(variance[j]) + share * unbiased)
      }
    }
  }

  /// A live view of γ, β, their gradients or the running statistics of layer m.
  func normView(_ what: Int32, _ m: Int) throws(EngineError) -> sb_view {
    guard let norm = norm(m) else { throw .value("layer \(m) is not normalised") }
    let isGradient = what == SB_GRAD_GAMMA || what == SB_GRAD_BETA
    var (storage, start) = (isGradient ? gradients : parameters, layout.beta(m))
    switch what {
    case SB_GAMMA, SB_GRAD_GAMMA: start = layout.gamma(m)
    case SB_BETA, SB_GRAD_BETA: break
    default:
      guard let running, norm.kind == .batch else {
        throw .value("layer \(m) has layer norm, which has no running statistics")
      }
      storage = running
      start = norm.running + (what == SB_RUNNING_VAR ? layout.sizes[m] : 0)
    }
    return makeView(storage.block, storage.base + start, [layout.sizes[m]])
  }
}

extension Network {
  /// What stands between the normalisation and σ of layer m in the last pass [N, D(m)], a copy.
  func betweenView(_ m: Int) throws(EngineError) -> sb_view {
    guard norm(m) != nil else { throw .value("layer \(m) is not normalised") }
    guard let pass, let layer = pass.norms?.layer(m), normMemory != nil else {
      throw .order("call forward first")
    }
    let cols = layout.sizes[m]
    let storage = try Storage<T>(count: pass.rows * cols)
    storage.base.copy(from: layer.between, count: storage.count)
    return makeView(storage.block, storage.base, [pass.rows, cols], readonly: true)
  }
}
