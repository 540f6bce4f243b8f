import CBridge

/// Who makes a product. The numbers are those of SB_BY_TILES and what follows it.
enum ProductKernel: Int32 {
  /// The engine's tiles, which multiply in place (Product.swift).
  case tiles
  /// BLAS, for these reasons.
  case baseline, transposed, fewRows, narrow, wide, large
  /// Tiles again, from packed factors (Packing.swift).
  case packed
  /// Factors rounded to bfloat16 (RoundedProduct.swift): by the tile unit, by dot products, by
  /// those of single precision.
  case roundedByTiles, roundedByDot, rounded
  /// Tiles, from a copy of a small transposed factor.
  case copied

  /// Who multiplies rounded factors on this CPU.
  static var ofRounded: ProductKernel {
    switch sb_bf16_unit() {
    case SB_BF16_TILES: .roundedByTiles
    case SB_BF16_DOT: .roundedByDot
    default: .rounded
    }
  }
}

extension Matrix {
  /// Who multiplies with `b`. A tile must fit, or nearly, unless the product is small, and the
  /// instruction set must multiply and add at once. Without packing, b [k, n] must stay in the
  /// second-level cache, and its rows not lie so far apart that they fall onto the same places, which
  /// matters from 64 rows on.
  @inline(__always)
  func productKernel(_ b: Matrix, in precision: Precision = .float32) -> ProductKernel {
    if precision.rounds(terms: cols) { return .ofRounded }
    #if SB_FMA
      let (rowBytes, width) = (b.stride &* MemoryLayout<T>.stride, T.Vector.scalarCount)
      if rows < tileRows { return .fewRows }
      let isSmall = b.rows &* rowBytes <= 4 << 20
      // Three quarters of a tile at least should be of use.
      let isNarrow = 2 * b.cols < 3 * width
      #if SB_AVX512
        if isNarrow { return .narrow }
        // Tiles of a transposed A lie badly, which shows if they are read more than once or twice.
        let fits = rowBytes < 2048 || rowBytes == 2048 && rows < 64
        let liesWell =
          !b.transposed && (!transposed || rows < 64 || b.cols < 64 || b.rows < 32)
        return fits && liesWell && isSmall ? .tiles : .packed
      #else
        // A call of BLAS costs about as much as a small product. So tiles make small ones even if
        // much of each tile is wasted, or if B must be copied first. The limits were measured with
        // AVX2, in steps of networks of 1 to 12 outputs.
        let isWorthTiles = !isNarrow || rows &* cols <= (2 * b.cols >= width ? 16384 : 2048)
        if b.transposed {
          let isWorthACopy =
            b.rows &* b.cols <= 1024
            && (2 * b.rows >= width || rows &* b.cols <= 2048)
          return isWorthTiles && isWorthACopy ? .copied : .transposed
        }
        if !isWorthTiles { return .narrow }
        if rowBytes > 2048 { return .wide }
        return isSmall ? .tiles : .large
      #endif
    #else
      return .baseline
    #endif
  }
}

extension Network {
  /// Who makes z(m), grad_a(m) or grad_W(m) in a step of `fit` on `rows` rows that is shared as
  /// in `plan`: one of the parts, whose shares differ by a few rows.
  func productKernel(
    of quantity: Int32, _ m: Int, rows: Int64, _ plan: Plan
  ) throws(EngineError) -> ProductKernel {
    let last = layout.layers - (quantity == SB_GRAD_A ? 1 : 0)
    guard rows > 0, let rows = Int32(exactly: rows).map(Int.init), m >= 1, m <= last else {
      throw .value("there is no such product")
    }
    // Only sizes matter: no number is read.
    let base = UnsafePointer(parameters.base)
    let part = plan.parts - 1
    let count = plan.share(part, of: rows).count
    let (before, units) = (layout.sizes[m - 1], layout.sizes[m])
    // grad_a(m) is made of W(m+1).
    let owner = quantity == SB_GRAD_A ? m + 1 : m
    let precision = precision(owner, rows: rows)
    switch quantity {
    case SB_Z where m == 1 && plan.sharesInput:
      let columns = plan.share(part, of: before, unit: 8)
      return Matrix(base, rows, columns.count, stride: before)
        .productKernel(weights(1).rows(columns.lowerBound, columns.upperBound), in: precision)
    case SB_Z: return Matrix(base, count, before).productKernel(weights(m), in: precision)
    case SB_GRAD_A:
      return Matrix(base, count, layout.sizes[m + 1]).productKernel(
        weights(m + 1).transpose, in: precision)
    case SB_GRAD_W:
      let share = plan.share(0, of: before, unit: 8).count
      return Matrix(base, rows, share, stride: before).transpose.productKernel(
        Matrix(base, rows, units), in: precision)
    default: throw .value("there is no such product")
    }
  }
}
