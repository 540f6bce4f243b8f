import CBridge

// Products whose factors are rounded to bfloat16 or split into pieces of it, in the manner of
// Packing.swift: blocks and strips are split while they are packed (sb_bf16.h).

/// Where factors are packed, and how much of them at a time.
private struct Room {
  let block, strips: UnsafeMutablePointer<UInt16>
  /// Rows of A, columns of B, terms of their sums
  let rows, cols, depth: Int

  init(_ scratch: UnsafeMutableRawPointer, pieces: Int) {
    block = scratch.assumingMemoryBound(to: UInt16.self)
    strips = (scratch + Int(SB_SCRATCH_BLOCK)).assumingMemoryBound(to: UInt16.self)
    depth = pieces == 1 ? 512 : 256
    let laneBytes = depth * pieces * MemoryLayout<UInt16>.stride
    rows = Int(SB_SCRATCH_BLOCK) / laneBytes & ~(Int(SB_BF16_SIDE) - 1)
    cols = Int(SB_SCRATCH_STRIPS) / laneBytes & ~(Int(SB_BF16_SIDE) - 1)
  }
}

extension Matrix where T == Float {
  /// Some rows, and of their columns `terms`, as a factor whose lanes are the rows.
  fileprivate func lanes(_ rows: Range<Int>, _ terms: Range<Int>) -> sb_bf16_factor {
    let (across, along) = transposed ? (1, stride) : (stride, 1)
    return sb_bf16_factor(
      base: base + rows.lowerBound * across + terms.lowerBound * along, across: across,
      along: along, lanes: Int32(rows.count), depth: Int32(terms.count))
  }
}

/// Calls `body` with consecutive parts of 0..<count of `most` at most, one of them if count is 0.
private func inParts(_ count: Int, _ most: Int, _ body: (Range<Int>) -> Void) {
  var first = 0
  repeat {
    let last = Swift.min(first + most, count)
    body(first..<last)
    first = last
  } while first < count
}

/// C [m, n] ← factor·A [m, k]·B [k, n], or C + factor·A·B when `keeps`; n is C's stride. The
/// factors are split into `pieces` pieces of bfloat16. `scratch` has `SB_SCRATCH_BYTES`; without
/// it, it takes longer.
func roundedProduct(
  _ a: Matrix<Float>, _ b: Matrix<Float>, into c: UnsafeMutablePointer<Float>, keeps: Bool,
  factor: Float, pieces: Int32, scratch: UnsafeMutableRawPointer?
) {
  // The tile unit takes numbers below the normal ones for 0, always.
  let arithmetic = sb_flush_subnormals()
  defer { sb_restore_arithmetic(arithmetic) }
  let columns = b.transpose
  guard let scratch else {
    // As much at a time as fits on the stack.
    let (lanes, depth) = (Int(SB_BF16_SIDE), Int(SB_BF16_SMALL_DEPTH))
    inParts(a.rows, lanes) { rows in
      inParts(b.cols, lanes) { cols in
        inParts(a.cols, depth) { terms in
          sb_bf16_multiply_small(
            a.lanes(rows, terms), columns.lanes(cols, terms), pieces, factor,
            keeps || terms.lowerBound > 0 ? 1 : 0, c + rows.lowerBound * b.cols + cols.lowerBound,
            b.cols)
        }
      }
    }
    return
  }
  let room = Room(scratch, pieces: Int(pieces))
  inParts(a.rows, room.rows) { rows in
    inParts(a.cols, room.depth) { terms in
      sb_bf16_pack_a(a.lanes(rows, terms), pieces, room.block)
      inParts(b.cols, room.cols) { cols in
        sb_bf16_pack_b(columns.lanes(cols, terms), pieces, room.strips)
        sb_bf16_multiply(
          room.block, room.strips, Int32(rows.count), Int32(cols.count), Int32(terms.count), pieces,
          factor, keeps || terms.lowerBound > 0 ? 1 : 0,
          c + rows.lowerBound * b.cols + cols.lowerBound, b.cols)
      }
    }
  }
}
