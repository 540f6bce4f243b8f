import CBridge
import Glibc
import Testing

@testable import SwiftBackprop

/// The slope at x by differences of fourth order.
private func slope(_ x: Double, step: Double = 1e-3, _ f: (Double) -> Double) -> Double {
  let near = f(x + step) - f(x - step)
  let far = f(x + 2 * step) - f(x - 2 * step)
  return (8 * near - far) / (12 * step)
}

private func isClose(_ x: Double, _ y: Double, _ tolerance: Double = 1e-9) -> Bool {
  x == y || abs(x - y) <= tolerance * (1 + abs(y))
}

extension RuleInfo {
  fileprivate var label: String { "\(name)" }
  fileprivate var hasKink: Bool { flags & SB_RULE_KINK != 0 }
  fileprivate var defaults: RuleValues { RuleValues(parameters.map { $0.standard }) }
}

extension ActivationKernels {
  /// σ, σ′ or σ″ at one point.
  fileprivate func callAsFunction(_ order: Int32, _ z: T) -> T {
    var (input, result) = (z, T.nan)
    apply(order, &input, &result, 1, 1)
    return result
  }
}

extension LossKernels {
  /// ℓ, ∂ℓ/∂a or ∂²ℓ/∂a² at one point.
  fileprivate func callAsFunction(_ order: Int32, _ a: T, _ t: T) -> T {
    var (output, target, result) = (a, t, T.nan)
    apply(order, &output, &target, &result, 1)
    return result
  }

  /// ℓ of one row from z, for elementwise partners.
  fileprivate func fused(_ z: T, _ a: T, _ t: T) -> T {
    var (z, a, t, cost) = (z, a, t, T.nan)
    costFused(false, &z, &a, &t, &cost, 1, 1)
    return cost
  }
}

@Suite struct RulesTests {
  @Test func everyRuleDescribesItself() {
    let kinds = [SB_ACTIVATION, SB_LOSS, SB_OPTIMIZER, SB_INITIALIZER]
    let lists = kinds.map { Rules.list($0) ?? [] }
    for infos in lists {
      #expect(Set(infos.map { $0.label }).count == infos.count)
      for info in infos {
        #expect(!info.label.isEmpty && !"\(info.title)".isEmpty)
        #expect("\(info.formula)".utf8.allSatisfy { 32...126 ~= $0 }, "\(info.label)")
        #expect(info.parameters.count <= Int(SB_MAX_PARAMETERS))
      }
    }
    let (activations, initializers) = (lists[0].map { $0.label }, lists[3].map { $0.label })
    for info in lists[0] { #expect(initializers.contains("\(info.partner)"), "\(info.label)") }
    for info in lists[1] { #expect(activations.contains("\(info.partner)"), "\(info.label)") }
    for info in lists[2] { #expect("\(info.parameters[0].name)" == "lr") }
  }

  // MARK: activations

  private var elementwise: [ActivationEntry] {
    ActivationEntry.all.filter { $0.info.flags & SB_RULE_ROWS == 0 }
  }

  @Test func activationDerivatives() {
    for entry in elementwise {
      let rule = entry.double(entry.info.defaults)
      for i in -80...80 {
        let z = Double(i) / 10 + 0.013
        if entry.info.hasKink && abs(z) < 0.01 { continue }
        let first = slope(z) { rule(0, $0) }
        let second = slope(z) { rule(1, $0) }
        #expect(isClose(rule(1, z), first), "\(entry.info.label)' at \(z)")
        #expect(isClose(rule(2, z), second), "\(entry.info.label)'' at \(z)")
      }
    }
  }

  @Test func activationsAtTheKink() {
    let slopes = ["relu": 0, "leaky_relu": 0.01, "elu": 1]
    for entry in elementwise where entry.info.hasKink {
      let rule = entry.double(entry.info.defaults)
      #expect(rule(1, 0) == slopes[entry.info.label], "\(entry.info.label)")
      #expect(rule(2, 0) == 0, "\(entry.info.label)")
    }
  }

  @Test func floatAgreesWithDouble() {
    for entry in elementwise {
      let float = entry.float(entry.info.defaults)
      let double = entry.double(entry.info.defaults)
      for i in -60...60 {
        let z = Double(i) / 8
        for order: Int32 in 0...2 {
          let difference = Double(float(order, Float(z))) - double(order, z)
          #expect(abs(difference) < 3e-6 * (1 + abs(double(0, z))), "\(entry.info.label) at \(z)")
        }
      }
    }
  }

  @Test func activationsAtInfinityAndNaN() {
    for entry in elementwise {
      let float = entry.float(entry.info.defaults)
      #expect(float(0, .nan).isNaN, "\(entry.info.label)")
      for order: Int32 in 0...2 {
        for z: Float in [-3e38, -1e30, -1e4, 1e4, 1e30, 3e38] {
          #expect(!float(order, z).isNaN, "\(entry.info.label), order \(order) at \(z)")
        }
      }
      #expect(!float(0, .infinity).isNaN && !float(0, -.infinity).isNaN, "\(entry.info.label)")
    }
  }

  @Test func gradientUsesOnlyWhatItSays() {
    for entry in elementwise {
      let rule = entry.double(entry.info.defaults)
      for z in [-2.5, -0.7, 0.4, 3.1] {
        var (a, g, kept, result) = (rule(0, z), 2.0, rule.needsZ ? z : .nan, 0.0)
        rule.gradient(&g, &kept, &a, &result, 1, 1)
        #expect(isClose(result, 2 * rule(1, z), 1e-15), "\(entry.info.label)")
        rule.gradientInPlace(&g, &kept, &a, 1, 1)
        #expect(g == result, "\(entry.info.label)")
      }
    }
  }

  @Test func geluKeepsItsNegativeTail() {
    let rule = ActivationKernels<Float>(GELU(RuleValues([])))
    // Below −12.9 Φ is subnormal, and its last place is 13 of gelu's.
    for i in 0..<1290 {
      let z = Float(-12.9) + Float(i) / 100
      let truth = Float80(z) * erfc(-Float80(z) / Float80(2).squareRoot()) / 2
      #expect(ulps(rule(0, z), from: truth) < 5)
    }
  }

  @Test func parametersMatter() {
    #expect(ActivationKernels<Double>(LeakyReLU(RuleValues([0.25])))(0, -2) == -0.5)
    #expect(ActivationKernels<Double>(LeakyReLU(RuleValues([2])))(0, -2) == -4)
    #expect(isClose(ActivationKernels<Double>(ELU(RuleValues([2])))(0, -1), 2 * expm1(-1), 1e-15))
    #expect(LossKernels<Double>(Huber(RuleValues([2])))(0, 5, 1) == 6)
  }

  // MARK: losses

  /// Outputs and targets inside the domain of every loss.
  private let outputs = [0.03, 0.2, 0.45, 0.77, 0.96]
  private let targets = [0.0, 0.3, 1.0]

  @Test func lossDerivatives() {
    for entry in LossEntry.all {
      let rule = entry.double(entry.info.defaults)
      for a in outputs {
        for t in targets {
          let first = slope(a) { rule(0, $0, t) }
          let second = slope(a) { rule(1, $0, t) }
          #expect(isClose(rule(1, a, t), first, 1e-5), "\(entry.info.label) \(a) \(t)")
          #expect(isClose(rule(2, a, t), second, 1e-4), "\(entry.info.label) \(a) \(t)")
        }
      }
    }
  }

  @Test func lossesFarOut() {
    let (huber, absolute) = (
      LossKernels<Double>(Huber(RuleValues([1]))),
      LossKernels<Double>(AbsoluteError(RuleValues([])))
    )
    for r in [-7.0, -1.5, 1.5, 7] {
      #expect(isClose(huber(1, r, 0), slope(r) { huber(0, $0, 0) }))
      #expect(isClose(absolute(1, r, 0), slope(r) { absolute(0, $0, 0) }))
      #expect(huber(2, r, 0) == 0 && absolute(2, r, 0) == 0)
    }
    #expect(absolute(1, 2, 2) == 0 && huber(1, 2, 2) == 0)
  }

  @Test func clippedOutsideTheDomain() {
    let epsilon = Double.ulpOfOne
    for entry in LossEntry.all where entry.info.flags & SB_RULE_CLIPS != 0 {
      let rule = entry.double(entry.info.defaults)
      for a in [-1.0, 0, epsilon / 2] {
        #expect(rule(0, a, 0.5) == rule(0, epsilon, 0.5), "\(entry.info.label)")
        #expect(rule(1, a, 0.5) == 0 && rule(2, a, 0.5) == 0, "\(entry.info.label)")
      }
      if entry.info.label != "poisson" {
        #expect(rule(0, 1, 0.5) == rule(0, 1 - epsilon, 0.5) && rule(1, 1, 0.5) == 0)
      }
      #expect(rule(0, .nan, 0.5).isNaN, "\(entry.info.label)")
    }
  }

  @Test func fusedFormsAgree() {
    for entry in LossEntry.all where entry.isFused && entry.info.label != "cross_entropy" {
      let rule = entry.double(entry.info.defaults)
      let partners = elementwise.filter { $0.info.label == "\(entry.info.partner)" }
      for partner in partners.map({ $0.double($0.info.defaults) }) {
        for z in [-4, -0.5, 0, 0.7, 3.0] {
          for t in targets {
            let a = partner(0, z)
            #expect(isClose(rule.fused(z, a, t), rule(0, a, t), 1e-12), "\(entry.info.label)")
            let first = slope(z) { rule.fused($0, partner(0, $0), t) }
            #expect(isClose(a - t, first), "\(entry.info.label)")
          }
        }
      }
    }
  }

  @Test func fusedFormsAreStable() {
    let binary = LossKernels<Float>(BinaryCrossEntropy(RuleValues([])))
    #expect(binary.fused(1000, 1, 1) == 0 && binary.fused(-1000, 0, 0) == 0)
    #expect(binary.fused(1000, 1, 0) == 1000 && binary.fused(-1000, 0, 1) == 1000)
    let poisson = LossKernels<Double>(Poisson(RuleValues([])))
    #expect(poisson.fused(-1000, 0, 2) == 2000)
  }

  // MARK: optimizers

  /// One step of a rule's textbook form on (w, s, r) with gradient g, for update t.
  private typealias Step =
    @Sendable (inout Double, inout Double, inout Double, Double, Double) -> Void

  private let formulas: [String: Step] = [
    "sgd": { w, _, _, g, _ in w -= 0.01 * g },
    "momentum": { w, v, _, g, _ in
      v = 0.9 * v + g
      w -= 0.01 * v
    },
    "nesterov": { w, v, _, g, _ in
      v = 0.9 * v + g
      w -= 0.01 * (g + 0.9 * v)
    },
    "rmsprop": { w, s, _, g, _ in
      s = 0.9 * s + 0.1 * g * g
      w -= 0.001 * g / (sqrt(s) + 1e-8)
    },
    "adagrad": { w, s, _, g, _ in
      s += g * g
      w -= 0.01 * g / (sqrt(s) + 1e-10)
    },
    "adam": adam,
    "adamw": { w, m, v, g, t in
      w -= 0.001 * 0.01 * w
      adam(&w, &m, &v, g, t)
    },
    "adam_hat": { w, m, v, g, t in
      m = 0.9 * m + 0.1 * g
      v = 0.999 * v + 0.001 * g * g
      w -= 0.001 * sqrt(1 - pow(0.999, t)) / (1 - pow(0.9, t)) * m / (sqrt(v) + 1e-8)
    },
  ]

  private static let adam: Step = { w, m, v, g, t in
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g * g
    let (first, second) = (m / (1 - pow(0.9, t)), v / (1 - pow(0.999, t)))
    w -= 0.001 * first / (sqrt(second) + 1e-8)
  }

  /// The largest relative distance from the formula over 3000 steps on a rough slope.
  private func drift<T: Scalar>(
    _ kernels: OptimizerKernels<T>, _ formula: Step
  ) -> Double {
    var penalties = Penalties<T>()
    penalties.decays = kernels.decay != 0
    var (w, s, r, worst) = (0.7, 0.0, 0.0, 0.0)
    var (x, first, second) = (T(w), T(0), T(0))
    var random = Random(seed: 5)
    for t in 1...3000 {
      // Steps of very different size, and none at times.
      let g = t % 7 == 0 ? 0 : Double(Float(random.normal() * pow(10, 3 * random.uniform() - 2)))
      formula(&w, &s, &r, g, Double(t))
      var gradient = T(g)
      kernels.update(kernels.factors(t), &x, &gradient, &first, &second, 1, penalties)
      worst = max(worst, abs(Double(x) - w) / (1 + abs(w)))
    }
    return worst
  }

  @Test func optimizersFollowTheirFormulas() throws {
    for entry in OptimizerEntry.all {
      let formula = try #require(formulas[entry.info.label], "\(entry.info.label)")
      #expect(drift(entry.double(entry.info.defaults), formula) < 1e-12, "\(entry.info.label)")
      #expect(drift(entry.float(entry.info.defaults), formula) < 1e-5, "\(entry.info.label)")
    }
  }

  // MARK: initializers

  @Test func initialWeightsHaveTheirVariance() {
    let variances = [
      "glorot_uniform": 2.0 / 500, "glorot_normal": 2.0 / 500, "he_uniform": 2.0 / 300,
      "he_normal": 2.0 / 300, "lecun_uniform": 1.0 / 300, "lecun_normal": 1.0 / 300, "zeros": 0,
    ]
    for entry in InitializerEntry.all {
      var weights = [Float](repeating: 1, count: 60_000)
      var random = Random(seed: 1)
      let spread = entry.spread(entry.info.defaults, 300, 200)
      weights.withUnsafeMutableBufferPointer { buffer in
        if let base = buffer.baseAddress { spread.draw(&random, into: base, count: buffer.count) }
      }
      let squares = weights.reduce(0) { $0 + Double($1) * Double($1) } / 60_000
      let expected = variances[entry.info.label] ?? .nan
      #expect(abs(squares - expected) <= 0.03 * expected, "\(entry.info.label)")
    }
  }
}
