// What the kernels behind sb_bf16.h have in common.
#ifndef SB_BF16_KERNELS_H
#define SB_BF16_KERNELS_H

#include <string.h>

#include "sb_bf16.h"

// What a kernel multiplies at once: 1 or 2 panels of A with 1 or 2 of B. Panels lie `chunks` chunks
// apart, pieces a_piece and b_piece numbers.
typedef struct {
  const uint16_t *a, *b;
  long row_panels, col_panels, chunks, a_piece, b_piece;
  int pieces;
} sb_bf16_job;

// sum [32, 32] ← A·B, the products of small pieces first
typedef void sb_bf16_kernel(const sb_bf16_job *job, float *sum);

// The products of pieces that count, small ones first: the a-th piece of A with the b-th of B.
typedef struct {
  unsigned char a, b;
} sb_bf16_term;
typedef struct {
  const sb_bf16_term *first;
  int count;
} sb_bf16_terms;
sb_bf16_terms sb_bf16_terms_of(int pieces);

// sum += A·B of some chunks: a few rows of A, and columns of B that begin at `left` and `right`
typedef void sb_bf16_add_rows(const uint16_t *a, const uint16_t *left, const uint16_t *right,
                              long chunks, float *sum);

// All sums of a job; `add` makes `rows` rows and 2·`lanes` columns of them at a time.
static inline __attribute__((always_inline)) void sb_bf16_by_rows(const sb_bf16_job *job, long rows,
                                                                  long lanes, sb_bf16_add_rows *add,
                                                                  float *sum) {
  enum { PANEL = SB_BF16_PANEL, SIDE = SB_BF16_SIDE };
  const long panel = job->chunks * SB_BF16_BLOCK, width = job->col_panels * PANEL;
  const sb_bf16_terms terms = sb_bf16_terms_of(job->pieces);
  // Chunks after which sums in registers are added to memory: short sums lose less, which matters
  // with pieces. (The tile unit adds the sums of a chunk by themselves.)
  const long together = job->pieces > 1 ? 1 : 4;
  memset(sum, 0, sizeof(float) * SIDE * SIDE);
  for (long col = 0; col < width; col += 2 * lanes) {
    // The other vector's columns can be another panel's, if there is one.
    const long other = col + lanes < width ? col + lanes : col;
    const uint16_t *left = job->b + col / PANEL * panel + col % PANEL * 2;
    const uint16_t *right = job->b + other / PANEL * panel + other % PANEL * 2;
    for (long row = 0; row < job->row_panels * PANEL; row += rows) {
      const uint16_t *a = job->a + row / PANEL * panel + row % PANEL * SB_BF16_CHUNK;
      for (long number = 0; number < terms.count; number++) {
        const long in_a = terms.first[number].a * job->a_piece;
        const long in_b = terms.first[number].b * job->b_piece;
        for (long chunk = 0; chunk < job->chunks; chunk += together) {
          const long rest = job->chunks - chunk, skipped = chunk * SB_BF16_BLOCK;
          add(a + in_a + skipped, left + in_b + skipped, right + in_b + skipped,
              rest < together ? rest : together, sum + row * SIDE + col);
        }
      }
    }
  }
}

#if defined(__x86_64__)
sb_bf16_kernel sb_bf16_by_dot, sb_bf16_by_tiles;
// Before and after products by tiles, in each thread that makes them.
void sb_bf16_begin_tiles(void);
void sb_bf16_end_tiles(void);
#endif

#endif
