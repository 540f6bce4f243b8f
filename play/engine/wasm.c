// What the engine asks of its platform, where that is WebAssembly in a browser: memory, a clock,
// one thread, the two products of a BLAS, and the few functions of a C library that are called.
// It takes the place of parallel.c and support.c, and of libc.
#include <stdbool.h>

#include "sb_support.h"

// ---------------------------------------------------------------- where engine.js writes

#define AT(STRUCT, FIELD, OFFSET) \
  _Static_assert(offsetof(STRUCT, FIELD) == OFFSET, #STRUCT "." #FIELD)
AT(sb_error, message, 4);
AT(sb_array, rows, 8);
AT(sb_array, row_stride, 24);
AT(sb_array, dtype, 40);
AT(sb_array, swapped, 48);
AT(sb_view, shape, 8);
AT(sb_view, strides, 24);
AT(sb_view, dtype, 44);
AT(sb_view, owner, 56);
AT(sb_rule_info, parameter_count, 20);
AT(sb_rule_info, parameter_names, 28);
AT(sb_rule_info, parameter_defaults, 56);
AT(sb_config, activations, 16);
AT(sb_config, loss, 28);
AT(sb_config, l1, 48);
AT(sb_config, seed, 72);
AT(sb_config, dtype, 80);
AT(sb_fit_config, epochs, 24);
AT(sb_fit_config, shuffle, 40);
_Static_assert(sizeof(sb_fit_config) == 80, "engine.js has room for it");
AT(sb_progress, loss, 24);
AT(sb_progress, done, 32);
_Static_assert(SB_ABI_VERSION == 8, "see whether engine.js still fits");

// ---------------------------------------------------------------- memory

// Blocks of powers of two bytes, from 64 on. A block that was given back waits in a list of its
// size. Before each block lies a header, as long as the alignment, with the list's number.
#define ALIGNMENT 64
#define SIZES 32
#define PAGE 65536

typedef struct block {
  struct block *next;
} block;

extern unsigned char __heap_base;
static block *waiting[SIZES];
static uintptr_t end_of_used;

static int size_of(size_t bytes) {
  int size = 6;
  while (size < SIZES - 1 && ((size_t)1 << size) < bytes) size++;
  return size;
}

// Makes memory longer until `end` lies in it.
static bool reach(uint64_t end) {
  uint64_t pages = (end + PAGE - 1) / PAGE;
  uint64_t have = __builtin_wasm_memory_size(0);
  if (pages <= have) return true;
  // A little more than is wanted: whoever looks at memory from JavaScript has to look anew each
  // time it grows.
  size_t more = (size_t)(pages - have);
  if (__builtin_wasm_memory_grow(0, more + 64) != (size_t)-1) return true;
  return __builtin_wasm_memory_grow(0, more) != (size_t)-1;
}

void *malloc(size_t bytes) {
  if (bytes > (size_t)1 << 30) return NULL;
  int size = size_of(bytes);
  if (waiting[size] != NULL) {
    block *found = waiting[size];
    waiting[size] = found->next;
    return found;
  }
  if (end_of_used == 0) {
    end_of_used = ((uintptr_t)&__heap_base + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
  }
  uint64_t end = (uint64_t)end_of_used + ALIGNMENT + ((uint64_t)1 << size);
  if (end > UINT32_MAX || !reach(end)) return NULL;
  uintptr_t start = end_of_used + ALIGNMENT;
  *(int *)(start - ALIGNMENT) = size;
  end_of_used = (uintptr_t)end;
  return (void *)start;
}

void free(void *memory) {
  if (memory == NULL) return;
  int size = *(int *)((uintptr_t)memory - ALIGNMENT);
  block *given = memory;
  given->next = waiting[size];
  waiting[size] = given;
}

// Swift's own allocations.
int posix_memalign(void **memory, size_t alignment, size_t bytes) {
  *memory = alignment <= ALIGNMENT ? malloc(bytes) : NULL;
  return *memory == NULL ? 12 : 0;  // ENOMEM
}

int sb_has_memory(size_t bytes) { return bytes <= (size_t)1 << 30; }
void *sb_allocate(size_t bytes) { return malloc(bytes); }
void sb_deallocate(void *memory) { free(memory); }

void sb_use_large_pages(void *memory, size_t bytes) { (void)memory, (void)bytes; }

// Nothing is packed at this level.
void *sb_scratch(void) { return NULL; }
void sb_keep_scratch(void *memory) { (void)memory; }

// ---------------------------------------------------------------- one thread

void sb_parallel(int parts, sb_task task, void *context) {
  for (int part = 0; part < parts; part++) task(context, part);
}

int sb_enter_blas(void) { return 1; }
void sb_leave_blas(void) {}
int sb_get_blas_threads(void) { return 1; }
int sb_set_blas_threads(int count) { return count == 1; }

// ---------------------------------------------------------------- products

// C [m, n] <- alpha A B + beta C. A is read by strides; B, if it is transposed, is first copied
// into rows. A tile of C, 4 rows by 2 vectors, stays in locals, which the browser keeps in
// registers. Sums go over k in its order, in each element alike.
#define PRODUCT(NAME, T, VECTOR)                                                                  \
  typedef T VECTOR __attribute__((vector_size(16), aligned(sizeof(T))));                          \
  static inline void NAME##_tile(int rows, int k, T alpha, const T *a, long row, long col,        \
                                 const T *b, long ldb, T beta, T *c, long ldc) {                  \
    enum { WIDTH = 16 / sizeof(T) };                                                              \
    VECTOR sum[4][2] = {{{0}}};                                                                   \
    for (int p = 0; p < k; p++) {                                                                 \
      VECTOR left = *(const VECTOR *)(b + p * ldb);                                               \
      VECTOR right = *(const VECTOR *)(b + p * ldb + WIDTH);                                      \
      for (int i = 0; i < rows; i++) {                                                            \
        T factor = a[i * row + p * col];                                                          \
        sum[i][0] += factor * left;                                                               \
        sum[i][1] += factor * right;                                                              \
      }                                                                                           \
    }                                                                                             \
    for (int i = 0; i < rows; i++) {                                                              \
      for (int half = 0; half < 2; half++) {                                                      \
        VECTOR *place = (VECTOR *)(c + i * ldc + half * WIDTH);                                   \
        *place = beta == 0 ? alpha * sum[i][half] : alpha * sum[i][half] + beta * *place;         \
      }                                                                                           \
    }                                                                                             \
  }                                                                                               \
  static void NAME(int order, int transa, int transb, int m, int n, int k, T alpha, const T *a,   \
                   int lda, const T *b, int ldb, T beta, T *c, int ldc) {                         \
    (void)order;                                                                                  \
    const int wide = 2 * 16 / (int)sizeof(T);                                                     \
    long row = transa == 112 ? 1 : lda, col = transa == 112 ? lda : 1;                            \
    long down = transb == 112 ? 1 : ldb, across = transb == 112 ? ldb : 1;                        \
    T *copy = transb == 112 && n >= wide ? malloc((size_t)k * n * sizeof(T)) : NULL;              \
    if (copy != NULL) {                                                                           \
      for (int p = 0; p < k; p++) {                                                               \
        for (int j = 0; j < n; j++) copy[(long)p * n + j] = b[p * down + j * across];             \
      }                                                                                           \
      b = copy, down = n, across = 1;                                                             \
    }                                                                                             \
    int j = 0;                                                                                    \
    for (; across == 1 && j + wide <= n; j += wide) {                                             \
      int i = 0;                                                                                  \
      for (; i + 4 <= m; i += 4) {                                                                \
        NAME##_tile(4, k, alpha, a + i * row, row, col, b + j, down, beta, c + (long)i * ldc + j, \
                    ldc);                                                                         \
      }                                                                                           \
      for (; i < m; i++) {                                                                        \
        NAME##_tile(1, k, alpha, a + i * row, row, col, b + j, down, beta, c + (long)i * ldc + j, \
                    ldc);                                                                         \
      }                                                                                           \
    }                                                                                             \
    for (; j < n; j++) {                                                                          \
      for (int i = 0; i < m; i++) {                                                               \
        T sum = 0;                                                                                \
        for (int p = 0; p < k; p++) sum += a[i * row + p * col] * b[p * down + j * across];       \
        T *place = c + (long)i * ldc + j;                                                         \
        *place = beta == 0 ? alpha * sum : alpha * sum + beta * *place;                           \
      }                                                                                           \
    }                                                                                             \
    free(copy);                                                                                   \
  }
PRODUCT(single_product, float, four_floats)
PRODUCT(double_product, double, two_doubles)

// Installed from the start: there is nobody who could bring another.
sb_blas sb_blas_table = {single_product, double_product, NULL, NULL};

// ---------------------------------------------------------------- of a C library

__attribute__((import_module("page"), import_name("now"))) double page_now(void);

// Since the page was opened.
int clock_gettime(int clock, struct timespec *now) {
  (void)clock;
  double milliseconds = page_now();
  now->tv_sec = (time_t)(milliseconds / 1e3);
  now->tv_nsec = (long)((milliseconds - (double)now->tv_sec * 1e3) * 1e6);
  return 0;
}

// Halves go away from 0.
double round(double x) {
  double whole = __builtin_trunc(x);
  return __builtin_fabs(x - whole) < 0.5 ? whole : whole + __builtin_copysign(1, x);
}

size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length] != 0) length++;
  return length;
}

int strcmp(const char *a, const char *b) {
  while (*a != 0 && *a == *b) a++, b++;
  return (unsigned char)*a - (unsigned char)*b;
}

// The product of two numbers of 128 bits, with which Swift looks for overflow.
__int128 __multi3(__int128 a, __int128 b) {
  uint64_t x = (uint64_t)a, y = (uint64_t)b;
  uint64_t x0 = (uint32_t)x, x1 = x >> 32, y0 = (uint32_t)y, y1 = y >> 32;
  uint64_t low = x0 * y0, middle = x1 * y0 + (low >> 32);
  uint64_t other = x0 * y1 + (uint32_t)middle;
  uint64_t high = x1 * y1 + (middle >> 32) + (other >> 32);
  high += x * (uint64_t)(b >> 64) + (uint64_t)(a >> 64) * y;
  return (__int128)((unsigned __int128)high << 64 | (other << 32 | (uint32_t)low));
}
