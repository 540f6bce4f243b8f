/* The peaks of the units that multiply bfloat16: dot products of pairs (AVX512-BF16) and tiles
   (AMX-BF16). Each has its own instructions, and is asked only where the CPU has them. */
#include "threads.h"

enum { DOT, TILES }; /* as in native/__init__.py */

#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(TILES_IN_C) /* a test: the same tiles, without the unit */
#include TILES_IN_C
#endif

/* Operations of one instruction: a multiplication and an addition of every pair. */
#define DOT_OPERATIONS (2 * 2 * 16.0)
#define TILE_OPERATIONS (2 * 16.0 * 16 * 32)
#define DOT_SUMS 12 /* as many as hide the latency of two units */
#define TILE_SUMS 4 /* 52 cycles of latency, one instruction in 16 */

/* GCC does not know what of memory the instructions for tiles read and write. */
#define IN_MEMORY(pointer) __asm__ volatile("" : : "r"(pointer) : "memory")

static volatile int ones = 0x3f803f80, small = 0x3a803a80; /* pairs: 1, and 1/1024 */

#define S(k) s##k = _mm512_dpbf16_ps(s##k, a, b);
__attribute__((target("avx512f,avx512bf16"))) static double work_dot(long rounds) {
  __m512bh a = (__m512bh)_mm512_set1_epi32(ones), b = (__m512bh)_mm512_set1_epi32(small);
  /* each its own start: sums that are equal would be made once */
  __m512 one = _mm512_castsi512_ps(_mm512_set1_epi32(ones)), s0 = one;
  __m512 s1 = s0 + one, s2 = s1 + one, s3 = s2 + one, s4 = s3 + one, s5 = s4 + one;
  __m512 s6 = s5 + one, s7 = s6 + one, s8 = s7 + one, s9 = s8 + one, s10 = s9 + one;
  __m512 s11 = s10 + one;
  for (long i = 0; i < rounds; i++) {
    S(0) S(1) S(2) S(3) S(4) S(5) S(6) S(7) S(8) S(9) S(10) S(11)
  }
  s0 += s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11;
  return (double)s0[0];
}

__attribute__((target("amx-tile,amx-bf16"))) static double work_tiles(long rounds) {
  struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } shape = {.palette = 1};
  int numbers[16 * 16];
  float sums[16 * 16];
  double sum = 0;
  for (int tile = 0; tile < 8; tile++) {
    shape.row_bytes[tile] = 64;
    shape.rows[tile] = 16;
  }
  IN_MEMORY(&shape);
  _tile_loadconfig(&shape);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int i = 0; i < 16 * 16; i++) numbers[i] = ones;
  IN_MEMORY(numbers);
  _tile_loadd(4, numbers, 64);
  _tile_loadd(5, numbers, 64);
  for (int i = 0; i < 16 * 16; i++) numbers[i] = small;
  IN_MEMORY(numbers);
  _tile_loadd(6, numbers, 64);
  _tile_loadd(7, numbers, 64);
  for (long i = 0; i < rounds; i++) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
#define ADD(tile)               \
  _tile_stored(tile, sums, 64); \
  IN_MEMORY(sums);              \
  sum += sums[0];
  ADD(0) ADD(1) ADD(2) ADD(3) _tile_release();
  return sum;
}

/* Whether the system lets this process use tiles, which it has to be asked for. */
static int may_use_tiles(void) {
#if defined(__linux__) && defined(SYS_arch_prctl)
  const int request = 0x1023, tile_data = 18; /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */
  return syscall(SYS_arch_prctl, request, tile_data) == 0;
#else
  return 0;
#endif
}

int has_unit(int unit) {
  uint32_t a, b, c, d, low, high;
#define CPUID(leaf, part) \
  __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(leaf), "c"(part))
  CPUID(0, 0);
  if (a < 7) return 0;
  CPUID(1, 0);
  if (!(c >> 27 & 1)) /* no xgetbv */
    return 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  CPUID(7, 0);
  if (unit == TILES)
    return (d >> 22 & 1) && (d >> 24 & 1) && (low >> 17 & 3) == 3 && may_use_tiles();
  int has_avx512 = (b >> 16 & 1) && (low & 0xe6) == 0xe6;
  if (a < 1) /* leaf 7 has no second part */
    return 0;
  CPUID(7, 1);
  return has_avx512 && (a >> 5 & 1);
#undef CPUID
}

/* Operations per second of all threads together; not to be called where has_unit is 0. */
double unit_peak(int unit, int threads, double seconds) {
  double (*work)(long) = unit == TILES ? work_tiles : work_dot;
  double each = unit == TILES ? TILE_SUMS * TILE_OPERATIONS : DOT_SUMS * DOT_OPERATIONS;
  double spent = 0;
  long rounds = 1000;
  while (run_threads(work, threads, rounds, &spent), spent < seconds / 4) rounds *= 2;
  int started = run_threads(work, threads, rounds, &spent);
  return each * (double)rounds * started / spent;
}
#else
int has_unit(int unit) { return 0 * unit; }
double unit_peak(int unit, int threads, double seconds) { return 0 * unit * threads * seconds; }
#endif
