// Products of bfloat16 by the instructions that some CPUs have for them: tiles (AMX, Intel since
// Sapphire Rapids) and dot products (AVX512-BF16, AMD since Zen 4 and Intel since Cooper Lake).
#include "bf16_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(SB_TILES_IN_C)  // a test: the same tiles, without the unit
#include SB_TILES_IN_C
#endif

enum { PANEL = SB_BF16_PANEL, CHUNK = SB_BF16_CHUNK, BLOCK = SB_BF16_BLOCK, SIDE = SB_BF16_SIDE };
enum { ROW_BYTES = CHUNK * 2, PAIRS = CHUNK / 2 };

// What only some CPUs run lies apart from the rest, in which a test then looks for such code.
#if defined(__ELF__)
#define APART section("sb_units"),
#else
#define APART
#endif
#define WITH_DOT __attribute__((APART target("avx512f,avx512bf16")))
#define WITH_TILES __attribute__((APART target("amx-tile,amx-bf16")))

// MARK: dot products

enum { ROWS = 8 };

// sum [8, 32] += A·B of some chunks; right is the second panel of B.
WITH_DOT static void add_dot_products(const uint16_t *a, const uint16_t *left,
                                      const uint16_t *right, long chunks, float *sum) {
  __m512 row[ROWS][2];
  for (long i = 0; i < ROWS; i++) row[i][0] = row[i][1] = _mm512_setzero_ps();
  for (long chunk = 0; chunk < chunks; chunk++, a += BLOCK, left += BLOCK, right += BLOCK) {
    for (long pair = 0; pair < PAIRS; pair++) {
      const __m512bh b0 = (__m512bh)_mm512_loadu_si512(left + pair * 2 * PANEL);
      const __m512bh b1 = (__m512bh)_mm512_loadu_si512(right + pair * 2 * PANEL);
#pragma clang loop unroll(full)
      for (long i = 0; i < ROWS; i++) {
        int numbers;
        memcpy(&numbers, a + i * CHUNK + 2 * pair, sizeof numbers);
        const __m512bh x = (__m512bh)_mm512_set1_epi32(numbers);
        row[i][0] = _mm512_dpbf16_ps(row[i][0], x, b0);
        row[i][1] = _mm512_dpbf16_ps(row[i][1], x, b1);
      }
    }
  }
  for (long i = 0; i < ROWS; i++) {
    for (long n = 0; n < 2; n++) {
      float *to = sum + i * SIDE + n * PANEL;
      _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), row[i][n]));
    }
  }
}

WITH_DOT void sb_bf16_by_dot(const sb_bf16_job *job, float *sum) {
  sb_bf16_by_rows(job, ROWS, PANEL, add_dot_products, sum);
}

// MARK: tiles

// Tiles 0 to 3 hold sums, 4 and 5 panels of A, 6 and 7 of B: each 16 rows of 64 bytes.
WITH_TILES void sb_bf16_begin_tiles(void) {
  struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } shape = {.palette = 1};
  for (int tile = 0; tile < 8; tile++) {
    shape.row_bytes[tile] = ROW_BYTES;
    shape.rows[tile] = PANEL;
  }
  _tile_loadconfig(&shape);
}

// Without it every switch to another thread would save and restore the tiles.
WITH_TILES void sb_bf16_end_tiles(void) { _tile_release(); }

WITH_TILES void sb_bf16_by_tiles(const sb_bf16_job *job, float *sum) {
  const int is_high = job->row_panels > 1, is_wide = job->col_panels > 1;
  const long next = job->chunks * BLOCK;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const sb_bf16_terms terms = sb_bf16_terms_of(job->pieces);
  for (long number = 0; number < terms.count; number++) {
    const uint16_t *a = job->a + terms.first[number].a * job->a_piece;
    const uint16_t *b = job->b + terms.first[number].b * job->b_piece;
    for (long chunk = 0; chunk < job->chunks; chunk++, a += BLOCK, b += BLOCK) {
      _tile_loadd(4, a, ROW_BYTES);
      _tile_loadd(6, b, ROW_BYTES);
      _tile_dpbf16ps(0, 4, 6);
      if (is_wide) {
        _tile_loadd(7, b + next, ROW_BYTES);
        _tile_dpbf16ps(1, 4, 7);
      }
      if (is_high) {
        _tile_loadd(5, a + next, ROW_BYTES);
        _tile_dpbf16ps(2, 5, 6);
        if (is_wide) _tile_dpbf16ps(3, 5, 7);
      }
    }
  }
  const int stride = SIDE * (int)sizeof(float);
  _tile_stored(0, sum, stride);
  if (is_wide) _tile_stored(1, sum + PANEL, stride);
  if (is_high) _tile_stored(2, sum + (long)PANEL * SIDE, stride);
  if (is_high && is_wide) _tile_stored(3, sum + (long)PANEL * (SIDE + 1), stride);
}

// MARK: which unit

static uint64_t enabled_states(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

// Whether the system lets this process use tiles, which it has to be asked for.
static int may_use_tiles(void) {
#if defined(SB_TILES_IN_C)
  return 1;
#elif defined(__linux__) && defined(SYS_arch_prctl)
  const int request = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, request, tile_data) == 0;
#else
  return 0;
#endif
}

static int find_unit(void) {
  const char *only = getenv("SWIFTBACKPROP_BF16");
  if (only != NULL && strcmp(only, "emulated") == 0) return SB_BF16_EMULATED;
#if defined(SB_TILES_IN_C)
  return SB_BF16_TILES;
#endif
  uint32_t a, b, c, d;
#define CPUID(leaf, part) \
  __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(leaf), "c"(part))
  CPUID(0, 0);
  if (a < 7) return SB_BF16_EMULATED;
  CPUID(1, 0);
  if (!(c >> 27 & 1)) return SB_BF16_EMULATED;  // no xgetbv
  const uint64_t states = enabled_states();
  CPUID(7, 0);
  const int has_avx512 = b >> 16 & 1 && (states & 0xe6) == 0xe6;
  const int has_tiles = (d >> 22 & 1) && (d >> 24 & 1) && (states >> 17 & 3) == 3;
  CPUID(7, 1);
  const int has_dot = has_avx512 && (a >> 5 & 1);
#undef CPUID
  const int hides_tiles = only != NULL && strcmp(only, "dot") == 0;
  if (has_tiles && !hides_tiles && may_use_tiles()) return SB_BF16_TILES;
  return has_dot ? SB_BF16_DOT : SB_BF16_EMULATED;
}

static int known_unit = -1;

int sb_bf16_unit(void) {
  // Threads that look at the same time find the same.
  int unit = __atomic_load_n(&known_unit, __ATOMIC_ACQUIRE);
  if (unit < 0) {
    unit = find_unit();
    __atomic_store_n(&known_unit, unit, __ATOMIC_RELEASE);
  }
  return unit;
}
#endif
