import Glibc
import Testing

@testable import SwiftBackprop

@Suite struct RandomTests {
  /// The outputs of the authors' C programs.
  @Test func xoshiroVectors() {
    var random = Random(seed: 0)
    random.state = (1, 2, 3, 4)
    let expected: [UInt64] = [
      11520, 0, 1_509_978_240, 1_215_971_899_390_074_240, 1_216_172_134_540_287_360,
      607_988_272_756_665_600, 16_172_922_978_634_559_625, 8_476_171_486_693_032_832,
      10_595_114_339_597_558_777, 2_904_607_092_377_533_576,
    ]
    #expect(expected.map { _ in random.next() } == expected)
  }

  @Test func splitMixVectors() {
    var mix = SplitMix64(state: 1_234_567)
    let expected: [UInt64] = [
      6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
      4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
    ]
    #expect(expected.map { _ in mix.next() } == expected)
  }

  @Test func seedFillsTheStateBySplitMix() {
    var mix = SplitMix64(state: 42)
    let state = Random(seed: 42).state
    #expect([state.0, state.1, state.2, state.3] == (0..<4).map { _ in mix.next() })
  }

  @Test func stateContinuesTheStream() {
    var first = Random(seed: 3)
    _ = first.normal()
    var second = Random(seed: 9)
    second.state = first.state
    #expect(first.next() == second.next())
    #expect(first.normal() == second.normal())
  }

  @Test func zeroStateIsReplaced() {
    var random = Random(seed: 5)
    random.state = (0, 0, 0, 0)
    #expect(random.state == Random(seed: 0).state)
  }

  @Test func uniformHas53Bits() {
    var random = Random(seed: 1)
    var sum = 0.0
    for _ in 0..<100_000 {
      let x = random.uniform()
      #expect((0..<1).contains(x))
      #expect(x * 0x1p53 == (x * 0x1p53).rounded())
      sum += x
    }
    #expect(abs(sum / 100_000 - 0.5) < 0.005)
  }

  @Test func belowIsUniform() {
    var random = Random(seed: 2)
    var counts = [Int](repeating: 0, count: 7)
    for _ in 0..<70_000 { counts[Int(random.below(7))] += 1 }
    #expect(counts.allSatisfy { abs($0 - 10_000) < 500 })
    // Half of the 64-bit words are rejected here.
    let large: UInt64 = 1 << 63 + 1
    for _ in 0..<1000 { #expect(random.below(large) < large) }
    #expect(random.below(0) == 0 && random.below(1) == 0)
  }

  @Test func portableLogIsAccurate() {
    var random = Random(seed: 4)
    for _ in 0..<50_000 {
      for x in [random.uniform() + 0x1p-60, exp(1400 * random.uniform() - 700)] {
        #expect(ulps(portableLog(x), from: log(Float80(x))) < 2)
      }
    }
    #expect(portableLog(1) == 0)
  }

  @Test func normalHasItsMoments() {
    var random = Random(seed: 6)
    let n = 200_000.0
    var (first, second, third, fourth) = (0.0, 0.0, 0.0, 0.0)
    for _ in 0..<Int(n) {
      let x = random.normal()
      first += x / n
      second += x * x / n
      third += x * x * x / n
      fourth += x * x * x * x / n
    }
    #expect(abs(first) < 0.01 && abs(second - 1) < 0.02)
    #expect(abs(third) < 0.03 && abs(fourth - 3) < 0.1)
  }

  /// The same bits on every platform and at every instruction-set level.
  @Test func normalBits() {
    var random = Random(seed: 0)
    var hash: UInt64 = 0
    for _ in 0..<10_000 { hash = hash &* 31 &+ random.normal().bitPattern }
    #expect(hash == 9_393_550_465_666_522_971)
  }

  @Test func shuffleIsAPermutation() {
    var random = Random(seed: 11)
    var order = (0..<1000).map { Int32($0) }
    order.withUnsafeMutableBufferPointer { buffer in
      if let base = buffer.baseAddress { random.shuffle(base, count: 1000) }
    }
    #expect(order != (0..<1000).map { Int32($0) })
    #expect(order.sorted() == (0..<1000).map { Int32($0) })
  }

  /// Who has one row in three has, up to one, a third of every batch.
  @Test(arguments: [(1000, 32), (64, 64), (65, 64), (7, 1), (10, 4), (999, 500)])
  func evenOrders(count: Int, batchSize: Int) {
    var random = Random(seed: 13)
    var order = [Int32](repeating: -1, count: count)
    order.withUnsafeMutableBufferPointer { buffer in
      if let base = buffer.baseAddress {
        random.drawEvenly(base, count: count, batchSize: batchSize)
      }
    }
    #expect(order.sorted() == (0..<Int32(count)).map { $0 })
    for start in stride(from: 0, to: count, by: batchSize) {
      let batch = order[start..<min(start + batchSize, count)]
      for part in [0..<count / 3, count / 3..<count / 2, count / 2..<count] {
        let share = Double(part.count * batch.count) / Double(count)
        let own = batch.filter { part.contains(Int($0)) }
        #expect(abs(Double(own.count) - share) < 2)
      }
    }
  }

  @Test func evenOrdersAreAllAlike() {
    var random = Random(seed: 14)
    var counts: [[Int32]: Int] = [:]
    for _ in 0..<60_000 {
      var order: [Int32] = [0, 0, 0, 0, 0, 0]
      order.withUnsafeMutableBufferPointer { buffer in
        if let base = buffer.baseAddress { random.drawEvenly(base, count: 6, batchSize: 2) }
      }
      counts[order, default: 0] += 1
    }
    // 3! orders of each half.
    #expect(counts.count == 36 && counts.values.allSatisfy { abs($0 - 1667) < 250 })
  }

  @Test func shuffleGivesEveryOrderAlike() {
    var random = Random(seed: 12)
    var counts: [[Int64]: Int] = [:]
    for _ in 0..<60_000 {
      var order: [Int64] = [0, 1, 2]
      order.withUnsafeMutableBufferPointer { buffer in
        if let base = buffer.baseAddress { random.shuffle(base, count: 3) }
      }
      counts[order, default: 0] += 1
    }
    #expect(counts.count == 6 && counts.values.allSatisfy { abs($0 - 10_000) < 500 })
  }
}
