import CBridge

// Activations and losses that the engine does not have: functions of the caller's. Their numbers
// come from outside (ExternalPass.swift) and are there when the loops below run, which do the
// rest: an activation's a(m) lies where it belongs, and its σ′(z) where z was; a loss' costs lie
// in their place, and its ∂Cₙ/∂a in that of grad_a(L).

extension RuleInfo {
  /// What stands for an activation of the caller's.
  static var externalActivation: RuleInfo {
    RuleInfo(
      name: "external", title: "External", formula: "a function of the caller's",
      flags: SB_RULE_EXTERNAL, defaultInitializer: "glorot_uniform")
  }

  /// What stands for a loss of the caller's; `classes` ≠ 0: accuracy is its metric.
  static var externalLoss: RuleInfo {
    RuleInfo(
      name: "external", title: "External", formula: "a function of the caller's",
      parameters: [RuleParameter("classes", 0)], flags: SB_RULE_EXTERNAL,
      canonicalOutput: "identity")
  }

  var isExternal: Bool { flags & SB_RULE_EXTERNAL != 0 }
}

extension ActivationKernels {
  /// Of an activation whose numbers come from outside. `z` holds σ′(z) on the way back, and dz
  /// was multiplied with σ″(z).
  init(external: Void) {
    needsZ = true
    isExternal = true
    growsAtMostLinearly = false
    actsOnRows = false
    valueInPlace = { _, _, _ in }
    gradientInPlace = { grad, slope, _, rows, cols in
      for i in 0..<rows &* cols { grad[i] *= slope[i] }
    }
    addCurvature = { r, gradA, _, _, dz, rows, cols in
      for i in 0..<rows &* cols {
        let ri = r[i]
        let g = gradA[i]
        let di = dz[i]
        r[i] = ri + g * di
      }
    }
  }
}

extension ActivationEntry {
  /// The engine's activations, and behind them what stands for the caller's.
  static var known: [ActivationEntry] { all + [ActivationEntry(external: ())] }

  private init(external: Void) {
    info = .externalActivation
    float = { _ in ActivationKernels<Float>(external: ()) }
    double = { _ in ActivationKernels<Double>(external: ()) }
  }
}

extension LossKernels {
  /// Of a loss whose numbers come from outside.
  init(external: Void) {
    domain = .real
    isExternal = true
    values = { _, _, _, _ in }
    costFused = nil
    gradient = { _, _, scale, gradA, rows, cols in
      for n in 0..<rows {
        let start = n &* cols
        let factor = scale[n]
        for i in start..<start &+ cols { gradA[i] *= factor }
      }
    }
    curvature = { _, _, _, _ in }
  }
}

extension LossEntry {
  /// The engine's losses, and behind them what stands for the caller's.
  static var known: [LossEntry] { all + [LossEntry(external: ())] }

  private init(external: Void) {
    info = .externalLoss
    float = { _ in LossKernels<Float>(external: ()) }
    double = { _ in LossKernels<Double>(external: ()) }
  }
}

/// Which functions of a network are the caller's.
struct ExternalFunctions {
  /// The layers, from below
  let layers: [Int]
  let hasLoss: Bool

  /// nil where there are none.
  init?(_ spec: NetworkSpec, loss: RuleInfo) {
    let place = ActivationEntry.known.count - 1
    layers = spec.activations.indices.filter { spec.activations[$0].index == place }.map { $0 + 1 }
    hasLoss = loss.isExternal
    if layers.isEmpty, !hasLoss { return nil }
  }
}
