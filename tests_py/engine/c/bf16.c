// Products of factors rounded to bfloat16, against sums in double precision of pieces that are
// made here in another way. Prints what multiplied: "tiles", "dot" or "emulated".
#include "sb_bf16.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 1;

// In -1..1
static float draw(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (float)((int64_t)(state >> 11) - (1ll << 52)) * 0x1p-52f;
}

// The bfloat16 next to x, ties to even; of what is too large the largest.
static double nearest(double x) {
  if (x == 0 || isnan(x) || isinf(x)) return x;
  int exponent;
  const double fraction = frexp(x, &exponent);
  const double value = ldexp(rint(ldexp(fraction, 8)), exponent - 8);
  if (fabs(value) > FLT_MAX) return copysign(0x1.fep127, x);
  return fabs(x) < FLT_MIN ? 0 : value;
}

// The pieces of a factor [pieces, lanes, depth].
static double *split(sb_bf16_factor from, int pieces) {
  const int count = from.lanes * from.depth;
  double *found = malloc(sizeof(double) * pieces * count);
  for (int i = 0; i < count; i++) {
    double rest = from.base[i / from.depth * from.across + i % from.depth * from.along];
    for (int piece = 0; piece < pieces; piece++) {
      const double next = nearest(rest);
      found[piece * count + i] = next;
      rest -= next;
    }
  }
  return found;
}

// A product of depth 3 or less fits a chunk, one of 700 is cut into many.
static const int SHAPES[][3] = {
    {1, 1, 1},    {3, 5, 2},    {16, 16, 32}, {17, 33, 31}, {32, 10, 64},
    {40, 70, 33}, {33, 31, 97}, {64, 64, 96}, {5, 7, 700},
};

static int check(int shape, int across_a, int across_b, int pieces, int keeps) {
  const int m = SHAPES[shape][0], n = SHAPES[shape][1], k = SHAPES[shape][2];
  float *a = malloc(sizeof(float) * m * k), *b = malloc(sizeof(float) * k * n);
  float *c = malloc(sizeof(float) * m * (n + 1));
  for (int i = 0; i < m * k; i++) a[i] = draw() * (i % 7 == 0 ? 1e-3f : 1.f);
  for (int i = 0; i < k * n; i++) b[i] = draw();
  a[0] = 0x1p-130f;  // below the normal numbers
  for (int i = 0; i < m * (n + 1); i++) c[i] = keeps || i % (n + 1) == n ? 0.5f : NAN;
  const sb_bf16_factor left = {a, across_a ? 1 : k, across_a ? m : 1, m, k};
  const sb_bf16_factor right = {b, across_b ? 1 : k, across_b ? n : 1, n, k};
  uint16_t *packed_a = aligned_alloc(64, (size_t)sb_bf16_bytes(m, k, pieces));
  uint16_t *packed_b = aligned_alloc(64, (size_t)sb_bf16_bytes(n, k, pieces));
  sb_bf16_pack_a(left, pieces, packed_a);
  sb_bf16_pack_b(right, pieces, packed_b);
  sb_bf16_multiply(packed_a, packed_b, m, n, k, pieces, -2.f, keeps, c, n + 1);
  double *x = split(left, pieces), *y = split(right, pieces);
  int wrong = 0;
  for (int i = 0; i < m; i++) {
    for (int j = 0; j < n; j++) {
      double sum = 0, size = 0;
      for (int p = 0; p < pieces; p++) {
        for (int q = 0; p + q < pieces; q++) {
          const double *row = x + (p * m + i) * k, *column = y + (q * n + j) * k;
          for (int term = 0; term < k; term++) {
            sum += row[term] * column[term];
            if (p + q == 0) size += fabs(row[term] * column[term]);
          }
        }
      }
      const double wanted = (keeps ? 0.5 : 0) - 2 * sum;
      if (!(fabs(c[i * (n + 1) + j] - wanted) <= 0x1p-23 * (4 + k / 8.) * (size + 0.5))) wrong++;
    }
    if (c[i * (n + 1) + n] != 0.5f) wrong++;
  }
  if (wrong > 0) {
    printf("[%d, %d] x [%d, %d], %d, %d, %d pieces, keeps %d: %d wrong\n", m, k, k, n, across_a,
           across_b, pieces, keeps, wrong);
  }
  free(a);
  free(b);
  free(c);
  free(packed_a);
  free(packed_b);
  free(x);
  free(y);
  return wrong;
}

// Whether a long product of three pieces is further off than a plain sum of float32, in norm.
static int is_inaccurate(int k) {
  enum { LANES = 32 };
  float *a = malloc(sizeof(float) * LANES * k), *b = malloc(sizeof(float) * LANES * k);
  for (int i = 0; i < LANES * k; i++) {
    a[i] = draw();
    b[i] = draw();
  }
  const sb_bf16_factor left = {a, k, 1, LANES, k}, right = {b, k, 1, LANES, k};
  const size_t bytes = (size_t)sb_bf16_bytes(LANES, k, 3);
  uint16_t *packed_a = aligned_alloc(64, bytes), *packed_b = aligned_alloc(64, bytes);
  float c[LANES * LANES];
  sb_bf16_pack_a(left, 3, packed_a);
  sb_bf16_pack_b(right, 3, packed_b);
  sb_bf16_multiply(packed_a, packed_b, LANES, LANES, k, 3, 1.f, 0, c, LANES);
  double ours = 0, plain = 0;
  for (int i = 0; i < LANES; i++) {
    for (int j = 0; j < LANES; j++) {
      double sum = 0;
      float single = 0;
      for (int term = 0; term < k; term++) {
        sum += (double)a[i * k + term] * b[j * k + term];
        single = fmaf(a[i * k + term], b[j * k + term], single);
      }
      ours += (c[i * LANES + j] - sum) * (c[i * LANES + j] - sum);
      plain += (single - sum) * (single - sum);
    }
  }
  free(a);
  free(b);
  free(packed_a);
  free(packed_b);
  return ours > plain;
}

// x·y by the smallest product there is.
static float multiply(float x, float y, int pieces) {
  float c;
  const sb_bf16_factor a = {&x, 1, 1, 1, 1}, b = {&y, 1, 1, 1, 1};
  sb_bf16_multiply_small(a, b, pieces, 1.f, 0, &c, 1);
  return c;
}

int main(void) {
  const char *units[] = {"emulated", "dot", "tiles"};
  int wrong = 0;
  for (int shape = 0; shape < (int)(sizeof SHAPES / sizeof SHAPES[0]); shape++) {
    for (int way = 0; way < 8; way++) {
      for (int pieces = 1; pieces <= SB_BF16_MAX_PIECES; pieces++) {
        wrong += check(shape, way & 1, way >> 1 & 1, pieces, way >> 2);
      }
    }
  }
  for (int k = 65; k <= 256; k += 63) wrong += is_inaccurate(k);
  for (int pieces = 1; pieces <= SB_BF16_MAX_PIECES; pieces++) {
    // The pieces of finite numbers are finite; what is not stays so, whatever it meets.
    wrong += !isfinite(multiply(FLT_MAX, 0.25f, pieces));
    wrong += isfinite(multiply(INFINITY, 0.25f, pieces));
    wrong += isfinite(multiply(INFINITY, 0.f, pieces));
    wrong += isfinite(multiply(1.f, -INFINITY, pieces));
    wrong += !isnan(multiply(NAN, 0.25f, pieces));
    uint32_t bits = 0x7f800001;  // a NaN that cutting would make infinity of
    float nan;
    memcpy(&nan, &bits, sizeof nan);
    wrong += !isnan(multiply(nan, 1.f, pieces));
    wrong += multiply(FLT_MIN / 2, 0x1p120f, pieces) != 0;
    wrong += multiply(3.f, 5.f, pieces) != 15.f;
  }
  printf("%s: %d wrong\n", units[sb_bf16_unit()], wrong);
  return wrong > 0;
}
