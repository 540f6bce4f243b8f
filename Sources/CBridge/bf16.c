// Packing into pieces of bfloat16, and their products by instructions that every CPU has.
#include "bf16_kernels.h"

#include <stddef.h>
#include <string.h>

#include "sb_math.h"

enum { PANEL = SB_BF16_PANEL, CHUNK = SB_BF16_CHUNK, BLOCK = SB_BF16_BLOCK, PAIRS = CHUNK / 2 };
enum { LANES = SB_VECTOR_BYTES / 4, SIDE = SB_BF16_SIDE };

typedef float floats __attribute__((vector_size(SB_VECTOR_BYTES)));
typedef uint32_t words __attribute__((vector_size(SB_VECTOR_BYTES)));

// MARK: packing

// The next piece of x, in the upper half of a word, and what is left of x without it. To nearest,
// ties to even; what would round to infinity is cut off instead, so that the pieces of a finite
// number are finite. Numbers below the normal ones count as 0, as they do on the tile unit.
static inline words take_piece(floats *x) {
  words bits;
  memcpy(&bits, x, sizeof bits);
  const words magnitude = bits & 0x7fffffff;
  const words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000;
  const words nan = (words)(magnitude > 0x7f800000) & 0x00400000;
  const words is_large = (words)(magnitude >= 0x7f7f8000);
  const words cut = (bits & 0xffff0000) | nan;
  words piece = (is_large & cut) | (~is_large & rounded);
  piece &= (words)(magnitude >= 0x00800000);
  floats value;
  memcpy(&value, &piece, sizeof value);
  const floats rest = *x - value;
  memcpy(&bits, &rest, sizeof bits);
  bits &= (words)(magnitude < 0x7f800000);
  memcpy(x, &bits, sizeof bits);
  return piece;
}

// out [4, 4] ← the transpose of p [4, 4], `step` words between rows of either.
static inline void transpose_four(const uint32_t *p, uint32_t *out, long step) {
  typedef uint32_t row __attribute__((vector_size(16)));
  row r[4];
  for (long i = 0; i < 4; i++) memcpy(&r[i], p + i * step, sizeof r[i]);
  const row a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5);
  const row b = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
  const row c = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
  const row d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
  r[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
  r[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
  r[2] = __builtin_shufflevector(c, d, 0, 1, 4, 5);
  r[3] = __builtin_shufflevector(c, d, 2, 3, 6, 7);
  for (long i = 0; i < 4; i++) memcpy(out + i * step, &r[i], sizeof r[i]);
}

// out [16, 16] ← the transpose of p [16, 16]
static void transpose(const uint32_t *p, uint32_t *out) {
  for (long i = 0; i < PANEL; i += 4) {
    for (long j = 0; j < PAIRS; j += 4) {
      transpose_four(p + i * PAIRS + j, out + j * PANEL + i, PANEL);
    }
  }
}

// A panel's chunk of numbers whose terms k lie side by side: pieces [16 lanes, 16 pairs].
static void split_rows(const float *p, long stride, int pieces, uint32_t (*out)[BLOCK / 2]) {
  for (long i = 0; i < PANEL; i++) {
    for (long k = 0; k < CHUNK; k += 2L * LANES) {
      floats x[2];
      memcpy(x, p + i * stride + k, sizeof x);
      for (long piece = 0; piece < pieces; piece++) {
        const words left = take_piece(&x[0]), right = take_piece(&x[1]);
        uint32_t parts[2 * LANES];
        memcpy(parts, &left, sizeof left);
        memcpy(parts + LANES, &right, sizeof right);
        uint16_t halves[2 * LANES];
        for (long n = 0; n < 2L * LANES; n++) halves[n] = (uint16_t)(parts[n] >> 16);
        memcpy((char *)(out[piece] + i * PAIRS) + 2 * k, halves, sizeof halves);
      }
    }
  }
}

// The same of numbers whose lanes lie side by side: pieces [16 pairs, 16 lanes].
static void split_columns(const float *p, long stride, int pieces, uint32_t (*out)[BLOCK / 2]) {
  for (long pair = 0; pair < PAIRS; pair++) {
    const float *even = p + 2 * pair * stride;
    for (long i = 0; i < PANEL; i += LANES) {
      floats low, high;
      memcpy(&low, even + i, sizeof low);
      memcpy(&high, even + stride + i, sizeof high);
      for (long piece = 0; piece < pieces; piece++) {
        const words first = take_piece(&low) >> 16;
        const words both = first | take_piece(&high);
        memcpy(out[piece] + pair * PANEL + i, &both, sizeof both);
      }
    }
  }
}

// Packs a factor so that in a chunk the pairs of terms of a lane, or else the lanes of a pair, lie
// side by side.
static void pack(sb_bf16_factor from, int pieces, int by_lanes, uint16_t *out) {
  const long panels = (from.lanes + PANEL - 1) / PANEL;
  const long chunks = (from.depth + CHUNK - 1) / CHUNK;
  const long piece_size = panels * chunks * BLOCK;
  const int in_rows = from.along == 1;
  const long apart = in_rows ? from.across : from.along;
  for (long panel = 0; panel < panels; panel++) {
    for (long chunk = 0; chunk < chunks; chunk++) {
      const float *p = from.base + panel * PANEL * from.across + chunk * CHUNK * from.along;
      const long lanes = from.lanes - panel * PANEL, depth = from.depth - chunk * CHUNK;
      float edge[BLOCK];
      long stride = apart;
      if (lanes < PANEL || depth < CHUNK) {
        stride = in_rows ? CHUNK : PANEL;
        memset(edge, 0, sizeof edge);
        const long outer = in_rows ? lanes : depth, inner = in_rows ? depth : lanes;
        const long rows = outer < BLOCK / stride ? outer : BLOCK / stride;
        const size_t cols = inner < stride ? (size_t)inner : (size_t)stride;
        for (long i = 0; i < rows; i++) memcpy(edge + i * stride, p + i * apart, 4 * cols);
        p = edge;
      }
      uint32_t made[SB_BF16_MAX_PIECES][BLOCK / 2];
      if (in_rows) {
        split_rows(p, stride, pieces, made);
      } else {
        split_columns(p, stride, pieces, made);
      }
      uint16_t *to = out + (panel * chunks + chunk) * BLOCK;
      for (long piece = 0; piece < pieces; piece++, to += piece_size) {
        if (in_rows == by_lanes) {
          memcpy(to, made[piece], sizeof made[piece]);
        } else {
          transpose(made[piece], (uint32_t *)(void *)to);
        }
      }
    }
  }
}

void sb_bf16_pack_a(sb_bf16_factor a, int pieces, uint16_t *out) { pack(a, pieces, 1, out); }
void sb_bf16_pack_b(sb_bf16_factor b, int pieces, uint16_t *out) { pack(b, pieces, 0, out); }

// MARK: products

// hi·lo, mid·mid, lo·hi, hi·mid, mid·hi, hi·hi: small ones first, so that less of them is lost.
static const sb_bf16_term TERMS[] = {{0, 2}, {1, 1}, {2, 0}, {0, 1}, {1, 0}, {0, 0}};

sb_bf16_terms sb_bf16_terms_of(int pieces) {
  const int count = pieces * (pieces + 1) / 2;
  return (sb_bf16_terms){TERMS + 6 - count, count};
}

// Rows whose sums, two vectors of columns wide, stay in registers
enum { ROWS = SB_VECTOR_BYTES == 64 ? 8 : 4 };

static inline floats first_of(words pairs) { return (floats)(pairs << 16); }
static inline floats second_of(words pairs) { return (floats)(pairs & 0xffff0000); }

static inline words every(const uint32_t *pair) { return *pair - (words){0}; }

// sum [ROWS, 2 vectors] += A·B of some chunks; right is the second vector's columns of B.
static inline void add_products(const uint16_t *a, const uint16_t *left, const uint16_t *right,
                                long chunks, float *sum) {
  floats row[ROWS][2] = {{{0}}};
  for (long chunk = 0; chunk < chunks; chunk++, a += BLOCK, left += BLOCK, right += BLOCK) {
    for (long pair = 0; pair < PAIRS; pair++) {
      words b[2];
      memcpy(&b[0], left + pair * 2 * PANEL, sizeof b[0]);
      memcpy(&b[1], right + pair * 2 * PANEL, sizeof b[1]);
#pragma clang loop unroll(full)
      for (long i = 0; i < ROWS; i++) {
        uint32_t numbers;
        memcpy(&numbers, a + i * CHUNK + 2 * pair, sizeof numbers);
        const words x = every(&numbers);
        for (long n = 0; n < 2; n++) {
          row[i][n] = SB_MUL_ADD(second_of(x), second_of(b[n]), row[i][n]);
          row[i][n] = SB_MUL_ADD(first_of(x), first_of(b[n]), row[i][n]);
        }
      }
    }
  }
  for (long i = 0; i < ROWS; i++) {
    for (long n = 0; n < 2; n++) {
      floats old;
      memcpy(&old, sum + i * SIDE + n * LANES, sizeof old);
      old += row[i][n];
      memcpy(sum + i * SIDE + n * LANES, &old, sizeof old);
    }
  }
}

static void emulated(const sb_bf16_job *job, float *sum) {
  sb_bf16_by_rows(job, ROWS, LANES, add_products, sum);
}

#if !defined(__x86_64__)
int sb_bf16_unit(void) { return SB_BF16_EMULATED; }
#endif

void sb_bf16_multiply(const uint16_t *a, const uint16_t *b, int rows, int cols, int depth,
                      int pieces, float factor, int keeps, float *c, long stride) {
  sb_bf16_kernel *kernel = emulated;
#if defined(__x86_64__)
  const int unit = sb_bf16_unit();
  if (unit == SB_BF16_TILES) {
    kernel = sb_bf16_by_tiles;
    sb_bf16_begin_tiles();
  } else if (unit == SB_BF16_DOT) {
    kernel = sb_bf16_by_dot;
  }
#endif
  const long chunks = (depth + CHUNK - 1) / CHUNK;
  sb_bf16_job job = {
      .chunks = chunks,
      .pieces = pieces,
      .a_piece = (rows + PANEL - 1) / PANEL * chunks * BLOCK,
      .b_piece = (cols + PANEL - 1) / PANEL * chunks * BLOCK,
  };
  _Alignas(64) float sum[SIDE * SIDE];
  for (long col = 0; col < cols; col += SIDE) {
    const long width = cols - col < SIDE ? cols - col : SIDE;
    job.b = b + col / PANEL * chunks * BLOCK;
    job.col_panels = width > PANEL ? 2 : 1;
    for (long row = 0; row < rows; row += SIDE) {
      const long height = rows - row < SIDE ? rows - row : SIDE;
      job.a = a + row / PANEL * chunks * BLOCK;
      job.row_panels = height > PANEL ? 2 : 1;
      kernel(&job, sum);
      for (long i = 0; i < height; i++) {
        float *to = c + (row + i) * stride + col;
        const float *from = sum + i * SIDE;
        if (keeps) {
          for (long j = 0; j < width; j++) to[j] += factor * from[j];
        } else {
          for (long j = 0; j < width; j++) to[j] = factor * from[j];
        }
      }
    }
  }
#if defined(__x86_64__)
  if (unit == SB_BF16_TILES) sb_bf16_end_tiles();
#endif
}

void sb_bf16_multiply_small(sb_bf16_factor a, sb_bf16_factor b, int pieces, float factor, int keeps,
                            float *c, long stride) {
  enum { COUNT = 2 * SB_BF16_SMALL_DEPTH / CHUNK * BLOCK * SB_BF16_MAX_PIECES };
  _Alignas(64) uint16_t packed_a[COUNT], packed_b[COUNT];
  sb_bf16_pack_a(a, pieces, packed_a);
  sb_bf16_pack_b(b, pieces, packed_b);
  sb_bf16_multiply(packed_a, packed_b, a.lanes, b.lanes, a.depth, pieces, factor, keeps, c, stride);
}
