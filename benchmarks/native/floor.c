/* The floor: the matrix products of a training step and nothing else, through the CBLAS
   function that the caller passes in. W is stored D(m-1) x D(m). */

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };

#define FLOOR(T, name)                                                                          \
  typedef void name##_gemm(int, int, int, int, int, int, T, const T *, int, const T *, int, T,  \
                           T *, int);                                                           \
  /* size[0..layers]; w, a, g, gw: one array for each layer 1..layers, 0 unused.                \
     Step s takes the rows of minibatch s % batches of x. */                                    \
  void name(name##_gemm *gemm, int layers, const int *size, int rows, const T *x, long batches, \
            T *const *w, T *const *a, T *const *g, T *const *gw, long first, long steps) {      \
    for (long s = first; s < first + steps; s++) {                                              \
      const T *input = x + (s % batches) * rows * size[0];                                      \
      for (int m = 1; m <= layers; m++) {                                                       \
        int own = size[m], before = size[m - 1];                                                \
        gemm(ROW_MAJOR, PLAIN, PLAIN, rows, own, before, 1, m == 1 ? input : a[m - 1], before,  \
             w[m], own, 0, a[m], own);                                                          \
      }                                                                                         \
      for (int m = layers; m >= 1; m--) {                                                       \
        int own = size[m], before = size[m - 1];                                                \
        gemm(ROW_MAJOR, TRANSPOSED, PLAIN, before, own, rows, 1, m == 1 ? input : a[m - 1],     \
             before, g[m], own, 0, gw[m], own);                                                 \
        if (m > 1)                                                                              \
          gemm(ROW_MAJOR, PLAIN, TRANSPOSED, rows, before, own, 1, g[m], own, w[m], own, 0,     \
               g[m - 1], before);                                                               \
      }                                                                                         \
    }                                                                                           \
  }

FLOOR(float, floor_float32)
FLOOR(double, floor_float64)
