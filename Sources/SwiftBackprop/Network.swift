import CBridge

/// A feed-forward network of dense layers m = 1..L, its gradients and its optimizer.
class Network<T: Scalar> {
  final let layout: Layout
  final let activations: [ActivationKernels<T>]
  /// What stands between z(m) and a(m), in place m − 1
  final let stages: [Stage<T>]
  final let loss: LossKernels<T>
  final let lossInfo: RuleInfo
  /// Whether the output is the loss' canonical one: grad_z(L) = a − t, loss from z.
  final let isFused: Bool
  /// The functions that are the caller's, and where they are asked for; nil without any
  final let external: ExternalFunctions?
  final var questions: UnsafeMutablePointer<sb_question>?

  /// How layer m is normalised, in place m − 1; empty if none is
  final let norms: [Norm?]
  /// Running means and variances of batch norm; nil without such a layer
  final let running: Storage<T>?

  /// W and b, γ and β, their gradients and the optimizer's state: flat, in the order of `layout`.
  final let parameters: Storage<T>
  final let gradients: Storage<T>
  final let slots: [Storage<T>]

  final private let optimizerEntry: OptimizerEntry
  final private(set) var optimizer: OptimizerKernels<T>
  final private(set) var spec: NetworkSpec
  final var steps = 0
  final var l1: Double { didSet { areOptionsHarmless = judgeOptions() } }
  final var l2: Double { didSet { areOptionsHarmless = judgeOptions() } }
  /// The largest norm of the gradient; 0 for no limit.
  final var clipNorm: Double
  /// Whether `fit` divides the penalties by the Σw of each minibatch.
  final var sharesPenalties = false
  /// What penalties are multiplied with: 1, or 1/Σw while `fit` makes a step.
  final var penaltyShare = 1.0
  /// The largest norm of a row of W; 0 for no limit.
  final var maxNorm = 0.0
  /// What integers in X are multiplied with.
  final var inputScale = 1.0
  /// What the factors of products are rounded to, and whether they are: not in derivatives to study.
  final var precision = Precision.float32
  final var roundsFactors = true
  /// The probability p to drop a unit of layer m, in place m − 1; the same as memory for masks,
  /// nil if nothing is dropped.
  final var dropout: [Double]
  final var rates: Storage<Double>?
  /// Whether layer m is updated, in place m − 1; whether some are not, and the first that is.
  final var isTrainable: [Bool]
  final var hasFrozenLayers = false
  final var lowestTrained = 1
  final private(set) var areOptionsHarmless = false
  final var random: Random

  /// The last explicit forward and backward.
  final var pass: Pass<T>?
  /// How often an explicit pass has begun or ended
  final var passNumber = 0
  final var forwardPool = Pool<T>()
  final var backwardPool = Pool<T>()
  /// What `gradients` hold: nothing yet, those of a pass, those of a pass without weight
  /// (Σw = 0), or the rest of a pass that failed.
  enum GradientState { case none, ready, weightless, spoiled }
  final var gradientState = GradientState.none
  /// Memory of the normalised layers of explicit passes
  final var normMemory: NormMemory<T>?
  /// Memory for t, wₙ/Σw and Cₙ of explicit backward passes.
  final var targetMemory: TargetMemory<T>?
  /// Memory of the threads' shares.
  final var partMemory: PartMemory<T>?
  /// Memory of `predict`, kept for the next call.
  final var predictor: Workspace<T>?
  /// Memory of Hessian-vector products, likewise.
  final var secondOrder: SecondOrderMemory<T>?

  /// A network with initial weights.
  init(_ config: sb_config) throws(EngineError) {
    layout = try Layout(sizes: readSizes(config), isNormalised: readNormalised(config))
    norms = try Norm.read(config, layout, minEpsilon: Double(T.leastNormalMagnitude))
    spec = try NetworkSpec(config, layers: layout.layers)
    activations = spec.activations.map { T.kernels(ActivationEntry.known[$0.index], $0.values) }
    let lossEntry = LossEntry.known[spec.loss.index]
    loss = T.kernels(lossEntry, spec.loss.values)
    var info = lossEntry.info
    if info.isExternal, spec.loss.values[0] != 0 { info.flags |= SB_RULE_CLASSES }
    lossInfo = info
    external = ExternalFunctions(spec, loss: info)
    let output = spec.outputInfo
    // Behind σ a normalisation stands between the two.
    isFused =
      lossInfo.flags & SB_RULE_FUSED != 0 && lossInfo.canonicalOutput.equals(output.name.cString)
      && (norms.last ?? nil)?.isAfter != true
    optimizerEntry = OptimizerEntry.all[spec.optimizer.index]
    optimizer = T.kernels(optimizerEntry, spec.optimizer.values)
    // All of it at once: each part alone might fit where the whole does not.
    let bytes = layout.parameterCount * MemoryLayout<T>.stride * (2 + optimizer.slots)
    guard sb_has_memory(bytes) != 0 else { throw .memory(bytes: bytes) }
    let inPages = Self.hasPages(layout)
    parameters = try Storage(count: layout.parameterCount, inPages: inPages)
    stages = makeStages(activations, norms, layout, parameters)
    gradients = try Storage(count: layout.parameterCount, inPages: inPages)
    var slots: [Storage<T>] = []
    for _ in 0..<optimizer.slots {
      slots.append(try Storage(count: layout.parameterCount, inPages: inPages))
    }
    self.slots = slots
    running = try Norm.runningStatistics(norms, layout)
    dropout = Array(repeating: 0, count: layout.layers)
    isTrainable = Array(repeating: true, count: layout.layers)
    (l1, l2, clipNorm) = (config.l1, config.l2, config.clip_norm)
    random = Random(seed: config.seed)
    for (value, name): (Double, StaticString) in [(l1, "l1"), (l2, "l2"), (clipNorm, "clip_norm")] {
      guard value >= 0, value.isFinite else {
        throw .value("\(name) must be a finite number >= 0")
      }
    }
    for (index, parameter) in optimizerEntry.info.parameters.enumerated() {
      try checkRange(spec.optimizer.values[index], parameter.name)
    }
    areOptionsHarmless = judgeOptions()
    reset(seed: config.seed)
  }

  /// An independent copy of weights, gradients, optimizer and generator.
  init(copying other: Network<T>) throws(EngineError) {
    (layout, norms) = (other.layout, other.norms)
    spec = other.spec
    (activations, loss, lossInfo) = (other.activations, other.loss, other.lossInfo)
    (isFused, external) = (other.isFused, other.external)
    (optimizerEntry, optimizer) = (other.optimizerEntry, other.optimizer)
    (steps, l1, l2, clipNorm) = (other.steps, other.l1, other.l2, other.clipNorm)
    (random, gradientState) = (other.random, other.gradientState)
    sharesPenalties = other.sharesPenalties
    (maxNorm, inputScale) = (other.maxNorm, other.inputScale)
    precision = other.precision
    (dropout, rates) = (other.dropout, other.rates)
    (isTrainable, lowestTrained) = (other.isTrainable, other.lowestTrained)
    hasFrozenLayers = other.hasFrozenLayers
    let inPages = Self.hasPages(layout)
    parameters = try Storage(count: layout.parameterCount, inPages: inPages)
    stages = makeStages(activations, norms, layout, parameters)
    gradients = try Storage(count: layout.parameterCount, inPages: inPages)
    var slots: [Storage<T>] = []
    for slot in other.slots {
      slots.append(try Storage(count: layout.parameterCount, inPages: inPages))
      slots[slots.count - 1].copy(from: slot)
    }
    self.slots = slots
    areOptionsHarmless = other.areOptionsHarmless
    running = try Norm.runningStatistics(norms, layout)
    if let running, let old = other.running { running.copy(from: old) }
    parameters.copy(from: other.parameters)
    gradients.copy(from: other.gradients)
  }

  /// Whether what is as large as the parameters has pages of its own: a small network, of which
  /// there may be many, has not.
  private static func hasPages(_ layout: Layout) -> Bool {
    layout.parameterCount * MemoryLayout<T>.stride >= sb_page_bytes()
  }

  /// New initial weights; gradients and optimizer state cleared.
  final func reset(seed: UInt64) {
    random = Random(seed: seed)
    for m in 1...layout.layers {
      let (fanIn, fanOut) = (Double(layout.sizes[m - 1]), Double(layout.sizes[m]))
      let rule = spec.initializers[m - 1]
      InitializerEntry.all[rule.index].spread(rule.values, fanIn, fanOut)
        .draw(&random, into: parameters.base + layout.weights(m), count: layout.weightCount(m))
      (parameters.base + layout.bias(m)).update(repeating: 0, count: layout.sizes[m])
    }
    resetNorms()
    gradients.fill(0)
    for slot in slots { slot.fill(0) }
    steps = 0
    gradientState = .none
    forgetPass()
  }

  // MARK: parts of the flat buffers

  /// W(m)ᵀ [D(m−1), D(m)]
  final func weights(_ m: Int) -> Matrix<T> {
    Matrix(parameters.base + layout.weights(m), layout.sizes[m - 1], layout.sizes[m])
  }
  /// b(m) [D(m)]
  final func bias(_ m: Int) -> UnsafePointer<T> { UnsafePointer(parameters.base + layout.bias(m)) }
  /// grad_W(m)ᵀ [D(m−1), D(m)]
  final func gradWeights(_ m: Int) -> UnsafeMutablePointer<T> { gradients.base + layout.weights(m) }
  /// grad_b(m) [D(m)]
  final func gradBias(_ m: Int) -> UnsafeMutablePointer<T> { gradients.base + layout.bias(m) }

  // MARK: hyperparameters

  /// The optimizer's parameter in place `index`.
  final func hyperparameter(_ index: Int) throws(EngineError) -> Double {
    guard index >= 0, index < spec.optimizer.values.count else { throw EngineError.noOption }
    return spec.optimizer.values[index]
  }

  final func setHyperparameter(_ index: Int, _ value: Double) throws(EngineError) {
    let entry = optimizerEntry
    guard index >= 0, index < entry.info.parameters.count else { throw EngineError.noOption }
    try Rules.check(value, entry.info.parameters[index], of: entry.info)
    try checkRange(value, entry.info.parameters[index].name)
    spec.optimizer.values[index] = value
    optimizer = T.kernels(entry, spec.optimizer.values)
    areOptionsHarmless = judgeOptions()
  }

  /// Sets lr.
  final func setRate(_ rate: Double) throws(EngineError) {
    if rate != self.rate { try setHyperparameter(0, rate) }
  }

  /// lr
  final var rate: Double { spec.optimizer.values[0] }

  /// Refuses a number that this type has only as infinity.
  final private func checkRange(_ value: Double, _ name: StaticString) throws(EngineError) {
    guard T(value).isFinite else { throw .value("\(name) is too large for the network's dtype") }
  }
}

private func readSizes(_ config: sb_config) throws(EngineError) -> [Int] {
  guard let sizes = config.sizes, config.layers >= 1, config.layers < 1 << 20 else {
    throw .value("a network needs at least two sizes: D(0) inputs and D(L) outputs")
  }
  return (0...Int(config.layers)).map { Int(sizes[$0]) }
}

/// Whether layer m has γ and β, in place m − 1; after the sizes.
private func readNormalised(_ config: sb_config) -> [Bool] {
  (0..<Int(config.layers)).map { (config.norms?[$0].kind ?? SB_NORM_NONE) != SB_NORM_NONE }
}

/// The rules a network was made of: places in the engine's lists and parameters.
struct NetworkSpec {
  struct Rule {
    let index: Int
    var values: RuleValues
  }
  let activations: [Rule]
  let initializers: [Rule]
  let loss: Rule
  var optimizer: Rule
  let outputInfo: RuleInfo

  init(_ config: sb_config, layers: Int) throws(EngineError) {
    func find(_ rule: sb_rule, _ infos: [RuleInfo], _ kind: StaticString) throws(EngineError)
      -> Rule
    {
      let found = try Rules.find(rule, in: infos, kind: kind)
      return Rule(index: found.index, values: RuleValues(found.values))
    }
    guard let given = config.activations, let starts = config.initializers else {
      throw .value("the activations or initializers are missing")
    }
    let known = ActivationEntry.known.map { $0.info }
    let knownStarts = InitializerEntry.all.map { $0.info }
    var activations: [Rule] = []
    var initializers: [Rule] = []
    for m in 1...layers {
      activations.append(try find(given[m - 1], known, "activation"))
      initializers.append(try find(starts[m - 1], knownStarts, "initializer"))
    }
    self.activations = activations
    self.initializers = initializers
    outputInfo = known[activations[layers - 1].index]
    loss = try find(config.loss, LossEntry.known.map { $0.info }, "loss")
    optimizer = try find(config.optimizer, OptimizerEntry.all.map { $0.info }, "optimizer")
  }
}
