/// The engine's generator: xoshiro256**, seeded through splitmix64.
///
/// The same seed gives the same numbers on every platform and at every instruction-set
/// level: integers are exact, and the others need + − × ÷ and √ alone, each rounded by
/// itself. Period 2²⁵⁶ − 1. Blackman and Vigna, "Scrambled linear pseudorandom number
/// generators", ACM TOMS 47(4), 2021.
struct Random: Sendable {
  typealias State = (UInt64, UInt64, UInt64, UInt64)

  private var s0, s1, s2, s3: UInt64

  init(seed: UInt64) {
    var mix = SplitMix64(state: seed)
    (s0, s1, s2, s3) = (mix.next(), mix.next(), mix.next(), mix.next())
  }

  /// Everything the generator remembers. All zero is not a state (it would stay zero for
  /// ever); setting it gives the state of seed 0.
  var state: State {
    get { (s0, s1, s2, s3) }
    set {
      let isZero = newValue.0 | newValue.1 | newValue.2 | newValue.3 == 0
      (s0, s1, s2, s3) = isZero ? Random(seed: 0).state : newValue
    }
  }

  /// The next 64 bits.
  mutating func next() -> UInt64 {
    let result = rotate(s1 &* 5, 7) &* 9
    let t = s1 &<< 17
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= t
    s3 = rotate(s3, 45)
    return result
  }

  /// Uniform in [0, 1): a multiple of 2⁻⁵³.
  mutating func uniform() -> Double { Double(next() &>> 11) * 0x1p-53 }

  /// Uniform in 0..<n without bias; 0 for n = 0. Lemire, "Fast random integer generation in
  /// an interval", ACM TOMACS 29(1), 2019.
  mutating func below(_ n: UInt64) -> UInt64 {
    guard n > 0 else { return 0 }
    var product = next().multipliedFullWidth(by: n)
    if product.low < n {
      let threshold = (0 &- n) % n
      while product.low < threshold { product = next().multipliedFullWidth(by: n) }
    }
    return product.high
  }

  /// Normal with mean 0 and variance 1, by the polar method; its second value is dropped, so
  /// that `state` is all there is. Marsaglia and Bray, "A convenient method for generating
  /// normal variables", SIAM Review 6(3), 1964.
  mutating func normal() -> Double {
    while true {
      let u = 2 * uniform() - 1
      let v = 2 * uniform() - 1
      let s = u * u + v * v
      if s > 0, s < 1 { return u * (-2 * portableLog(s) / s).squareRoot() }
    }
  }

  /// Puts `count` elements into random order, each order being equally likely: Durstenfeld,
  /// "Algorithm 235: Random permutation", CACM 7(7), 1964.
  mutating func shuffle<Element>(_ elements: UnsafeMutablePointer<Element>, count: Int) {
    var i = count &- 1
    while i > 0 {
      let j = Int(truncatingIfNeeded: below(UInt64(truncatingIfNeeded: i) &+ 1))
      let element = elements[i]
      elements[i] = elements[j]
      elements[j] = element
      i &-= 1
    }
  }

  /// Draws an order of 0..<count of whose batches every full one has one number of each of
  /// `batchSize` stretches, count/batchSize long, and the last one numbers of some of them, evenly
  /// apart. So who has some stretches has the same share of every batch, up to one number: a
  /// stratified sample, Cochran, "Sampling techniques", 3rd edition, 1977, chapter 5.
  mutating func drawEvenly(
    _ order: UnsafeMutablePointer<Int32>, count: Int, batchSize: Int
  ) {
    let (full, rest) = count.quotientAndRemainder(dividingBy: batchSize)
    for j in 0..<batchSize {
      // What the last batch has of the stretches before this one, and with it.
      let (first, end) = (j * rest / batchSize, (j + 1) * rest / batchSize)
      func place(_ k: Int) -> Int { k < full ? k * batchSize + j : full * batchSize + first }
      // As in `shuffle`, and from inside: what comes in takes the place of another, or its own.
      for k in 0..<full + end - first {
        let other = place(Int(truncatingIfNeeded: below(UInt64(k + 1))))
        order[place(k)] = order[other]
        order[other] = Int32(truncatingIfNeeded: j * full + first + k)
      }
    }
  }
}

/// The sequence that spreads one seed over a larger state: Steele, Lea and Flood, "Fast
/// splittable pseudorandom number generators", OOPSLA 2014, with Vigna's constants.
struct SplitMix64 {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z &>> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z &>> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z &>> 31)
  }
}

@inline(__always)
private func rotate(_ x: UInt64, _ count: UInt64) -> UInt64 {
  (x &<< count) | (x &>> (64 &- count))
}

/// ln x for positive normal x, to 2 ULP, in the same bits everywhere.
///
/// x = 2ᵉm with m in [√½, √2), and ln m = 2 artanh s with s = (m − 1)/(m + 1), |s| < 0.172,
/// by its Taylor series.
func portableLog(_ x: Double) -> Double {
  let shifted = x.bitPattern &- 0x3fe6_a09e_667f_3bcd
  let e = Int64(bitPattern: shifted) &>> 52
  let m = Double(bitPattern: x.bitPattern &- UInt64(bitPattern: e &<< 52))
  let s = (m - 1) / (m + 1)
  let square = s * s
  var series = 1.0 / 21
  series = series * square + 1.0 / 19
  series = series * square + 1.0 / 17
  series = series * square + 1.0 / 15
  series = series * square + 1.0 / 13
  series = series * square + 1.0 / 11
  series = series * square + 1.0 / 9
  series = series * square + 1.0 / 7
  series = series * square + 1.0 / 5
  series = series * square + 1.0 / 3
  let exponent = Double(e)
  return exponent * 0x1.62e42fefa3800p-1
    + (2 * s + (2 * s * square * series + exponent * 0x1.ef35793c76730p-45))
}
