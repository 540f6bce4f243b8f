import CBridge

/// A matrix from outside, of any numeric type and strides, to be used in place or read row
/// by row.
struct Source {
  private(set) var array: sb_array
  /// What integers are multiplied with when they are read.
  private(set) var scale = 1.0

  var rows: Int { Int(array.rows) }
  var cols: Int { Int(array.cols) }

  /// Whether every element is finite by its type.
  var isInteger: Bool { array.dtype >= SB_INT8 && array.dtype <= SB_BOOL }

  init(_ array: sb_array) throws(EngineError) {
    guard array.rows >= 0, array.cols >= 0, array.data != nil || array.rows == 0 else {
      throw .value("an array without data")
    }
    guard array.dtype >= SB_FLOAT32, array.dtype <= SB_LONG_DOUBLE else {
      throw .type("an array of an element type the engine does not know (\(array.dtype))")
    }
    self.array = array
  }

  /// The same array with its integers, if it holds any, to be scaled.
  func scaled(by scale: Double) -> Source {
    var source = self
    if isInteger { source.scale = scale }
    return source
  }

  /// The shape as Python writes it.
  var shape: Message { array.ndim == 1 ? "(\(rows),)" : "(\(rows), \(cols))" }

  /// The matrix where it lies, if BLAS can read it there: aligned, of type T, one stride the
  /// item's size and the other at least the length across.
  func inPlace<T: Scalar>(_: T.Type) -> Matrix<T>? {
    let size = MemoryLayout<T>.stride
    guard array.dtype == T.dtype, array.swapped == 0, let data = array.data,
      Int(bitPattern: data) % size == 0
    else { return nil }
    let base = data.assumingMemoryBound(to: T.self)
    if cols == 1 || array.col_stride == size {
      if rows == 1 { return Matrix(base, rows, cols) }
      if let stride = stride(array.row_stride, atLeast: cols, size) {
        return Matrix(base, rows, cols, stride: stride)
      }
    }
    if rows == 1 || array.row_stride == size {
      if let stride = stride(array.col_stride, atLeast: rows, size) {
        return Matrix(base, rows, cols, stride: stride, transposed: true)
      }
    }
    return nil
  }

  private func stride(_ bytes: Int64, atLeast length: Int, _ size: Int) -> Int? {
    let count = Int(bytes) / size
    guard Int(bytes) % size == 0, count >= Swift.max(1, length), count <= Int(Int32.max) else {
      return nil
    }
    return count
  }

  /// Columns `range` of this array.
  func columns(_ range: Range<Int>) -> Source {
    var part = self
    part.array.data = array.data.map { $0 + range.lowerBound * Int(array.col_stride) }
    part.array.cols = Int64(range.count)
    return part
  }

  /// The selected rows, converted, into `out` [rows.count, cols], whose rows lie `stride` apart
  /// (dense by default).
  @inline(never)
  func read<T: Scalar>(
    _ rows: RowSelection, into out: UnsafeMutablePointer<T>, stride: Int? = nil
  ) {
    guard let data = array.data else { return }
    let stride = stride ?? cols
    let size = itemSize
    let isDense = array.swapped == 0 && (cols == 1 || array.col_stride == Int64(size))
    withUnsafeTemporaryAllocation(byteCount: 512, alignment: 16) { scratch in
      guard let scratch = scratch.baseAddress else { return }
      for n in 0..<rows.count {
        let row = data + rows[n] &* Int(array.row_stride)
        let to = out + n &* stride
        var first = 0
        while first < cols {
          let count = isDense ? cols : Swift.min(512 / size, cols &- first)
          if !isDense { gather(row, first, count, size, into: scratch) }
          let from = isDense ? row : UnsafeRawPointer(scratch)
          if array.dtype == T.dtype {
            memcpy(to + first, from, count &* size)
          } else {
            convert(from, to + first, count)
          }
          first &+= count
        }
      }
    }
    guard scale != 1 else { return }
    let factor = T(scale)
    for n in 0..<rows.count {
      let row = out + n &* stride
      for j in 0..<cols { row[j] *= factor }
    }
  }

  /// Bytes of an element.
  private var itemSize: Int {
    switch array.dtype {
    case SB_INT8, SB_UINT8, SB_BOOL: 1
    case SB_FLOAT16, SB_INT16, SB_UINT16: 2
    case SB_FLOAT32, SB_INT32, SB_UINT32: 4
    case SB_FLOAT64, SB_INT64, SB_UINT64: 8
    default: 16
    }
  }

  /// to ← `count` elements that lie side by side
  private func convert<T: Scalar>(
    _ from: UnsafeRawPointer, _ to: UnsafeMutablePointer<T>, _ count: Int
  ) {
    switch array.dtype {
    case SB_FLOAT32: each(from, to, count) { (x: Float) in T(x) }
    case SB_FLOAT64: each(from, to, count) { (x: Double) in T(x) }
    case SB_FLOAT16: each(from, to, count) { (x: UInt16) in T(float(half: x)) }
    case SB_INT8: each(from, to, count) { (x: Int8) in T(x) }
    case SB_INT16: each(from, to, count) { (x: Int16) in T(x) }
    case SB_INT32: each(from, to, count) { (x: Int32) in T(x) }
    case SB_INT64: each(from, to, count) { (x: Int64) in T(x) }
    case SB_UINT8: each(from, to, count) { (x: UInt8) in T(x) }
    case SB_UINT16: each(from, to, count) { (x: UInt16) in T(x) }
    case SB_UINT32: each(from, to, count) { (x: UInt32) in T(x) }
    case SB_UINT64: each(from, to, count) { (x: UInt64) in T(x) }
    case SB_BOOL: each(from, to, count) { (x: UInt8) in x == 0 ? 0 : 1 }
    default: for j in 0..<count { to[j] = T(sb_long_double(from + j &* itemSize)) }
    }
  }

  @inline(__always)
  private func each<S: BitwiseCopyable, T: Scalar>(
    _ from: UnsafeRawPointer, _ to: UnsafeMutablePointer<T>, _ count: Int, _ convert: (S) -> T
  ) {
    let size = MemoryLayout<S>.stride
    for j in 0..<count {
      to[j] = convert(from.loadUnaligned(fromByteOffset: j &* size, as: S.self))
    }
  }

  /// `count` elements of a row from column `first` on, side by side and in this machine's order
  /// of bytes.
  @inline(never)
  private func gather(
    _ row: UnsafeRawPointer, _ first: Int, _ count: Int, _ size: Int,
    into scratch: UnsafeMutableRawPointer
  ) {
    func gather<Word: FixedWidthInteger & BitwiseCopyable>(_: Word.Type) {
      let to = scratch.assumingMemoryBound(to: Word.self)
      for j in 0..<count {
        let word = row.loadUnaligned(
          fromByteOffset: (first &+ j) &* Int(array.col_stride), as: Word.self)
        to[j] = array.swapped == 0 ? word : word.byteSwapped
      }
    }
    switch size {
    case 1: gather(UInt8.self)
    case 2: gather(UInt16.self)
    case 4: gather(UInt32.self)
    case 8: gather(UInt64.self)
    default:  // long doubles
      for j in 0..<count {
        memcpy(scratch + j &* size, row + (first &+ j) &* Int(array.col_stride), size)
      }
    }
  }

  /// The class index in column 0 of a row; for integer types only. Beyond Int's range its
  /// largest value.
  @inline(never)
  func index(_ row: Int) -> Int {
    guard let data = array.data else { return Int.max }
    let p = data + row &* Int(array.row_stride)
    func load<S: FixedWidthInteger & BitwiseCopyable>(_: S.Type) -> Int {
      let x = p.loadUnaligned(as: S.self)
      return Int(exactly: array.swapped == 0 ? x : x.byteSwapped) ?? Int.max
    }
    switch array.dtype {
    case SB_INT8: return load(Int8.self)
    case SB_INT16: return load(Int16.self)
    case SB_INT32: return load(Int32.self)
    case SB_INT64: return load(Int64.self)
    case SB_UINT16: return load(UInt16.self)
    case SB_UINT32: return load(UInt32.self)
    case SB_UINT64: return load(UInt64.self)
    case SB_BOOL: return p.loadUnaligned(as: UInt8.self) == 0 ? 0 : 1
    default: return load(UInt8.self)
    }
  }
}

/// Which rows of a data set are meant: a range, or a list of row numbers.
struct RowSelection {
  let first: Int
  let count: Int
  let list: UnsafePointer<Int32>?

  init(_ range: Range<Int>) {
    first = range.lowerBound
    count = range.count
    list = nil
  }

  init(_ list: UnsafePointer<Int32>, count: Int) {
    first = 0
    self.count = count
    self.list = list
  }

  /// Rows `range` of the selected ones.
  subscript(range: Range<Int>) -> RowSelection {
    if let list { return RowSelection(list + range.lowerBound, count: range.count) }
    return RowSelection(first + range.lowerBound..<first + range.upperBound)
  }

  subscript(n: Int) -> Int {
    if let list { Int(list[n]) } else { first &+ n }
  }
}

/// The value of an IEEE half-precision bit pattern. By integers, because the baseline
/// instruction set has no such conversion.
@inline(__always)
private func float(half: UInt16) -> Float {
  let magnitude = UInt32(half & 0x7FFF)
  // Moved to float's place the exponent is 112 too small; the product mends it, for
  // subnormal halves as well.
  let scaled =
    Float(bitPattern: magnitude << 13) * Float(sign: .plus, exponent: 112, significand: 1)
  let value = magnitude >= 0x7C00 ? Float(bitPattern: magnitude << 13 | 0x7F80_0000) : scaled
  return half & 0x8000 == 0 ? value : -value
}

/// The array behind a pointer that may be NULL.
func optional(_ array: UnsafePointer<sb_array>?) throws(EngineError) -> Source? {
  guard let array else { return nil }
  return try Source(array.pointee)
}
