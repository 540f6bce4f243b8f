import CBridge

// The explicit forward and backward of a network with functions of the caller's. Other calls may
// come while one of these waits for an answer, so each has memory of its own until it ends.

/// An explicit forward on its way.
final class ExternalForward<T: Scalar> {
  fileprivate let quantities: ActivationBuffers<T>
  fileprivate let normMemory: NormMemory<T>?
  fileprivate let rates: Storage<Double>?
  fileprivate var tape: Tape<T>

  fileprivate init(_ network: Network<T>, _ input: Matrix<T>, training: Bool) throws(EngineError) {
    if training { try network.checkBatch(rows: input.rows) }
    let masks = training ? network.drawMasks() : nil
    network.forgetPass()
    quantities = try network.forwardPool.take(rows: input.rows, layout: network.layout)
    normMemory = network.norms.isEmpty ? nil : try NormMemory(network, rows: input.rows)
    rates = network.rates
    tape = Tape(
      input: input, z: quantities.z, a: quantities.a, masks: masks,
      norms: normMemory?.begin(network, training: training))
  }

  fileprivate var owners: PassOwners {
    PassOwners(
      forward: quantities.block, backward: quantities.block,
      between: normMemory?.block ?? quantities.block)
  }
}

/// An explicit backward on its way.
final class ExternalBackward<T: Scalar> {
  fileprivate let pass: Pass<T>
  fileprivate let quantities: ActivationBuffers<T>
  fileprivate let targets: TargetMemory<T>
  fileprivate let weight: Double
  /// The tape of the pass, and the same with σ′(z(m)) where z(m) was
  fileprivate let tape: Tape<T>
  fileprivate let slopes: SlopeTape<T>
  private let normMemory: NormMemory<T>?

  fileprivate init(
    _ network: Network<T>, _ pass: Pass<T>, _ input: Matrix<T>, _ targets: TargetMemory<T>,
    weight: Double
  ) throws(EngineError) {
    (self.pass, self.targets, self.weight) = (pass, targets, weight)
    normMemory = network.normMemory
    let quantities = try network.backwardPool.take(rows: pass.rows, layout: network.layout)
    self.quantities = quantities
    tape = Tape(
      input: input, z: pass.forward.z, a: pass.forward.a, gradZ: quantities.z,
      gradA: quantities.a, masks: pass.masks, norms: pass.norms, isForwardDone: true)
    slopes = try SlopeTape(tape, network)
  }

  fileprivate var owners: PassOwners {
    PassOwners(
      forward: pass.forward.block, backward: quantities.block,
      between: normMemory?.block ?? quantities.block)
  }
}

/// A tape whose z(m), or u(m), is memory of its own in the layers of the caller's: the numbers of
/// an explicit pass are there to be looked at, and σ′ must not take their place.
final class SlopeTape<T: Scalar> {
  let tape: Tape<T>
  let owners: PassOwners
  private let lists: Block

  init(_ given: Tape<T>, _ network: Network<T>) throws(EngineError) {
    let (rows, layers) = (given.input.rows, network.layout.layers)
    var count = 0
    for m in network.external?.layers ?? [] { count += rows * network.layout.sizes[m] }
    let storage = try Storage<T>(count: count)
    owners = PassOwners(
      forward: storage.block, backward: storage.block, between: storage.block)
    let pointers = (LayerPointers<T>.bytes(layers) + 63) / 64 * 64
    lists = try Block(byteCount: pointers + layers * MemoryLayout<NormLayer<T>?>.stride)
    var next = storage.base
    func own(_ m: Int) -> UnsafeMutablePointer<T>? {
      guard network.isExternal(m) else { return nil }
      defer { next += rows * network.layout.sizes[m] }
      return next
    }
    var tape = given
    let places = (1...layers).map { own($0) }
    tape.z = LayerPointers(lists, layers: layers) { m in
      let isBefore = given.norms?.layer(m)?.norm.isAfter == false
      return isBefore ? given.z[m - 1] : places[m - 1] ?? given.z[m - 1]
    }
    if let norms = given.norms {
      let list = (lists.base + pointers).bindMemory(to: NormLayer<T>?.self, capacity: layers)
      for m in 1...layers {
        let layer = norms.layer(m)
        (list + m - 1).initialize(
          to: layer?.norm.isAfter == false
            ? layer?.with(between: places[m - 1]) : layer)
      }
      tape.norms = Norms(layers: list, stops: norms.stops, stopCount: norms.stopCount)
    }
    self.tape = tape
  }
}

extension NormLayer {
  /// The same with other memory between normalisation and σ.
  fileprivate func with(between other: UnsafeMutablePointer<T>?) -> NormLayer {
    NormLayer(
      norm: norm, between: other ?? between, mean: mean, scale: scale, center: center,
      slope: slope, variance: variance, gradOut: gradOut, gradIn: gradIn)
  }
}

extension Network {
  /// `forward` of a network with functions of the caller's.
  func forwardAsking(_ input: Matrix<T>, training: Bool) throws(EngineError) {
    let key = Continuation<T>.Key(kind: .forward, rows: input.rows, first: training ? 1 : 0)
    try asking(key) { (call) throws(EngineError) in
      let work: ExternalForward<T>
      if let begun = call.explicit {
        work = begun
      } else {
        work = try ExternalForward(self, input, training: training)
        call.explicit = work
      }
      work.tape.input = input
      try forward(&work.tape, work.owners, asking: call)
      follow(work.tape)
      forgetPass()
      normMemory = work.normMemory
      pass = Pass(
        input: input, rows: input.rows, forward: work.quantities, masks: work.tape.masks,
        rates: work.rates, norms: work.tape.norms)
    }
  }

  /// `backward` of such a network, on the pass at hand. Returns C.
  func backwardAsking(
    _ current: Pass<T>, _ input: Matrix<T>, accumulate: Bool,
    _ read: (TargetMemory<T>) throws(EngineError) -> Double
  ) throws(EngineError) -> Double {
    let key = Continuation<T>.Key(
      kind: .backward, rows: current.rows, first: accumulate ? 1 : 0, last: passNumber)
    return try asking(key) { (call) throws(EngineError) in
      let work: ExternalBackward<T>
      if let begun = call.backward {
        work = begun
      } else {
        let targets = try TargetMemory<T>(rows: current.rows, outputs: layout.sizes[layout.layers])
        let weight = try read(targets)
        work = try ExternalBackward(self, current, input, targets, weight: weight)
        call.backward = work
      }
      try askCosts(work.tape, work.targets, work.owners, call)
      try askGradients(
        work.tape, slopes: work.slopes.tape, work.targets, work.owners,
        slopeOwners: work.slopes.owners, lowest: 1, call)
      if let old = pass?.backward { backwardPool.give(old) }
      pass?.backward = work.quantities
      pass?.inputGradient = nil
      pass?.state = .forward
      return try finishBackward(
        work.slopes.tape, work.targets, weight: work.weight, accumulate: accumulate, by: .matrices)
    }
  }
}
