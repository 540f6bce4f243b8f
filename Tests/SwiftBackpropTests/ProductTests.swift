import CBridge
import Testing

@testable import SwiftBackprop

/// The engine's own products against the sums written out, edges of tiles included.
struct ProductTests {
  @Test(arguments: [8, 9, 15, 16, 31], [1, 7, 8, 9, 31, 32, 33, 47, 48, 65])
  func rowsAndColumnsBesideTheTiles(rows: Int, cols: Int) throws {
    for depth in [1, 2, 19] {
      for transposed in [false, true] {
        for keeps in [false, true] {
          try check(Float.self, rows, cols, depth, transposed, keeps)
          try check(Double.self, rows, cols, depth, transposed, keeps)
        }
      }
    }
  }

  /// Both factors either way round; several blocks of rows, of terms, and strips of columns.
  @Test(arguments: [(8, 1), (13, 31), (32, 32), (9, 70), (520, 33)])
  func packedFactors(rows: Int, cols: Int) throws {
    for depth in rows > 100 ? [5] : [1, 7, 16, 37, 300] {
      for (transposed, second) in [(false, false), (true, false), (false, true), (true, true)] {
        try checkPacked(Float.self, rows, cols, depth, transposed, second, keeps: depth % 2 == 1)
        try checkPacked(Double.self, rows, cols, depth, transposed, second, keeps: depth % 2 == 1)
      }
    }
  }

  /// Blocks of rows, of terms and strips of columns, and the stack where there is no memory: whole
  /// numbers below 256 are bfloat16, so that their sums are exact.
  @Test(arguments: [(1, 1, 1), (33, 31, 100), (70, 200, 600), (800, 33, 70)])
  func roundedFactors(rows: Int, cols: Int, depth: Int) throws {
    let a = try numbers(Float.self, rows * depth, 7)
    let b = try numbers(Float.self, depth * cols, 5)
    let (left, right) = (Matrix(a.base, rows, depth), Matrix(b.base, cols, depth).transpose)
    for pieces in 1...Int32(SB_BF16_MAX_PIECES) {
      for scratch in [sb_scratch(), nil] {
        let c = try numbers(Float.self, rows * cols + 1, 3)
        let before = Array(UnsafeBufferPointer(start: c.base, count: c.count))
        roundedProduct(
          left, right, into: c.base, keeps: true, factor: -2, pieces: pieces, scratch: scratch)
        var wrong = 0
        for i in 0..<rows {
          for j in 0..<cols {
            var sum: Float = 0
            for k in 0..<depth { sum += a.base[i * depth + k] * b.base[j * depth + k] }
            if c.base[i * cols + j] != before[i * cols + j] - 2 * sum { wrong += 1 }
          }
        }
        #expect(wrong == 0, "\(pieces) pieces, with memory: \(scratch != nil)")
        #expect(c.base[rows * cols] == before[rows * cols], "nothing behind C is written")
      }
    }
  }

  @Test func automaticPrecisionGoesBySizes() {
    func rounds(_ rows: Int, _ before: Int, _ units: Int, _ hasTileUnit: Bool = true) -> Bool {
      Precision.automatic(rows: rows, before: before, units: units, hasTileUnit: hasTileUnit)
        == .bf16x3
    }
    #expect(rounds(64, 256, 256) && !rounds(64, 256, 255))
    #expect(!rounds(512, 2048, 10) && !rounds(32, 2048, 2048))
    #expect(!rounds(64, 256, 256, false))
    #expect(!Precision.auto.rounds(terms: 100) && !Precision.bf16x3.rounds(terms: 64))
    #expect(Precision.bf16x3.rounds(terms: 65) && Precision.bfloat16.rounds(terms: 1))
  }

  private func checkPacked<T: Scalar>(
    _: T.Type, _ rows: Int, _ cols: Int, _ depth: Int, _ first: Bool, _ second: Bool, keeps: Bool
  ) throws {
    let a = try numbers(T.self, rows * depth, 7)
    let b = try numbers(T.self, depth * cols, 5)
    let c = try numbers(T.self, rows * cols + 1, 3)
    let before = Array(UnsafeBufferPointer(start: c.base, count: c.count))
    let (left, right) = (
      first ? Matrix(a.base, depth, rows).transpose : Matrix(a.base, rows, depth),
      second ? Matrix(b.base, cols, depth).transpose : Matrix(b.base, depth, cols)
    )
    let scratch = try #require(sb_scratch())
    #expect(sb_scratch() == scratch, "a thread keeps its own")
    for copies in second && b.count <= 1024 ? [false, true] : [false] {
      c.base.update(from: before, count: c.count)
      // What is not kept is not read either.
      if !keeps { for i in 0..<rows * cols { c.base[i] = .nan } }
      if copies {
        let copy = right.copied(into: scratch.assumingMemoryBound(to: T.self))
        product(left, copy, into: c.base, keeps: keeps, factor: -2)
      } else {
        packedProduct(left, right, into: c.base, keeps: keeps, factor: -2, scratch: scratch)
      }
      var wrong = 0
      for i in 0..<rows {
        for j in 0..<cols {
          var sum: T = 0
          for k in 0..<depth {
            let aik = a.base[first ? k * rows + i : i * depth + k]
            sum += aik * b.base[second ? j * depth + k : k * cols + j]
          }
          if c.base[i * cols + j] != (keeps ? before[i * cols + j] : 0) - 2 * sum { wrong += 1 }
        }
      }
      #expect(wrong == 0, "[\(rows), \(depth)] x [\(depth), \(cols)], \(first), \(second)")
      #expect(c.base[rows * cols] == before[rows * cols], "nothing behind C is written")
    }
  }

  /// Small whole numbers, so that every order of summing gives the same.
  private func check<T: Scalar>(
    _: T.Type, _ rows: Int, _ cols: Int, _ depth: Int, _ transposed: Bool, _ keeps: Bool
  ) throws {
    let a = try numbers(T.self, rows * depth, 7)
    let b = try numbers(T.self, depth * cols, 5)
    let c = try numbers(T.self, rows * cols + 1, 3)
    let before = Array(UnsafeBufferPointer(start: c.base, count: c.count))
    if !keeps { for i in 0..<rows * cols { c.base[i] = .nan } }
    let stored =
      transposed ? Matrix(a.base, depth, rows).transpose : Matrix(a.base, rows, depth)
    product(stored, Matrix(b.base, depth, cols), into: c.base, keeps: keeps, factor: -2)
    for i in 0..<rows {
      for j in 0..<cols {
        var sum: T = keeps ? before[i * cols + j] : 0
        for k in 0..<depth {
          sum -= 2 * a.base[transposed ? k * rows + i : i * depth + k] * b.base[k * cols + j]
        }
        #expect(c.base[i * cols + j] == sum, "(\(i), \(j)) of \(rows) x \(cols), depth \(depth)")
      }
    }
    #expect(c.base[rows * cols] == before[rows * cols], "nothing behind C is written")
  }

  private func numbers<T: Scalar>(_: T.Type, _ count: Int, _ modulus: Int) throws -> Storage<T> {
    let storage = try Storage<T>(count: count)
    for i in 0..<count { storage.base[i] = T((i * i + 3 * i) % modulus - modulus / 2) }
    return storage
  }
}
