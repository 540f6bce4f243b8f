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
  fileprivate var defaults: RuleValues { RuleValues(parameters.map { $0.defaultValue }) }
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

  /// ℓ of one row from z, for elementwise outputs.
  fileprivate func fused(_ z: T, _ a: T, _ t: T) -> T {
    var (z, a, t, cost) = (z, a, t, T.nan)
    costFused?(&z, &a, &t, &cost, 1, 1)
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
    for info in lists[0] {
      #expect(initializers.contains("\(info.defaultInitializer)"), "\(info.label)")
    }
    for info in lists[1] {
      #expect(activations.contains("\(info.canonicalOutput)"), "\(info.label)")
    }
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
        let first = slope(z) { rule(0, $0) }
        let second = slope(z) { rule(1, $0) }
        #expect(isClose(rule(1, z), first), "\(entry.info.label)' at \(z)")
        #expect(isClose(rule(2, z), second), "\(entry.info.label)'' at \(z)")
      }
    }
  }

  /// σ at every size a number can have, and densely where the rules bend.
  private func growsAtMostLinearly<T: Scalar>(_ rule: ActivationKernels<T>, _ points: [T]) -> Bool {
    var a = points
    rule.value(points, &a, 1, points.count)
    return zip(points, a).allSatisfy { $1.magnitude <= $0.magnitude + 1 }
  }

  /// What rules say of their growth is true, in both types and whatever their parameters: the
  /// check for overflow rests on it. One that could say so and does not costs a pass over a.
  @Test func activationsGrowAsTheySay() {
    var random = Random(seed: 3)
    var points = (-10_000...10_000).map { Double($0) / 512 }
    for exponent in -149...127 {
      for _ in 0..<8 { points.append(scalbn(1 + random.uniform(), Int32(exponent))) }
    }
    points += points.map { -$0 }
    let wide =
      points + (-1074...1023).flatMap { [scalbn(1.7, Int32($0)), -scalbn(1.7, Int32($0))] }
    let narrow = points.map { Float($0) }
    for entry in elementwise {
      for factor in [1, 0, 0.25, 1.5, 40] {
        let values = entry.info.parameters.map { $0.defaultValue * factor }
        let areAllowed = zip(values, entry.info.parameters).allSatisfy {
          (try? Rules.check($0, $1, of: entry.info)) != nil
        }
        guard areAllowed && (factor == 1 || !values.isEmpty) else { continue }
        let (float, double) = (entry.float(RuleValues(values)), entry.double(RuleValues(values)))
        let label = "\(entry.info.label) with parameters times \(factor)"
        let isBounded = growsAtMostLinearly(float, narrow) && growsAtMostLinearly(double, wide)
        #expect(isBounded || !float.growsAtMostLinearly, "\(label)")
        #expect(float.growsAtMostLinearly == double.growsAtMostLinearly, "\(label)")
        if factor == 1 { #expect(float.growsAtMostLinearly == isBounded, "\(label)") }
      }
    }
  }

  @Test func activationsAtTheKink() {
    for entry in elementwise where entry.info.hasKink {
      let rule = entry.double(entry.info.defaults)
      // One of the slopes beside it, as a subgradient is.
      let slopes = [rule(1, -1e-12), rule(1, 0), rule(1, 1e-12)]
      let isOneSided = isClose(slopes[1], slopes[0]) || isClose(slopes[1], slopes[2])
      #expect(isOneSided, "\(entry.info.label)")
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
      if rule.domain != .nonNegative {
        #expect(rule(0, 1, 0.5) == rule(0, 1 - epsilon, 0.5) && rule(1, 1, 0.5) == 0)
      }
      #expect(rule(0, .nan, 0.5).isNaN, "\(entry.info.label)")
    }
  }

  @Test func fusedFormsAgree() {
    for entry in LossEntry.all where entry.info.flags & SB_RULE_FUSED != 0 {
      let rule = entry.double(entry.info.defaults)
      let outputs = elementwise.filter { $0.info.label == "\(entry.info.canonicalOutput)" }
      for output in outputs.map({ $0.double($0.info.defaults) }) {
        for z in [-4, -0.5, 0, 0.7, 3.0] {
          for t in targets {
            let a = output(0, z)
            #expect(isClose(rule.fused(z, a, t), rule(0, a, t), 1e-12), "\(entry.info.label)")
            let first = slope(z) { rule.fused($0, output(0, $0), t) }
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

  /// w after each of 3000 steps on a rough slope. That they are the right ones, the reference
  /// in tests_py knows.
  private func path<T: Scalar>(_ kernels: OptimizerKernels<T>) -> [Double] {
    var penalties = Penalties<T>()
    penalties.decays = kernels.decay != 0
    var (w, first, second) = (T(0.7), T(0), T(0))
    var random = Random(seed: 5)
    return (1...3000).map { t in
      // Steps of very different size, and none at times.
      let g = t % 7 == 0 ? 0 : Float(random.normal() * pow(10, 3 * random.uniform() - 2))
      var gradient = T(Double(g))
      kernels.update(kernels.factors(t), &w, &gradient, &first, &second, 1, penalties)
      return Double(w)
    }
  }

  @Test func optimizersAgreeInBothTypes() {
    for entry in OptimizerEntry.all {
      let double = path(entry.double(entry.info.defaults))
      let float = path(entry.float(entry.info.defaults))
      #expect(Set(double).count > 2000, "\(entry.info.label)")
      let apart = zip(float, double).map { abs($0 - $1) / (1 + abs($1)) }.max() ?? .nan
      #expect(apart < 1e-5, "\(entry.info.label)")
    }
  }

  // MARK: initializers

  @Test func initialWeightsHaveTheirVariance() {
    for entry in InitializerEntry.all {
      var weights = [Float](repeating: 1, count: 60_000)
      var random = Random(seed: 1)
      let spread = entry.spread(entry.info.defaults, 300, 200)
      weights.withUnsafeMutableBufferPointer { buffer in
        if let base = buffer.baseAddress { spread.draw(&random, into: base, count: buffer.count) }
      }
      let squares = weights.reduce(0) { $0 + Double($1) * Double($1) } / 60_000
      let expected =
        switch spread {
        case .constant(let value): value * value
        case .uniform(let limit): limit * limit / 3
        case .normal(let deviation): deviation * deviation
        }
      #expect(abs(squares - expected) <= 0.03 * expected, "\(entry.info.label)")
    }
  }
}
