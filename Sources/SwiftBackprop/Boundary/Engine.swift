import CBridge

/// What the entry points ask of a network, whatever its scalar type. Class-bound, because
/// Embedded Swift has no other existentials.
protocol Engine: AnyObject {
  var layout: Layout { get }
  var steps: Int { get set }
  var l1: Double { get set }
  var l2: Double { get set }
  var clipNorm: Double { get set }
  var sharesPenalties: Bool { get set }
  var maxNorm: Double { get set }
  var inputScale: Double { get set }
  var precision: Precision { get }
  var roundsFactors: Bool { get set }
  var dropout: [Double] { get }
  var isTrainable: [Bool] { get }
  var random: Random { get set }
  var slotCount: Int { get }
  var blockRows: Int { get }
  var workPerRow: Double { get }

  func copied() throws(EngineError) -> any Engine
  func drawOrder(_ order: UnsafeMutablePointer<Int32>, count: Int)
  func reset(seed: UInt64)
  func canUseInPlace(_ x: Source) -> Bool
  func forward(_ x: Source, by method: Method, training: Bool) throws(EngineError)
  func forward(from first: Int) throws(EngineError)
  var questions: UnsafeMutablePointer<sb_question>? { get set }
  func releaseInput()
  func backward(_ y: Source, weights: Source?, accumulate: Bool, by method: Method)
    throws(EngineError) -> Double
  func step() throws(EngineError)
  func view(_ what: Int32, _ m: Int) throws(EngineError) -> sb_view
  func setDropout(_ m: Int, _ rate: Double) throws(EngineError)
  func setTrainable(_ m: Int, _ isTrainable: Bool) throws(EngineError)
  func setPrecision(_ code: Double) throws(EngineError)
  func hyperparameter(_ index: Int) throws(EngineError) -> Double
  func setHyperparameter(_ index: Int, _ value: Double) throws(EngineError)
  func plan(rows: Int64, threads: Int32) -> Plan
  func productKernel(of quantity: Int32, _ m: Int, rows: Int64, _ plan: Plan) throws(EngineError)
    -> ProductKernel
  func predict(_ x: Source, _ range: Range<Int>, into out: UnsafeMutableRawPointer)
    throws(EngineError)
  func evaluation(x: Source, y: Source, weights: Source?) throws(EngineError)
    -> any EvaluationSession
  func fit(_ config: sb_fit_config) throws(EngineError) -> any FitSession

  // Derivatives to study; a BlockIterator says where they are and when to pause.
  func jacobian(
    _ x: Source, _ task: JacobianTask, into out: UnsafeMutableRawPointer,
    _ blocks: inout BlockIterator
  ) throws(EngineError)
  func inputGradient(
    _ x: Source, _ y: Source, weights: Source?, perExample: Bool,
    into out: UnsafeMutableRawPointer, _ blocks: inout BlockIterator
  ) throws(EngineError)
  func gradientNorms(
    _ x: Source, _ y: Source, perLayer: Bool, into out: UnsafeMutableRawPointer,
    _ blocks: inout BlockIterator
  ) throws(EngineError)
  func hessianProduct(
    _ x: Source, _ y: Source, weights: Source?, _ v: Source, into out: UnsafeMutableRawPointer,
    _ blocks: inout BlockIterator
  ) throws(EngineError)
}

/// An evaluation in slices.
protocol EvaluationSession: AnyObject {
  var outputs: UnsafeMutableRawPointer? { get set }
  /// Works for about that long; true at the end.
  func run(for nanoseconds: Int64) throws(EngineError) -> Bool
  func metrics() throws(EngineError) -> sb_metrics
}

/// A training in slices.
protocol FitSession: AnyObject {
  /// lr for the batches of an epoch, from the next batch on; empty to leave it alone.
  var rates: [Double] { get set }
  var outputs: UnsafeMutableRawPointer? { get set }
  /// Makes the gradients of the last batch complete.
  func settle()
  func run(for nanoseconds: Int64) throws(EngineError)
  var progress: sb_progress { get }
  func record(_ epoch: Int) throws(EngineError) -> sb_epoch
}

// Only the classes below have the protocols, not the generic ones: a table of witnesses for
// Network<T> would keep a copy of the whole engine for any T in every pass of the compiler, to be
// thrown away at the end.

final class FloatNetwork: Network<Float>, Engine {
  func copied() throws(EngineError) -> any Engine { try FloatNetwork(copying: self) }

  func evaluation(x: Source, y: Source, weights: Source?) throws(EngineError)
    -> any EvaluationSession
  {
    try FloatEvaluation(self, x: x, y: y, weights: weights)
  }

  func fit(_ config: sb_fit_config) throws(EngineError) -> any FitSession {
    try FloatFitLoop(self, config)
  }
}

final class DoubleNetwork: Network<Double>, Engine {
  func copied() throws(EngineError) -> any Engine { try DoubleNetwork(copying: self) }

  func evaluation(x: Source, y: Source, weights: Source?) throws(EngineError)
    -> any EvaluationSession
  {
    try DoubleEvaluation(self, x: x, y: y, weights: weights)
  }

  func fit(_ config: sb_fit_config) throws(EngineError) -> any FitSession {
    try DoubleFitLoop(self, config)
  }
}

final class FloatEvaluation: Evaluation<Float>, EvaluationSession {}
final class DoubleEvaluation: Evaluation<Double>, EvaluationSession {}
final class FloatFitLoop: FitLoop<Float>, FitSession {}
final class DoubleFitLoop: FitLoop<Double>, FitSession {}

// What else `Engine` asks for, of networks of any number type.
extension Network {
  var slotCount: Int { slots.count }

  func canUseInPlace(_ x: Source) -> Bool { x.inPlace(T.self) != nil }

  func predict(_ x: Source, _ range: Range<Int>, into out: UnsafeMutableRawPointer)
    throws(EngineError)
  {
    try predict(x, range, into: out.assumingMemoryBound(to: T.self))
  }

  func jacobian(
    _ x: Source, _ task: JacobianTask, into out: UnsafeMutableRawPointer,
    _ blocks: inout BlockIterator
  ) throws(EngineError) {
    try jacobian(x, task, into: out.assumingMemoryBound(to: T.self), &blocks)
  }

  func inputGradient(
    _ x: Source, _ y: Source, weights: Source?, perExample: Bool,
    into out: UnsafeMutableRawPointer, _ blocks: inout BlockIterator
  ) throws(EngineError) {
    try inputGradient(
      x, y, weights: weights, perExample: perExample, into: out.assumingMemoryBound(to: T.self),
      &blocks)
  }

  func gradientNorms(
    _ x: Source, _ y: Source, perLayer: Bool, into out: UnsafeMutableRawPointer,
    _ blocks: inout BlockIterator
  ) throws(EngineError) {
    try gradientNorms(
      x, y, perLayer: perLayer, into: out.assumingMemoryBound(to: T.self), &blocks)
  }

  func hessianProduct(
    _ x: Source, _ y: Source, weights: Source?, _ v: Source, into out: UnsafeMutableRawPointer,
    _ blocks: inout BlockIterator
  ) throws(EngineError) {
    try hessianProduct(
      x, y, weights: weights, v, into: out.assumingMemoryBound(to: T.self), &blocks)
  }
}
