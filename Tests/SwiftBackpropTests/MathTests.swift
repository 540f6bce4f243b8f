import Glibc
import Testing

@testable import SwiftBackprop

/// An elementary function in both types, and in extended precision as the reference.
struct Elementary: Sendable, CustomTestStringConvertible {
  let testDescription: String
  /// The largest errors in ULP that Functions.swift promises.
  let limits: (float: Double, double: Double)
  let float: @Sendable (Float) -> Float
  let double: @Sendable (Double) -> Double
  let reference: @Sendable (Float80) -> Float80
  /// Where its values are interesting: for `Float` and for `Double`.
  let floatRange: ClosedRange<Double>
  let doubleRange: ClosedRange<Double>

  static let all: [Elementary] = [
    .init(
      testDescription: "exp", limits: (1.1, 1.1), float: Float.exp, double: Double.exp,
      reference: { exp($0) },
      floatRange: -106...90, doubleRange: -750...712),
    .init(
      testDescription: "expm1", limits: (1.5, 2), float: Float.expm1, double: Double.expm1,
      reference: { expm1($0) }, floatRange: -20...90, doubleRange: -40...712),
    .init(
      testDescription: "log", limits: (0.9, 0.9), float: Float.log, double: Double.log,
      reference: { log($0) },
      floatRange: 1e-3...10, doubleRange: 1e-3...10),
    .init(
      testDescription: "log1p", limits: (1.5, 1.5), float: Float.log1p, double: Double.log1p,
      reference: { log1p($0) }, floatRange: -1...10, doubleRange: -1...10),
    .init(
      testDescription: "tanh", limits: (2.6, 2.6), float: Float.tanh, double: Double.tanh,
      reference: { tanh($0) },
      floatRange: -12...12, doubleRange: -22...22),
    .init(
      testDescription: "sigmoid", limits: (2.4, 2.4), float: Float.sigmoid, double: Double.sigmoid,
      reference: { $0 > 0 ? 1 / (1 + exp(-$0)) : exp($0) / (1 + exp($0)) },
      floatRange: -110...30, doubleRange: -750...50),
    .init(
      testDescription: "normalCDF", limits: (3, 3.4), float: Float.normalCDF,
      double: Double.normalCDF,
      reference: { erfc(-$0 * squareRootOfHalf) / 2 }, floatRange: -14.5...6,
      doubleRange: -39...9),
    .init(
      testDescription: "normalPDF", limits: (1.5, 1.6), float: Float.normalPDF,
      double: Double.normalPDF,
      reference: { exp(-$0 * $0 / 2) * squareRootOfHalf / Float80.pi.squareRoot() },
      floatRange: -14.5...14.5, doubleRange: -39...39),
  ]
}

private let squareRootOfHalf = Float80(0.5).squareRoot()

/// The distance of `value` from the truth in units of the last place that the type has there.
func ulps<T: BinaryFloatingPoint>(_ value: T, from truth: Float80) -> Double {
  if truth.isNaN || value.isNaN { return truth.isNaN == value.isNaN ? 0 : .infinity }
  let rounded = T(truth)
  if value.isInfinite || rounded.isInfinite {
    // ∞ next to the largest finite number is one step.
    if value == rounded { return 0 }
    return value.nextDown == rounded || value.nextUp == rounded ? 1 : .infinity
  }
  return Double(abs(Float80(value) - truth) / Float80(rounded.ulp))
}

@Suite struct MathTests {
  /// Bit patterns at random, the interesting range, magnitudes around 1, and the edges.
  func samples<T: Scalar>(_ range: ClosedRange<Double>, _: T.Type = T.self) -> [T] {
    var random = Random(seed: 7)
    var samples: [T] = [
      0, -0.0, 1, -1, .infinity, -.infinity, .nan, .leastNonzeroMagnitude,
      -.leastNonzeroMagnitude, .leastNormalMagnitude, -.leastNormalMagnitude,
      .greatestFiniteMagnitude, -.greatestFiniteMagnitude,
    ]
    for _ in 0..<20_000 {
      samples.append(T(bits: T.Bits(truncatingIfNeeded: random.next())))
      let width = range.upperBound - range.lowerBound
      samples.append(T(range.lowerBound + width * random.uniform()))
      samples.append(T((2 * random.uniform() - 1) * 0x1p-30 * exp(25 * random.uniform())))
    }
    return samples
  }

  @Test(arguments: Elementary.all)
  func floatIsAccurate(_ function: Elementary) {
    var worst = (error: 0.0, x: Float(0))
    for x: Float in samples(function.floatRange) {
      let error = ulps(function.float(x), from: function.reference(Float80(x)))
      if error > worst.error { worst = (error, x) }
    }
    #expect(worst.error <= function.limits.float, "at \(worst.x)")
  }

  @Test(arguments: Elementary.all)
  func doubleIsAccurate(_ function: Elementary) {
    var worst = (error: 0.0, x: 0.0)
    for x: Double in samples(function.doubleRange) {
      let error = ulps(function.double(x), from: function.reference(Float80(x)))
      if error > worst.error { worst = (error, x) }
    }
    #expect(worst.error <= function.limits.double, "at \(worst.x)")
  }

  @Test func edges() {
    edges(of: Float.self)
    edges(of: Double.self)
  }

  func edges<T: Scalar>(of _: T.Type) {
    #expect(T.exp(0) == 1 && T.exp(.infinity) == .infinity && T.exp(-.infinity) == 0)
    #expect(T.exp(-1e4) == 0 && T.exp(1e4) == .infinity)
    #expect(T.expm1(-.infinity) == -1 && T.expm1(.infinity) == .infinity && T.expm1(0) == 0)
    #expect(T.log(0) == -.infinity && T.log(1) == 0 && T.log(.infinity) == .infinity)
    #expect(T.log(-1).isNaN && T.log(-.infinity).isNaN)
    #expect(T.log1p(-1) == -.infinity && T.log1p(0) == 0 && T.log1p(.infinity) == .infinity)
    #expect(T.log1p(-2).isNaN)
    #expect(T.tanh(.infinity) == 1 && T.tanh(-.infinity) == -1)
    #expect(T.tanh(-0.0).sign == .minus && T.tanh(0).sign == .plus)
    #expect(T.sigmoid(0) == 0.5 && T.sigmoid(.infinity) == 1 && T.sigmoid(-.infinity) == 0)
    #expect(T.normalCDF(-.infinity) == 0 && T.normalCDF(.infinity) == 1)
    #expect(T.normalPDF(.infinity) == 0)
    #expect(T.sqrt(2) == T(2).squareRoot() && T.sqrt(-1).isNaN)
  }

  @Test func resultsStayInTheirRange() {
    var random = Random(seed: 8)
    for _ in 0..<20_000 {
      let x = 60 * random.uniform() - 30
      #expect(abs(Float.tanh(Float(x))) <= 1 && abs(Double.tanh(x)) <= 1)
      #expect((0...1).contains(Float.sigmoid(Float(x))) && (0...1).contains(Double.sigmoid(x)))
      #expect((0...1).contains(Double.normalCDF(x)))
    }
  }

  @Test func bitsAreTheMagnitudesOrder() {
    #expect(Float.infinityBits == Float.infinity.bitPattern)
    #expect(Double.infinityBits == Double.infinity.bitPattern)
    #expect(Float.epsilon == .ulpOfOne && Double.epsilon == .ulpOfOne)
    #expect(Float(bits: Float(2.5).bits) == 2.5 && Double(bits: 2.5.bits) == 2.5)
  }

  @Test func mulAdd() {
    // Of exact products the two forms agree.
    #expect(Float.mulAdd(3, 4, 5) == 17)
    #expect(Double.mulAdd(3, 4, 5) == 17)
  }
}
