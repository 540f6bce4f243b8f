// Matrix products whose factors are rounded to bfloat16, or split into pieces of it, and whose
// sums are of single precision. Internal: not part of the contract in swift_backprop.h.
//
// A float32 has 24 significant bits, a bfloat16 8 and the same range: hi = bf16(x),
// mid = bf16(x − hi), lo = bf16(x − hi − mid) hold all of x. Of the products of pieces those count
// that a long sum of float32 would not lose: 1, 3 or 6 of them for 1, 2 or 3 pieces
// (Henry, Tang and Heinecke, "Leveraging the bfloat16 artificial intelligence datatype for
// higher-precision computations", 2019).
#ifndef SB_BF16_H
#define SB_BF16_H

#include <stdint.h>

// Rows of A, and columns of B, that lie together; terms of a sum that do.
#define SB_BF16_PANEL 16
#define SB_BF16_CHUNK 32
// bfloat16 numbers of such a panel and such a chunk, in A and in B
#define SB_BF16_BLOCK 512  // 16 · 32
#define SB_BF16_MAX_PIECES 3
// Rows and columns of the sums that are made at once: two panels of either
#define SB_BF16_SIDE 32

// What multiplies: the tile unit (AMX), the instruction for dot products (AVX512-BF16), or products
// of single precision with the same rounding, which every CPU has. The environment variable
// SWIFTBACKPROP_BF16 = "dot" or "emulated" leaves the ones before it out.
#define SB_BF16_EMULATED 0
#define SB_BF16_DOT 1
#define SB_BF16_TILES 2
int sb_bf16_unit(void);

// Bytes of `pieces` packed pieces of `lanes` rows or columns, `depth` terms each.
static inline long sb_bf16_bytes(long lanes, long depth, int pieces) {
  const long panels = (lanes + SB_BF16_PANEL - 1) / SB_BF16_PANEL;
  const long chunks = (depth + SB_BF16_CHUNK - 1) / SB_BF16_CHUNK;
  return panels * chunks * SB_BF16_BLOCK * pieces * (long)sizeof(uint16_t);
}

// A factor of a product: element (lane, k) at lane·across + k·along, one of which is 1. A lane is
// a row of A or a column of B.
typedef struct {
  const float *base;
  long across, along;
  int lanes, depth;
} sb_bf16_factor;

// Packs the pieces of A, or of B: one piece after the other, its panels, their chunks of
// [16 rows, 32 terms], or of [16 pairs of terms, 16 columns, 2]; zeros fill the last ones.
void sb_bf16_pack_a(sb_bf16_factor a, int pieces, uint16_t *out);
void sb_bf16_pack_b(sb_bf16_factor b, int pieces, uint16_t *out);

// C [rows, cols] ← factor·A·B, or C + factor·A·B if `keeps`, from packed factors.
void sb_bf16_multiply(const uint16_t *a, const uint16_t *b, int rows, int cols, int depth,
                      int pieces, float factor, int keeps, float *c, long stride);

// The same of a few numbers, packed on the stack: 32 rows, columns and SB_BF16_SMALL_DEPTH terms.
#define SB_BF16_SMALL_DEPTH 128
void sb_bf16_multiply_small(sb_bf16_factor a, sb_bf16_factor b, int pieces, float factor, int keeps,
                            float *c, long stride);

#endif
