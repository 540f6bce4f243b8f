/* The peak of the machine: multiply-adds in registers, in vectors as wide as the CPU has
   (compiled with -march=native). */
#include "threads.h"

#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif
#define SUMS 12 /* enough to hide the latency of two units, few enough for 16 registers */

int vector_bytes(void) { return WIDTH; }

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
int has_fma(void) { return 1; }
#else
int has_fma(void) { return 0; }
#endif

typedef float floats __attribute__((vector_size(WIDTH)));
typedef double doubles __attribute__((vector_size(WIDTH)));

static volatile double factor = 0.999999, addend = 1e-6; /* not to be folded away */

/* s = s * a + b is contracted to one fused multiply-add. */
#define S(k) s##k = s##k * a + b;
#define WORK(vector, element, name)                                                \
  static double name(long rounds) {                                                \
    vector a = (element)factor - (vector){0}, b = (element)addend - (vector){0};   \
    /* each its own start: sums that are equal would be made once */               \
    vector s0 = b, s1 = b + b, s2 = s1 + b, s3 = s2 + b, s4 = s3 + b, s5 = s4 + b; \
    vector s6 = s5 + b, s7 = s6 + b, s8 = s7 + b, s9 = s8 + b, s10 = s9 + b;       \
    vector s11 = s10 + b;                                                          \
    for (long i = 0; i < rounds; i++) {                                            \
      S(0) S(1) S(2) S(3) S(4) S(5) S(6) S(7) S(8) S(9) S(10) S(11)                \
    }                                                                              \
    s0 += s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11;                  \
    return (double)s0[0];                                                          \
  }
WORK(floats, float, work_float)
WORK(doubles, double, work_double)

/* Operations per second of all threads together. */
double peak(int use_double, int threads, long rounds) {
  double seconds;
  int started = run_threads(use_double ? work_double : work_float, threads, rounds, &seconds);
  int lanes = WIDTH / (int)(use_double ? sizeof(double) : sizeof(float));
  return 2.0 * SUMS * lanes * (double)rounds * started / seconds;
}
