import CBridge

// Matrix products of the engine's own, for operands that stay in the second-level cache.
//
// A BLAS library copies both operands into an order of its own before it multiplies. For a
// minibatch and a layer of some hundred units the copying takes a third of the time; here the
// operands are read where they lie. The idea is that of BLIS' microkernel: a tile of C stays in
// registers while one column of A and one row of B after the other are multiplied into it (Van
// Zee and van de Geijn, "BLIS: A framework for rapidly instantiating BLAS functionality", 2015).

/// Four rows of a tile, one vector wide.
private struct Quarter<T: Scalar> {
  private var r0 = T.Vector()
  private var r1 = T.Vector()
  private var r2 = T.Vector()
  private var r3 = T.Vector()

  /// row i ← row i + a(i)·b
  @inline(__always)
  mutating func add(_ b: T.Vector, _ a: (_ row: Int) -> T) {
    r0 = T.adding(r0, a(0), b)
    r1 = T.adding(r1, a(1), b)
    r2 = T.adding(r2, a(2), b)
    r3 = T.adding(r3, a(3), b)
  }

  /// c ← c·keep + factor·row
  @inline(__always)
  func put(_ c: UnsafeMutablePointer<T>, _ stride: Int, _ factor: T, keeps: Bool) {
    put(r0, c, factor, keeps)
    put(r1, c + stride, factor, keeps)
    put(r2, c + 2 &* stride, factor, keeps)
    put(r3, c + 3 &* stride, factor, keeps)
  }

  @inline(__always)
  private func put(
    _ row: T.Vector, _ c: UnsafeMutablePointer<T>, _ factor: T, _ keeps: Bool
  ) {
    let value = keeps ? T.adding(load(c), factor, row) : T.scaled(row, factor)
    UnsafeMutableRawPointer(c).storeBytes(of: value, as: T.Vector.self)
  }
}

@inline(__always)
func load<T: Scalar>(_ p: UnsafePointer<T>) -> T.Vector {
  UnsafeRawPointer(p).loadUnaligned(as: T.Vector.self)
}

/// Rows of a tile: as many as the registers hold, two vectors wide.
#if SB_AVX512
  let tileRows = 8
#else
  let tileRows = 4
#endif

/// Room for the largest tile, 8 rows of two 64-byte vectors.
@inline(__always)
func withTile<T: Scalar>(_: T.Type, _ body: (UnsafeMutablePointer<T>) -> Void) {
  // With a size that varies, or a larger alignment, it would be on the heap.
  withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 16) { memory in
    if let tile = memory.bindMemory(to: T.self).baseAddress { body(tile) }
  }
}

/// The first `cols` columns of some rows of a tile, two vectors wide, to where C begins; c is
/// the place of row 0.
func storeTile<T: Scalar>(
  _ tile: UnsafePointer<T>, rows: Range<Int>, cols: Int, into c: UnsafeMutablePointer<T>,
  stride: Int, keeps: Bool, factor: T
) {
  let width = T.Vector.scalarCount
  for row in rows {
    var (from, to, rest) = (tile + row * 2 * width, c + row * stride, cols)
    if rest >= width {
      let whole = load(from)
      let value = keeps ? T.adding(load(to), factor, whole) : T.scaled(whole, factor)
      UnsafeMutableRawPointer(to).storeBytes(of: value, as: T.Vector.self)
      (from, to, rest) = (from + width, to + width, rest - width)
    }
    if keeps {
      for k in 0..<rest { to[k] = T.mulAdd(factor, from[k], to[k]) }
    } else {
      for k in 0..<rest { to[k] = factor * from[k] }
    }
  }
}

/// The rows of A that a tile reads, each by an address of its own: from a common one the compiler
/// goes to the next row by an addition, and every load waits for the one before.
private struct TileRows<T: Scalar> {
  private let p0, p1, p2, p3: UnsafePointer<T>
  #if SB_AVX512
    private let p4, p5, p6, p7: UnsafePointer<T>
  #endif

  init(_ a: UnsafePointer<T>, _ step: Int) {
    func row(_ i: Int) -> UnsafePointer<T> {
      sb_apart(a + i &* step).assumingMemoryBound(to: T.self)
    }
    (p0, p1, p2, p3) = (row(0), row(1), row(2), row(3))
    #if SB_AVX512
      (p4, p5, p6, p7) = (row(4), row(5), row(6), row(7))
    #endif
  }

  /// a[row, k], for a row that is known to the compiler.
  @inline(__always)
  subscript(row: Int, k: Int) -> T {
    switch row {
    case 0: p0[k]
    case 1: p1[k]
    case 2: p2[k]
    #if SB_AVX512
      case 3: p3[k]
      case 4: p4[k]
      case 5: p5[k]
      case 6: p6[k]
      default: p7[k]
    #else
      default: p3[k]
    #endif
    }
  }
}

/// C [tileRows, 2 vectors] ← factor·A·B, or C + factor·A·B when `keeps`. `a` gives a number of A;
/// `fetch` prefetches what is read some steps later.
@inline(__always)
func wideTile<T: Scalar>(
  _ b: UnsafePointer<T>, _ bStride: Int, _ depth: Int, into c: UnsafeMutablePointer<T>,
  _ stride: Int, _ factor: T, _ keeps: Bool, a: (_ row: Int, _ k: Int) -> T,
  fetch: (_ b: UnsafePointer<T>, _ k: Int) -> Void
) {
  let width = T.Vector.scalarCount
  var (topLeft, topRight) = (Quarter<T>(), Quarter<T>())
  #if SB_AVX512
    var (lowLeft, lowRight) = (Quarter<T>(), Quarter<T>())
  #endif
  var b = b
  for k in 0..<depth {
    let (left, right) = (load(b), load(b + width))
    fetch(b, k)
    topLeft.add(left) { a($0, k) }
    topRight.add(right) { a($0, k) }
    #if SB_AVX512
      lowLeft.add(left) { a(4 &+ $0, k) }
      lowRight.add(right) { a(4 &+ $0, k) }
    #endif
    b += bStride
  }
  topLeft.put(c, stride, factor, keeps: keeps)
  topRight.put(c + width, stride, factor, keeps: keeps)
  #if SB_AVX512
    lowLeft.put(c + 4 &* stride, stride, factor, keeps: keeps)
    lowRight.put(c + 4 &* stride + width, stride, factor, keeps: keeps)
  #endif
}

/// The operands of one product as a tile sees them: a[i, k] at i·rowStep + k·colStep.
private struct Operands<T: Scalar> {
  let a: UnsafePointer<T>
  let rowStep, colStep: Int
  let b: UnsafePointer<T>
  let bStride: Int
  let depth: Int
  let factor: T
  let keeps: Bool

  /// `tileRows` rows of C from row i and two vectors of columns from column j.
  func wideTile(_ i: Int, _ j: Int, _ c: UnsafeMutablePointer<T>, _ stride: Int) {
    if colStep == 1 {
      wideTileOfRows(i, j, c, stride)
    } else {
      wideTileOfColumns(i, j, c, stride)
    }
  }

  @inline(never)
  private func wideTileOfRows(_ i: Int, _ j: Int, _ c: UnsafeMutablePointer<T>, _ stride: Int) {
    let rows = TileRows(a + i &* rowStep, rowStep)
    SwiftBackprop.wideTile(b + j, bStride, depth, into: c, stride, factor, keeps) {
      rows[$0, $1]
    } fetch: { b, _ in
      fetchB(b)
    }
  }

  @inline(never)
  private func wideTileOfColumns(
    _ i: Int, _ j: Int, _ c: UnsafeMutablePointer<T>, _ stride: Int
  ) {
    let a = a + i
    SwiftBackprop.wideTile(b + j, bStride, depth, into: c, stride, factor, keeps) {
      a[$1 &* colStep &+ $0]
    } fetch: { b, k in
      // Every step of the loop reads another line of A.
      sb_prefetch(a + (k &+ 8) &* colStep)
      fetchB(b)
    }
  }

  /// Asks for the row of B that comes eight rows later: they lie apart.
  @inline(__always)
  private func fetchB(_ b: UnsafePointer<T>) {
    sb_prefetch(b + 8 &* bStride)
    sb_prefetch(b + 8 &* bStride + T.Vector.scalarCount)
  }

  /// The same with one vector of columns.
  @inline(never)
  func narrowTile(_ i: Int, _ j: Int, _ c: UnsafeMutablePointer<T>, _ stride: Int) {
    var top = Quarter<T>()
    #if SB_AVX512
      var low = Quarter<T>()
    #endif
    var a = a + i &* rowStep
    var b = b + j
    for _ in 0..<depth {
      let row = load(b)
      top.add(row) { a[$0 &* rowStep] }
      #if SB_AVX512
        low.add(row) { a[(4 &+ $0) &* rowStep] }
      #endif
      a += colStep
      b += bStride
    }
    top.put(c, stride, factor, keeps: keeps)
    #if SB_AVX512
      low.put(c + 4 &* stride, stride, factor, keeps: keeps)
    #endif
  }
}

/// C [m, n] ← factor·A [m, k]·B [k, n], or C + factor·A·B when `keeps`; n is C's stride.
///
/// m is at least `tileRows`, B is not transposed, and its memory goes on for a vector behind the
/// last of B: what is read there is not used.
func product<T: Scalar>(
  _ a: Matrix<T>, _ b: Matrix<T>, into c: UnsafeMutablePointer<T>, keeps: Bool, factor: T
) {
  // Of a B beyond some 512 KB a few rows at a time are multiplied with all of A.
  let rowBytes = b.stride * MemoryLayout<T>.stride
  let blocks = Swift.max(1, (a.cols * rowBytes + (1 << 19) - 1) >> 19)
  let (rowStep, colStep) = a.transposed ? (1, a.stride) : (a.stride, 1)
  for block in 0..<blocks {
    let first = a.cols * block / blocks
    let depth = a.cols * (block + 1) / blocks - first
    Operands(
      a: a.base + first * colStep, rowStep: rowStep, colStep: colStep,
      b: b.base + first * b.stride, bStride: b.stride, depth: depth, factor: factor,
      keeps: keeps || block > 0
    ).multiply(a.rows, b.cols, into: c)
  }
}

extension Operands {
  /// All tiles of C [rows, cols].
  func multiply(_ rows: Int, _ cols: Int, into c: UnsafeMutablePointer<T>) {
    let width = T.Vector.scalarCount
    var i = 0
    while i < rows {
      // The last rows' tile begins earlier. Where nothing is added to C it writes again what is
      // there already, and so do the last columns' tiles; else it stores only what is new.
      let start = Swift.min(i, rows - tileRows)
      let isWhole = start == i || !keeps
      var j = 0
      while j < cols {
        let rest = cols - j
        let tile = rest > width ? 2 * width : width
        let left = keeps ? j : Swift.min(j, cols - tile)
        let to = c + start * cols + left
        if !isWhole || left < 0 || rest < tile && keeps {
          let last = Swift.min(rest, tile)
          edgeTile(start, j, from: i - start, cols: last, c + start * cols + j, cols)
        } else if tile == width {
          narrowTile(start, left, to, cols)
        } else {
          wideTile(start, left, to, cols)
        }
        j += 2 * width
      }
      i = start + tileRows
    }
  }

  /// A tile of which only rows `from`... and the first `cols` columns are stored.
  @inline(never)
  func edgeTile(
    _ i: Int, _ j: Int, from: Int, cols: Int, _ c: UnsafeMutablePointer<T>, _ stride: Int
  ) {
    let width = T.Vector.scalarCount
    let raw = Operands(
      a: a, rowStep: rowStep, colStep: colStep, b: b, bStride: bStride, depth: depth, factor: 1,
      keeps: false)
    withTile(T.self) { tile in
      if cols > width {
        raw.wideTile(i, j, tile, 2 * width)
      } else {
        raw.narrowTile(i, j, tile, 2 * width)
      }
      storeTile(
        tile, rows: from..<tileRows, cols: cols, into: c, stride: stride, keeps: keeps,
        factor: factor)
    }
  }
}
