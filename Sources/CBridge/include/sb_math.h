// What the engine's mathematics needs of C: the square root as a vector instruction, prefetching,
// vectors taken apart and put together.
#ifndef SB_MATH_H
#define SB_MATH_H

// Swift's own squareRoot() stays scalar inside loops; this builtin becomes the vector form,
// and does not set errno.
static inline float sb_sqrtf(float x) { return __builtin_elementwise_sqrt(x); }
static inline double sb_sqrt(double x) { return __builtin_elementwise_sqrt(x); }

// Asks for the cache line at p; any address will do.
static inline void sb_prefetch(const void *p) { __builtin_prefetch(p); }

// p, of which the compiler does not know any more how it was computed.
static inline const void *sb_apart(const void *p) {
  __asm__("" : "+r"(p));
  return p;
}

// A register full of numbers. Swift's SIMD types multiply and add lane by lane, which takes the
// compiler long to bring together again.
#if defined(__AVX512F__)
#define SB_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define SB_VECTOR_BYTES 32
#else
#define SB_VECTOR_BYTES 16
#endif
#if defined(__FMA__) || defined(__aarch64__)
#define SB_MUL_ADD(a, b, c) __builtin_elementwise_fma(a, b, c)
#else
#define SB_MUL_ADD(a, b, c) ((a) * (b) + (c))
#endif
// row + a·b, and factor·row
#define SB_VECTOR(VECTOR, T, ADD, SCALE)                                                        \
  typedef T VECTOR __attribute__((ext_vector_type(SB_VECTOR_BYTES / sizeof(T))));               \
  static inline VECTOR ADD(VECTOR row, T a, VECTOR b) { return SB_MUL_ADD((VECTOR)a, b, row); } \
  static inline VECTOR SCALE(VECTOR row, T factor) { return row * (VECTOR)factor; }
SB_VECTOR(sb_vectorf, float, sb_addf, sb_scalef)
SB_VECTOR(sb_vectord, double, sb_addd, sb_scaled)

#if defined(__AVX512F__)
// out[k·out_stride + i] = p[i·stride + k] for i < 8 and k < LANES. Three times each vector is
// interleaved with the one four further; then v[0] holds the first columns, eight numbers each.
#define SB_TRANSPOSE_8(NAME, T, LANES, LOW, HIGH)                                     \
  static inline void NAME(const T *p, long stride, T *out, long out_stride) {         \
    typedef T vector __attribute__((vector_size(64)));                                \
    vector v[8], w[8];                                                                \
    for (int i = 0; i < 8; i++) __builtin_memcpy(&v[i], p + i * stride, sizeof v[i]); \
    for (int stage = 0; stage < 3; stage++) {                                         \
      for (int i = 0; i < 4; i++) {                                                   \
        w[2 * i] = __builtin_shufflevector(v[i], v[i + 4], LOW);                      \
        w[2 * i + 1] = __builtin_shufflevector(v[i], v[i + 4], HIGH);                 \
      }                                                                               \
      __builtin_memcpy(v, w, sizeof v);                                               \
    }                                                                                 \
    for (int k = 0; k < LANES; k++) {                                                 \
      __builtin_memcpy(out + k * out_stride, (const T *)v + 8 * k, 8 * sizeof(T));    \
    }                                                                                 \
  }
#define SB_LOW_16 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define SB_HIGH_16 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define SB_LOW_8 0, 8, 1, 9, 2, 10, 3, 11
#define SB_HIGH_8 4, 12, 5, 13, 6, 14, 7, 15
SB_TRANSPOSE_8(sb_transpose_8f, float, 16, SB_LOW_16, SB_HIGH_16)
SB_TRANSPOSE_8(sb_transpose_8d, double, 8, SB_LOW_8, SB_HIGH_8)
#endif

#endif
