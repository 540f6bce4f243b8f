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

  /// Small whole numbers, so that every order of summing gives the same.
  private func check<T: Scalar>(
    _: T.Type, _ rows: Int, _ cols: Int, _ depth: Int, _ transposed: Bool, _ keeps: Bool
  ) throws {
    let a = try numbers(T.self, rows * depth, 7)
    let b = try numbers(T.self, depth * cols, 5)
    let c = try numbers(T.self, rows * cols + 1, 3)
    let before = Array(UnsafeBufferPointer(start: c.base, count: c.count))
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
