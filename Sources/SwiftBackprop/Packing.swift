import CBridge

// Large matrix products, in the manner of Goto and van de Geijn ("Anatomy of high-performance
// matrix multiplication", 2008): both operands are brought into the order in which the tiles
// read them, a block of A for the second-level cache, a strip of B for the first. W lies one way
// and is wanted both ways; a copy in passing costs less than a stride.

/// How much is packed at a time.
private struct Blocks<T: Scalar> {
  /// Terms of a sum at a time: a strip of B is 32 KB.
  static var depth: Int { 256 }
  /// Rows of A at a time: half a megabyte.
  static var rows: Int { Int(SB_SCRATCH_BLOCK) / (depth * MemoryLayout<T>.stride) }
  /// Columns of a strip of B.
  static var cols: Int { 2 * T.Vector.scalarCount }
}

/// out[k·width + i] ← p[i·across + k·along] for i < count and k < depth, 0 from count to width;
/// across or along is 1, width a multiple of `tileRows`.
private func pack<T: Scalar>(
  _ p: UnsafePointer<T>, across: Int, along: Int, _ count: Int, depth: Int, width: Int,
  into out: UnsafeMutablePointer<T>
) {
  if count < width {
    for k in 0..<depth {
      let to = out + k &* width
      for i in 0..<count { to[i] = p[i &* across &+ k &* along] }
      for i in count..<width { to[i] = 0 }
    }
  } else if across == 1 {
    if width == tileRows {
      packRows(p, along, depth, into: out)
    } else {
      packWideRows(p, along, depth, into: out)
    }
  } else {
    var i = 0
    while i < width {
      packColumns(p + i &* across, across, depth, into: out + i, width)
      i += tileRows
    }
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

/// The same, two vectors wide.
@inline(never)
private func packWideRows<T: Scalar>(
  _ p: UnsafePointer<T>, _ stride: Int, _ depth: Int, into out: UnsafeMutablePointer<T>
) {
  let width = T.Vector.scalarCount
  for k in 0..<depth {
    let (from, to) = (p + k &* stride, UnsafeMutableRawPointer(out + 2 &* k &* width))
    let (left, right) = (load(from), load(from + width))
    to.storeBytes(of: left, as: T.Vector.self)
    to.storeBytes(of: right, toByteOffset: MemoryLayout<T.Vector>.stride, as: T.Vector.self)
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

/// C [tileRows, 2 vectors] ← factor·A·B, or C + factor·A·B when `keeps`, from a packed block's
/// rows a [depth, tileRows] and a packed strip b [depth, 2 vectors].
@inline(never)
private func packedTile<T: Scalar>(
  _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ depth: Int, _ c: UnsafeMutablePointer<T>,
  _ stride: Int, _ factor: T, _ keeps: Bool
) {
  let width = T.Vector.scalarCount
  var (topLeft, topRight) = (Strip<T>(), Strip<T>())
  #if SB_AVX512
    var (lowLeft, lowRight) = (Strip<T>(), Strip<T>())
  #endif
  for i in 0..<tileRows {
    sb_prefetch(c + i &* stride)
    sb_prefetch(c + i &* stride + width)
  }
  var (a, b) = (a, b)
  for _ in 0..<depth {
    // b is in the first-level cache; a comes from the second.
    sb_prefetch(a + 32 &* tileRows)
    let (left, right) = (load(b), load(b + width))
    topLeft.add(a, 1, left)
    topRight.add(a, 1, right)
    #if SB_AVX512
      lowLeft.add(a + 4, 1, left)
      lowRight.add(a + 4, 1, right)
    #endif
    a += tileRows
    b += 2 &* width
  }
  topLeft.put(c, stride, factor, keeps: keeps)
  topRight.put(c + width, stride, factor, keeps: keeps)
  #if SB_AVX512
    lowLeft.put(c + 4 &* stride, stride, factor, keeps: keeps)
    lowRight.put(c + 4 &* stride + width, stride, factor, keeps: keeps)
  #endif
}

/// C [m, n] ← factor·A [m, k]·B [k, n], or C + factor·A·B when `keeps`; n is C's stride.
/// `scratch` has `SB_SCRATCH_BYTES`.
func packedProduct<T: Scalar>(
  _ a: Matrix<T>, _ b: Matrix<T>, into c: UnsafeMutablePointer<T>, keeps: Bool, factor: T,
  scratch: UnsafeMutableRawPointer
) {
  let block = scratch.assumingMemoryBound(to: T.self)
  let strip = block + Blocks<T>.rows * Blocks<T>.depth
  let parts = (a.cols + Blocks<T>.depth - 1) / Blocks<T>.depth
  var firstRow = 0
  while firstRow < a.rows {
    let rows = Swift.min(Blocks<T>.rows, a.rows - firstRow)
    for part in 0..<parts {
      let first = a.cols * part / parts
      let depth = a.cols * (part + 1) / parts - first
      packBlock(a.rows(firstRow, firstRow + rows), first, depth, into: block)
      var j = 0
      while j < b.cols {
        let cols = Swift.min(Blocks<T>.cols, b.cols - j)
        packStrip(b, first, depth, j, cols, into: strip)
        multiplyPacked(
          block, strip, rows, cols, depth, into: c + firstRow * b.cols + j,
          stride: b.cols, keeps: keeps || part > 0, factor: factor)
        j += Blocks<T>.cols
      }
    }
    firstRow += rows
  }
}

/// Columns first..<first + depth of a, `tileRows` rows after the other.
private func packBlock<T: Scalar>(
  _ a: Matrix<T>, _ first: Int, _ depth: Int, into block: UnsafeMutablePointer<T>
) {
  let (across, along) = a.transposed ? (1, a.stride) : (a.stride, 1)
  var i = 0
  while i < a.rows {
    pack(
      a.base + i * across + first * along, across: across, along: along,
      Swift.min(tileRows, a.rows - i), depth: depth, width: tileRows, into: block + i * depth)
    i += tileRows
  }
}

/// Rows first..<first + depth of columns j..<j + cols of b.
private func packStrip<T: Scalar>(
  _ b: Matrix<T>, _ first: Int, _ depth: Int, _ j: Int, _ cols: Int,
  into strip: UnsafeMutablePointer<T>
) {
  let (across, along) = b.transposed ? (b.stride, 1) : (1, b.stride)
  pack(
    b.base + first * along + j * across, across: across, along: along, cols, depth: depth,
    width: Blocks<T>.cols, into: strip)
}

/// All tiles of C [rows, cols] from a packed block and a packed strip.
private func multiplyPacked<T: Scalar>(
  _ block: UnsafePointer<T>, _ strip: UnsafePointer<T>, _ rows: Int, _ cols: Int, _ depth: Int,
  into c: UnsafeMutablePointer<T>, stride: Int, keeps: Bool, factor: T
) {
  var i = 0
  while i < rows {
    let (a, to) = (block + i &* depth, c + i &* stride)
    if rows - i >= tileRows && cols == Blocks<T>.cols {
      packedTile(a, strip, depth, to, stride, factor, keeps)
    } else {
      withTile(T.self) { tile in
        packedTile(a, strip, depth, tile, Blocks<T>.cols, 1, false)
        put(
          tile, rows: 0..<Swift.min(tileRows, rows - i), cols: cols, into: to, stride: stride,
          keeps: keeps, factor: factor)
      }
    }
    i += tileRows
  }
}
