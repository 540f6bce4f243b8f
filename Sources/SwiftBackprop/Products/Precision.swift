import CBridge

/// What the factors of a network's products are rounded to; the numbers are those of
/// SB_PRECISION_FLOAT32 and what follows it. Everything else stays in single precision.
enum Precision: Int32 {
  case float32
  /// As the sum of three pieces of bfloat16, of two, of one
  case bf16x3, bf16x2, bfloat16
  /// `bf16x3` where a tile unit makes it faster than float32
  case auto

  /// Pieces of bfloat16 that a factor is split into; 0 where it stays as it is.
  var pieces: Int32 {
    switch self {
    case .float32, .auto: 0
    case .bf16x3: 3
    case .bf16x2: 2
    case .bfloat16: 1
    }
  }
}

extension Precision {
  /// Whether a product is made of pieces whose sums have so many terms. Three pieces are all of a
  /// number: in a short sum the products left out would be the larger part of the error, and it
  /// takes float32's.
  @inline(__always)
  func rounds(terms: Int) -> Bool { pieces != 0 && (self != .bf16x3 || terms > 64) }

  /// What `auto` means for products of these sizes. Three pieces take six products: tiles must have
  /// enough to do to make up for packing.
  static func automatic(rows: Int, before: Int, units: Int, hasTileUnit: Bool) -> Precision {
    let isLarge = Double(rows) * Double(before) * Double(units) >= 0x1p22
    let isWide = Swift.min(rows, before, units) >= 64
    return isLarge && isWide && hasTileUnit ? .bf16x3 : .float32
  }
}

extension Network {
  /// What the factors of layer m's products in this pass are rounded to. `auto` looks at the
  /// sizes and at the CPU alone, so that training repeats bit for bit.
  func precision(_ m: Int, _ tape: Tape<T>) -> Precision {
    precision(m, rows: tape.input.rows)
  }

  @inline(__always)
  func precision(_ m: Int, rows: Int) -> Precision {
    if precision == .float32 || !roundsFactors { return .float32 }
    return precision == .auto ? automaticPrecision(m, rows) : precision
  }

  @inline(never)
  private func automaticPrecision(_ m: Int, _ rows: Int) -> Precision {
    .automatic(
      rows: rows, before: layout.sizes[m - 1], units: layout.sizes[m],
      hasTileUnit: sb_bf16_unit() == SB_BF16_TILES)
  }

  func setPrecision(_ code: Double) throws(EngineError) {
    guard let code = Int32(exactly: code), let precision = Precision(rawValue: code) else {
      throw .value("precision must be one of the numbers 0 to 4")
    }
    guard precision == .float32 || T.dtype == SB_FLOAT32 else {
      throw .value(
        "only a network of dtype float32 can round the factors of its products to bfloat16")
    }
    self.precision = precision
  }
}
