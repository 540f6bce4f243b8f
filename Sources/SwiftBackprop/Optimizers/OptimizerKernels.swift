import CBridge

/// What `step` adds to a rule: clipping and the penalties of one stretch of parameters.
struct Penalties<T: Scalar> {
  /// The factor of clipping, 1 for none.
  var clip: T = 1
  /// l1·sign(W) and l2·W are added to the gradient.
  var l1: T = 0
  var l2: T = 0
  /// Whether the optimizer's own decoupled decay applies.
  var decays = false

  var areNone: Bool { clip == 1 && l1 == 0 && l2 == 0 && !decays }
}

/// The loop over parameters around an optimizer, formed where everything is concrete.
struct OptimizerKernels<T: Scalar> {
  typealias Output = UnsafeMutablePointer<T>

  /// State arrays of the parameters' size.
  let slots: Int
  /// λ of the decoupled weight decay, 0 for none.
  let decay: Double
  /// lr if an update is w ← w − lr·g and nothing else.
  let descentRate: T?
  /// The factors of update number t = 1, 2, ...
  let factors: @Sendable (_ t: Int) -> (Double, Double)
  /// An update of `count` parameters in one pass. `s` and `r` are the state; a rule with fewer
  /// slots leaves them alone.
  let update:
    @Sendable (
      _ factors: (Double, Double), _ w: Output, _ g: UnsafePointer<T>, _ s: Output, _ r: Output,
      _ count: Int,
      _ penalties: Penalties<T>
    ) -> Void

  init<R: Optimizer>(_ rule: R) {
    slots = R.slots
    decay = rule.decay
    descentRate = R.isPlainDescent ? T(rule.lr) : nil
    factors = { rule.factors(step: $0) }
    update = { factors, w, g, s, r, count, penalties in
      var rule = rule
      rule.use(factors)
      if penalties.areNone {
        updateEach(rule, w, g, s, r, count, decay: { $0 }, gradient: { $1 })
      } else {
        let (clip, l1, l2) = (penalties.clip, penalties.l1, penalties.l2)
        // w − lr·λ·w, for 1 − lr·λ would have lost most digits of lr·λ in single precision.
        let shrink = penalties.decays ? T(-rule.lr * rule.decay) : 0
        updateEach(
          rule, w, g, s, r, count, decay: { T.mulAdd(shrink, $0, $0) },
          gradient: { w, g in
            let sign: T = (w > 0 ? 1 : 0) - (w < 0 ? 1 : 0)
            return T.mulAdd(clip, g, T.mulAdd(l2, w, l1 * sign))
          })
      }
    }
  }
}

/// One pass over the parameters; `gradient` makes g of an element from its w and raw g, and
/// `decay` shrinks w before its update.
@inline(__always)
private func updateEach<R: Optimizer, T: Scalar>(
  _ rule: R, _ w: UnsafeMutablePointer<T>, _ g: UnsafePointer<T>, _ s: UnsafeMutablePointer<T>,
  _ r: UnsafeMutablePointer<T>, _ count: Int, decay: (T) -> T,
  gradient: (_ w: T, _ g: T) -> T
) {
  // R.slots is a constant here: two of the three loops vanish.
  var (unused, alsoUnused): (T, T) = (0, 0)
  switch R.slots {
  case 0:
    for i in 0..<count {
      w[i] = rule.update(decay(w[i]), gradient(w[i], g[i]), &unused, &alsoUnused)
    }
  case 1:
    for i in 0..<count {
      var state = s[i]
      w[i] = rule.update(decay(w[i]), gradient(w[i], g[i]), &state, &unused)
      s[i] = state
    }
  default:
    for i in 0..<count {
      var (first, second) = (s[i], r[i])
      w[i] = rule.update(decay(w[i]), gradient(w[i], g[i]), &first, &second)
      s[i] = first
      r[i] = second
    }
  }
}

/// An optimizer as the engine's list holds it: its description and its makers.
struct OptimizerEntry {
  let info: RuleInfo
  let float: @Sendable (RuleValues) -> OptimizerKernels<Float>
  let double: @Sendable (RuleValues) -> OptimizerKernels<Double>

  init<R: Optimizer>(_: R.Type) {
    info = R.info
    float = { OptimizerKernels<Float>(R($0)) }
    double = { OptimizerKernels<Double>(R($0)) }
  }

  /// Every optimizer the engine has. A new one is a file in this folder and a line here.
  static var all: [OptimizerEntry] {
    [
      .init(SGD.self),
      .init(Momentum.self),
      .init(Nesterov.self),
      .init(RMSprop.self),
      .init(Adagrad.self),
      .init(Adam.self),
      .init(AdamW.self),
      .init(AdamHat.self),
    ]
  }
}
