import CBridge

// Large matrix products, in the manner of Goto and van de Geijn ("Anatomy of high-performance
// matrix multiplication", 2008): both operands are brought into the order in which the tiles
// read them, a block of A for the second-level cache, a strip of B for the first. W lies one way
// and is needed both ways; a copy in passing costs less than a stride.

/// How much is packed at a time.
struct Blocks<T: Scalar> {
  /// Columns of a strip of B.
  static var cols: Int { 2 * T.Vector.scalarCount }
  /// Strips that are packed together: rows far apart are not worth going to for one.
  static var strips: Int { 4 }
  /// Terms of a sum at a time: 256, if a vector has 64 bytes.
  static var depth: Int { Int(SB_SCRATCH_STRIPS) / (strips * cols * MemoryLayout<T>.stride) }
  /// Rows of A at a time.
  static var rows: Int { Int(SB_SCRATCH_BLOCK) / (depth * MemoryLayout<T>.stride) }
}

/// out[k·width + i] ← p[i·across + k·along] for i < count and k < depth, 0 from count to width:
/// what is at an edge, number by number.
private func packEdge<T: Scalar>(
  _ p: UnsafePointer<T>, across: Int, along: Int, _ count: Int, depth: Int, width: Int,
  into out: UnsafeMutablePointer<T>
) {
  for k in 0..<depth {
    let to = out + k &* width
    for i in 0..<count { to[i] = p[i &* across &+ k &* along] }
    for i in count..<width { to[i] = 0 }
  }
}

/// out[k·tileRows + i] ← p[k·stride + i]
@inline(never)
private func packRows<T: Scalar>(
  _ p: UnsafePointer<T>, _ stride: Int, _ depth: Int, into out: UnsafeMutablePointer<T>
) {
  for k in 0..<depth {
    memcpy(out + k &* tileRows, p + k &* stride, tileRows &* MemoryLayout<T>.stride)
  }
}

/// The same, two vectors wide, for strips side by side, which come one after the other.
@inline(never)
private func packWideRows<T: Scalar>(
  _ p: UnsafePointer<T>, _ stride: Int, _ depth: Int, strips: Int,
  into out: UnsafeMutablePointer<T>
) {
  let width = T.Vector.scalarCount
  for k in 0..<depth {
    var (from, to) = (p + k &* stride, UnsafeMutableRawPointer(out + 2 &* k &* width))
    for _ in 0..<strips {
      let (left, right) = (load(from), load(from + width))
      to.storeBytes(of: left, as: T.Vector.self)
      to.storeBytes(of: right, toByteOffset: MemoryLayout<T.Vector>.stride, as: T.Vector.self)
      from += 2 &* width
      to += 2 &* depth &* width &* MemoryLayout<T>.stride
    }
  }
}

/// out[k·outStride + i] ← p[i·stride + k] for i < tileRows and k < depth.
@inline(never)
private func packColumns<T: Scalar>(
  _ p: UnsafePointer<T>, _ stride: Int, _ depth: Int, into out: UnsafeMutablePointer<T>,
  _ outStride: Int
) {
  var k = 0
  #if SB_AVX512
    while k + T.Vector.scalarCount <= depth {
      T.transposeEight(p + k, stride, into: out + k &* outStride, outStride)
      k += T.Vector.scalarCount
    }
  #endif
  while k < depth {
    for i in 0..<tileRows { out[k &* outStride &+ i] = p[i &* stride &+ k] }
    k += 1
  }
}

/// A tile of C from a packed block's rows a [depth, tileRows] and a packed strip b
/// [depth, 2 vectors].
@inline(never)
private func packedTile<T: Scalar>(
  _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ depth: Int, into c: UnsafeMutablePointer<T>,
  _ stride: Int, _ factor: T, _ keeps: Bool
) {
  let width = T.Vector.scalarCount
  for i in 0..<tileRows {
    sb_prefetch(c + i &* stride)
    sb_prefetch(c + i &* stride + width)
  }
  wideTile(b, 2 &* width, depth, into: c, stride, factor, keeps) {
    a[$1 &* tileRows &+ $0]
  } fetch: { _, k in
    // A is in the second-level cache, B in the first.
    sb_prefetch(a + (k &+ 32) &* tileRows)
  }
}

/// C [m, n] ← factor·A [m, k]·B [k, n], or C + factor·A·B when `keeps`; n is C's stride.
/// `scratch` has `SB_SCRATCH_BYTES`.
func packedProduct<T: Scalar>(
  _ a: Matrix<T>, _ b: Matrix<T>, into c: UnsafeMutablePointer<T>, keeps: Bool, factor: T,
  scratch: UnsafeMutableRawPointer
) {
  let block = scratch.bindMemory(to: T.self, capacity: Blocks<T>.rows * Blocks<T>.depth)
  let strips = (scratch + Int(SB_SCRATCH_BLOCK)).bindMemory(
    to: T.self, capacity: Blocks<T>.strips * Blocks<T>.cols * Blocks<T>.depth)
  let slices = Swift.max(1, (a.cols + Blocks<T>.depth - 1) / Blocks<T>.depth)
  func terms(_ slice: Int) -> Range<Int> {
    a.cols * slice / slices..<a.cols * (slice + 1) / slices
  }
  // Of a sum in two slices both are added while their part of C is in the cache.
  let together = slices == 2 ? 2 : 1
  let mostRows = Blocks<T>.rows / together
  let group = Blocks<T>.strips * Blocks<T>.cols
  for firstRow in stride(from: 0, to: a.rows, by: mostRows) {
    let rows = a.rows(firstRow, Swift.min(firstRow + mostRows, a.rows))
    for first in stride(from: 0, to: slices, by: together) {
      let current = first..<first + together
      func packed(_ slice: Int) -> UnsafeMutablePointer<T> {
        block + (slice - first) * mostRows * Blocks<T>.depth
      }
      for slice in current { packBlock(rows, terms(slice), into: packed(slice)) }
      for j in stride(from: 0, to: b.cols, by: group) {
        let columns = j..<Swift.min(j + group, b.cols)
        for slice in current {
          packStrips(b, terms(slice), columns, into: strips)
          multiplyPacked(
            packed(slice), strips, rows.rows, columns.count, terms(slice).count,
            into: c + firstRow * b.cols + j, stride: b.cols, keeps: keeps || slice > 0,
            factor: factor)
        }
      }
    }
  }
}

/// Columns `terms` of a, `tileRows` rows after the other.
private func packBlock<T: Scalar>(
  _ a: Matrix<T>, _ terms: Range<Int>, into block: UnsafeMutablePointer<T>
) {
  let (across, along) = a.transposed ? (1, a.stride) : (a.stride, 1)
  let depth = terms.count
  for i in stride(from: 0, to: a.rows, by: tileRows) {
    let from = a.base + i * across + terms.lowerBound * along
    let to = block + i * depth
    if a.rows - i < tileRows {
      packEdge(
        from, across: across, along: along, a.rows - i, depth: depth, width: tileRows, into: to)
    } else if a.transposed {
      packRows(from, along, depth, into: to)
    } else {
      packColumns(from, across, depth, into: to, tileRows)
    }
  }
}

/// Rows `terms` of some columns of b: strips, one after the other.
private func packStrips<T: Scalar>(
  _ b: Matrix<T>, _ terms: Range<Int>, _ columns: Range<Int>,
  into strips: UnsafeMutablePointer<T>
) {
  let (across, along) = b.transposed ? (b.stride, 1) : (1, b.stride)
  let base = b.base + terms.lowerBound * along + columns.lowerBound * across
  let (depth, width) = (terms.count, Blocks<T>.cols)
  let whole = columns.count / width
  if b.transposed {
    for i in stride(from: 0, to: whole * width, by: tileRows) {
      let strip = strips + i / width * width * depth
      packColumns(base + i * across, across, depth, into: strip + i % width, width)
    }
  } else {
    packWideRows(base, along, depth, strips: whole, into: strips)
  }
  let rest = columns.count - whole * width
  if rest > 0 {
    let i = whole * width
    packEdge(
      base + i * across, across: across, along: along, rest, depth: depth, width: width,
      into: strips + i * depth)
  }
}

/// All tiles of C [rows, cols] from a packed block and packed strips.
private func multiplyPacked<T: Scalar>(
  _ block: UnsafePointer<T>, _ strips: UnsafePointer<T>, _ rows: Int, _ cols: Int, _ depth: Int,
  into c: UnsafeMutablePointer<T>, stride: Int, keeps: Bool, factor: T
) {
  let width = Blocks<T>.cols
  for j in Swift.stride(from: 0, to: cols, by: width) {
    let strip = strips + j &* depth
    for i in Swift.stride(from: 0, to: rows, by: tileRows) {
      let (a, to) = (block + i &* depth, c + i &* stride + j)
      if rows - i >= tileRows && cols - j >= width {
        packedTile(a, strip, depth, into: to, stride, factor, keeps)
      } else {
        withTile(T.self) { tile in
          packedTile(a, strip, depth, into: tile, width, 1, false)
          storeTile(
            tile, rows: 0..<Swift.min(tileRows, rows - i), cols: Swift.min(width, cols - j),
            into: to, stride: stride, keeps: keeps, factor: factor)
        }
      }
    }
  }
}
