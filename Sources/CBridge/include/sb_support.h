// What the Swift engine needs of C: the BLAS table, memory, atomics, the clock, the CPU.
// Internal: not part of the contract in swift_backprop.h.
#ifndef SB_SUPPORT_H
#define SB_SUPPORT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "sb_math.h"
#include "swift_backprop.h"

// The functions of BLAS; written once, by sb_set_blas. Which other statics there are, and why, is
// in docs/design.md.
extern sb_blas sb_blas_table;

static inline void sb_sgemm(int transa, int transb, int m, int n, int k, float alpha,
                            const float *a, int lda, const float *b, int ldb, float beta, float *c,
                            int ldc) {
  sb_blas_table.sgemm(101, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

static inline void sb_dgemm(int transa, int transb, int m, int n, int k, double alpha,
                            const double *a, int lda, const double *b, int ldb, double beta,
                            double *c, int ldc) {
  sb_blas_table.dgemm(101, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

// Behind functions, because Swift 6 reads no mutable global of C.
static inline void sb_install_blas(sb_blas table) { sb_blas_table = table; }
static inline int sb_blas_is_installed(void) {
  return sb_blas_table.sgemm != NULL && sb_blas_table.dgemm != NULL;
}

// 1 if there are `bytes` of memory to be had.
int sb_has_memory(size_t bytes);

// `bytes` of memory on a 64-byte boundary, or NULL when there is not that much.
void *sb_allocate(size_t bytes);
void sb_deallocate(void *memory);

// Lets the system back memory by large pages, if it can. Another process to which it is sent, as
// MPI sends it within a machine, then has some hundred times fewer pages to look up.
void sb_use_large_pages(void *memory, size_t bytes);

// Bytes of a page; 0 where processes cannot have pages in common, and all of these fail.
size_t sb_page_bytes(void);
// As sb_allocate, from the beginning of a page on.
void *sb_allocate_pages(size_t bytes);
// A descriptor of its own for an open file, or -1; and its end.
int sb_keep_file(int file);
void sb_close_file(int file);
// 1 if a file has that many bytes, and the memory for them.
int sb_reserve_pages(int file, size_t bytes);
// Whole pages at `memory` become those of the file at `offset`; with `writes` what is in them comes
// along, else what the file has is there. 1 if so, 0 if they are as they were.
int sb_share_pages(void *memory, size_t bytes, int file, size_t offset, int writes);
// They become this process' own again, with what is in them if it `keeps` that, as they do in a
// child of fork; nothing where they are. 0 if others may write to them still.
int sb_own_pages(void *memory, int keeps);

// What was written before is seen by who learns, after this, that it was.
static inline void sb_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

// Room for the packed operands of a product, this thread's own until it ends: a block of A, for
// the second-level cache, and strips of B, each for a good part of the first; or for the copy of a
// small B. NULL when there is no memory.
#define SB_SCRATCH_BLOCK (768 << 10)
#define SB_SCRATCH_STRIPS (128 << 10)
#define SB_SCRATCH_BYTES (SB_SCRATCH_BLOCK + SB_SCRATCH_STRIPS)
void *sb_scratch(void);
// Makes `memory`, of that size or NULL, this thread's.
void sb_keep_scratch(void *memory);

static inline void sb_add(int64_t *counter, int64_t amount) {
  __atomic_fetch_add(counter, amount, __ATOMIC_ACQ_REL);
}

static inline int64_t sb_read(const int64_t *counter) {
  return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

#if defined(_WIN32)
int64_t sb_nanoseconds(void);
#else
static inline int64_t sb_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
#endif

// As many threads as the engine ever uses.
#define SB_MAX_THREADS 48

typedef void (*sb_task)(void *context, int part);

// Runs task(context, part) for part = 0..parts-1, at once where threads are free, and
// returns when all are done.
void sb_parallel(int parts, sb_task task, void *context);

// Holds the BLAS library to one thread until sb_leave_blas and returns how many it was
// allowed: what set_num_threads and threadpoolctl limit.
int sb_enter_blas(void);
void sb_leave_blas(void);

// How many threads the library is allowed, also while it is held to one; 0 if it does not tell.
int sb_get_blas_threads(void);
// Allows it `count`, which it takes when it is let go. 0 if it cannot.
int sb_set_blas_threads(int count);

// From here on this thread takes numbers below the normal ones for 0, which its arithmetic is
// a hundred times slower with; the momentum of a dead unit decays through them for hundreds of
// steps. Returns what sb_restore_arithmetic takes.
static inline uint64_t sb_flush_subnormals(void) {
#if defined(__x86_64__)
  unsigned before = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(before | 0x8040);
  return before;
#elif defined(__aarch64__)
  uint64_t before;
  __asm__ volatile("mrs %0, fpcr" : "=r"(before));
  __asm__ volatile("msr fpcr, %0" : : "r"(before | 1 << 24));
  return before;
#else
  return 0;
#endif
}

static inline void sb_restore_arithmetic(uint64_t before) {
#if defined(__x86_64__)
  __builtin_ia32_ldmxcsr((unsigned)before);
#elif defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" : : "r"(before));
#else
  (void)before;
#endif
}

// The long double at p, which may be unaligned. WebAssembly has none, and no caller who could
// have one.
static inline double sb_long_double(const void *p) {
#if defined(__wasm__)
  (void)p;
  return __builtin_nan("");
#else
  long double value;
  memcpy(&value, p, sizeof value);
  return (double)value;
#endif
}

// The level this image was compiled for, in the numbers of sb_cpu_level.
#ifndef SB_LEVEL
#define SB_LEVEL 1
#endif

static inline int sb_supported_level(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return 4;
  if (__builtin_cpu_supports("x86-64-v3")) return 3;
#endif
  return 1;
}

static inline int sb_compiled_level(void) { return SB_LEVEL; }

#endif
