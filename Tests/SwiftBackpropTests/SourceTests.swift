import CBridge
import Testing

@testable import SwiftBackprop

/// An array description over memory that stays alive and in its place while it is used: that of
/// an argument which is a Swift array, or `&x`, ends with the call.
private func array<S>(
  _ data: UnsafePointer<S>, _ rows: Int, _ cols: Int, _ dtype: Int32, rowStride: Int? = nil,
  colStride: Int? = nil, swapped: Bool = false
) -> sb_array {
  let size = MemoryLayout<S>.stride
  return sb_array(
    data: data, rows: Int64(rows), cols: Int64(cols),
    row_stride: Int64(rowStride ?? size * cols), col_stride: Int64(colStride ?? size),
    dtype: dtype, ndim: 2, swapped: swapped ? 1 : 0, reserved: 0)
}

/// Calls `body` with dense `values`, which live until it returns.
private func withSource<S>(
  _ values: [S], _ rows: Int, _ cols: Int, _ dtype: Int32, swapped: Bool = false,
  _ body: (Source) throws -> Void
) throws {
  try values.withUnsafeBufferPointer { values in
    let base = try #require(values.baseAddress)
    try body(Source(array(base, rows, cols, dtype, swapped: swapped)))
  }
}

@Suite struct SourceTests {
  @Test func everyTypeIsRead() throws {
    func check<S: FixedWidthInteger>(_: S.Type, _ dtype: Int32) throws {
      try withSource([1, 2, 3, S.max], 2, 2, dtype) { source in
        var out = [Double](repeating: 0, count: 4)
        source.read(RowSelection(0..<2), into: &out)
        #expect(out == [1, 2, 3, Double(S.max)])
        #expect(source.index(1) == 3)
      }
    }
    try check(Int8.self, SB_INT8)
    try check(Int16.self, SB_INT16)
    try check(Int32.self, SB_INT32)
    try check(Int64.self, SB_INT64)
    try check(UInt8.self, SB_UINT8)
    try check(UInt16.self, SB_UINT16)
    try check(UInt32.self, SB_UINT32)
    try check(UInt64.self, SB_UINT64)
  }

  @Test func halvesAreExact() throws {
    // 1, −2, the largest, the smallest subnormal, ∞, 0.
    let halves: [UInt16] = [0x3C00, 0xC000, 0x7BFF, 0x0001, 0x7C00, 0x8000]
    var out = [Float](repeating: 0, count: 6)
    try withSource(halves, 1, 6, SB_FLOAT16) { $0.read(RowSelection(0..<1), into: &out) }
    #expect(out == [1, -2, 65504, 0x1p-24, .infinity, 0])
    var nan: Float = 0
    try withSource([UInt16(0x7E00)], 1, 1, SB_FLOAT16) {
      $0.read(RowSelection(0..<1), into: &nan)
    }
    #expect(nan.isNaN)
  }

  @Test func stridesAndByteOrder() throws {
    let values: [Float] = [1, 2, 3, 4, 5, 6]
    var out = [Double](repeating: 0, count: 4)
    // Backwards rows of every second column.
    try values.withUnsafeBufferPointer { values in
      let last = values.baseAddress! + 3
      let source = try Source(array(last, 2, 2, SB_FLOAT32, rowStride: -12, colStride: 8))
      source.read(RowSelection(0..<2), into: &out)
      #expect(source.inPlace(Float.self) == nil)
    }
    #expect(out == [4, 6, 1, 3])
    let swapped = values.map { Float(bitPattern: $0.bitPattern.byteSwapped) }
    try withSource(swapped, 2, 2, SB_FLOAT32, swapped: true) {
      $0.read(RowSelection(0..<2), into: &out)
    }
    #expect(out == [1, 2, 3, 4])
  }

  @Test func whatBLASCanReadStaysInPlace() {
    let values = [Float](repeating: 0, count: 64)
    values.withUnsafeBufferPointer { buffer in
      let p = buffer.baseAddress!
      func fits(_ a: sb_array) -> Bool { (try? Source(a))?.inPlace(Float.self) != nil }
      #expect(fits(array(p, 4, 3, SB_FLOAT32)))
      #expect(fits(array(p, 4, 3, SB_FLOAT32, rowStride: 20)))  // row-strided
      #expect(fits(array(p, 4, 3, SB_FLOAT32, rowStride: 4, colStride: 16)))  // Fortran
      #expect(!fits(array(p, 4, 3, SB_FLOAT32, rowStride: 0)))  // broadcast
      #expect(!fits(array(p, 4, 3, SB_FLOAT32, rowStride: 8)))  // overlapping rows
      #expect(!fits(array(p, 4, 3, SB_FLOAT32, rowStride: 14)))  // odd stride
      #expect(!fits(array(p, 4, 3, SB_FLOAT64)))
      #expect(!fits(array(p, 4, 3, SB_FLOAT32, swapped: true)))
      let raw = UnsafeRawPointer(p) + 1
      #expect(!fits(array(raw.assumingMemoryBound(to: Float.self), 4, 3, SB_FLOAT32)))
    }
  }

  @Test func longMessagesAreCutBetweenCharacters() {
    var error = sb_error()
    String(repeating: "σ′", count: 600).withCString {
      EngineError.value("\(cString: $0)").write(to: &error)
    }
    let message = text(error)
    #expect(message.utf8.count < Int(SB_MESSAGE_SIZE))
    #expect(message.allSatisfy { $0 == "σ" || $0 == "′" })
  }
}
