import CBridge

// Dropout, inverted: in training a(m) = σ(z(m)) ⊙ r(m), where every number of r(m) [N, D(m)] is
// 0 with probability p(m), else 1/(1 − p(m)); so E[a(m)] = σ(z(m)), and evaluation has nothing to
// do. Backward: grad_z(m) = Jᵀ (grad_a(m) ⊙ r(m)). Srivastava, Hinton, Krizhevsky, Sutskever and
// Salakhutdinov, "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014.

/// The masks of one training pass.
///
/// They are stored nowhere: a number of a mask is a function of the pass' key, the layer, the
/// row and the unit. So backward makes the same mask as forward, and threads may split the rows
/// in any way.
struct Masks {
  let key: UInt64
  /// p(m) in place m − 1, in memory of `Network.rates`: plain numbers alone, for a tape that
  /// counted references would cost small networks time at every step
  let rates: UnsafePointer<Double>
  /// The places in the batch of the rows of a pass, where other processes have the rows between
  /// them; nil for 0, 1, ...
  var places: UnsafePointer<Int32>?

  /// The mask of layer m; nil if nothing is dropped there.
  func mask<T: Scalar>(_ m: Int, _: T.Type) -> Mask<T>? {
    let rate = rates[m - 1]
    guard rate > 0 else { return nil }
    var layer = SplitMix64(state: key &+ UInt64(truncatingIfNeeded: m))
    return Mask(key: layer.next(), rate: rate, places: places)
  }
}

/// The mask of one layer, r(m) [N, D(m)].
struct Mask<T: Scalar> {
  private let key: UInt64
  private let threshold: UInt32
  /// 1 − p
  let keep: T
  private let scale: T
  private let places: UnsafePointer<Int32>?

  init(key: UInt64, rate: Double, places: UnsafePointer<Int32>?) {
    (self.key, self.places) = (key, places)
    threshold = UInt32(Swift.min(rate * 0x1p32, 0x1p32 - 1))
    keep = T(1 - rate)
    scale = T(1 / (1 - rate))
  }

  /// x ← x ⊙ r, for rows first, first + 1, ... of the pass; x [rows, cols]
  @inline(never)
  func apply(to x: UnsafeMutablePointer<T>, first: Int, _ rows: Int, _ cols: Int) {
    let (threshold, scale) = (threshold, scale)
    for n in 0..<rows {
      let row = x + n &* cols
      let place = places.map { Int($0[first &+ n]) } ?? first &+ n
      // Number `place` of a SplitMix64 sequence, in one step.
      var numbers = SplitMix64(
        state: key &+ UInt64(truncatingIfNeeded: place) &* 0x9e37_79b9_7f4a_7c15)
      let bits = numbers.next()
      let (low, high) = (
        UInt32(truncatingIfNeeded: bits), UInt32(truncatingIfNeeded: bits &>> 32)
      )
      for j in 0..<cols {
        let xj = row[j]
        let isKept = mixed(UInt32(truncatingIfNeeded: j), low, high) >= threshold
        row[j] = isKept ? xj * scale : 0
      }
    }
  }
}

/// 32 random bits of unit j: its multiple of the golden ratio, displaced by the row's bits and
/// mixed, in operations that become vector code. The constants are those of Wellons' search,
/// github.com/skeeto/hash-prospector.
@inline(__always)
private func mixed(_ j: UInt32, _ low: UInt32, _ high: UInt32) -> UInt32 {
  var x = j &* 0x9e37_79b9 &+ low
  x = (x ^ (x &>> 16)) &* 0x21f0_aaad
  x ^= high
  x = (x ^ (x &>> 15)) &* 0x735a_2d97
  return x ^ (x &>> 15)
}

extension Network {
  /// The masks of the next training pass, nil if no layer drops anything. The generator
  /// gives one number for all of them.
  func drawMasks() -> Masks? {
    rates.map { Masks(key: random.next(), rates: $0.base) }
  }

  /// p of layer m.
  func setDropout(_ m: Int, _ rate: Double) throws(EngineError) {
    guard m >= 1, m <= layout.layers else { throw EngineError.noOption }
    guard rate >= 0, rate < 1 else {
      throw .value(
        "dropout of layer \(m) must be a number in [0, 1), the probability to drop a unit")
    }
    var changed = dropout
    changed[m - 1] = rate
    // New memory: the last pass may still look at the old one, which it keeps.
    rates = try changed.contains { $0 > 0 } ? Storage(changed) : nil
    dropout = changed
  }

  /// r(m) [N, D(m)] of the last training pass.
  func maskView(_ m: Int) throws(EngineError) -> sb_view {
    guard let pass, let masks = pass.masks else {
      throw .order("call forward with training=True first, on a network with dropout")
    }
    let cols = layout.sizes[m]
    let (count, overflow) = pass.rows.multipliedReportingOverflow(by: cols)
    guard !overflow else { throw .memory(bytes: Int.max) }
    let storage = try Storage<T>(count: count)
    storage.fill(1)
    masks.mask(m, T.self)?.apply(to: storage.base, first: 0, pass.rows, cols)
    return makeView(storage.block, storage.base, [pass.rows, cols], readonly: true)
  }

  /// The largest factor by which a mask multiplies.
  func largestScale(_ masks: Masks?) -> Double {
    guard let masks else { return 1 }
    return (0..<layout.layers).reduce(1) { Swift.max($0, 1 / (1 - masks.rates[$1])) }
  }
}
