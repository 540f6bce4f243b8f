// What the engine's mathematics needs of C: the square root as a vector instruction, prefetching.
#ifndef SB_MATH_H
#define SB_MATH_H

// Swift's own squareRoot() stays scalar inside loops; this builtin becomes the vector form,
// and does not set errno.
static inline float sb_sqrtf(float x) { return __builtin_elementwise_sqrt(x); }
static inline double sb_sqrt(double x) { return __builtin_elementwise_sqrt(x); }

// Asks for the cache line at p; any address will do.
static inline void sb_prefetch(const void *p) { __builtin_prefetch(p); }

#endif
