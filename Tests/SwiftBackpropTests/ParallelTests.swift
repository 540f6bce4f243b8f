import CBridge
import Glibc
import Testing

@testable import SwiftBackprop

@Suite struct ParallelTests {
  @Test(arguments: [1, 2, 3, 7])
  func sharesCoverEverythingOnce(parts: Int) {
    for (count, unit) in [(1, 1), (5, 1), (10, 8), (64, 8), (100, 8), (3, 1)] {
      let plan = Plan(rows: 32 * parts, work: 1e12, threads: parts)
      #expect(plan.parts == parts)
      let shares = (0..<parts).map { plan.share($0, of: count, unit: unit) }
      #expect(shares.flatMap { Array($0) } == Array(0..<count))
    }
  }

  @Test func littleWorkStaysOnOneThread() {
    #expect(Plan(rows: 16, work: 1e5, threads: 8).parts == 1)
    #expect(Plan(rows: 1, work: 1e12, threads: 8).parts == 1)
    #expect(Plan(rows: 63, work: 1e12, threads: 8).parts == 1)
    #expect(Plan(rows: 512, work: 1e12, threads: 8).parts == 8)
  }

  @Test func everyPartRunsOnceFromManyThreads() {
    // Four threads at once, of which one has the pool and the others work alone.
    struct Job { static let rounds = 2000 }
    var threads = [pthread_t](repeating: 0, count: 4)
    for i in threads.indices {
      pthread_create(
        &threads[i], nil,
        { _ in
          var failures = 0
          for round in 0..<Job.rounds {
            let parts = 1 + round % 5
            let runs = UnsafeMutablePointer<Int>.allocate(capacity: parts)
            runs.update(repeating: 0, count: parts)
            concurrently(parts) { runs[$0] += 1 }
            for part in 0..<parts where runs[part] != 1 { failures += 1 }
            runs.deallocate()
          }
          return UnsafeMutableRawPointer(bitPattern: failures)
        }, nil)
    }
    for thread in threads {
      var failures: UnsafeMutableRawPointer?
      pthread_join(thread, &failures)
      #expect(failures == nil)
    }
  }
}
