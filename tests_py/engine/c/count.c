// Preloaded, it counts what is asked of malloc (glibc), but for what OpenBLAS asks, and the
// loader for OpenBLAS' thread-local memory when a thread first comes there.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static long calls, bytes;
static int counts;

void count_from_here(void) {
  calls = bytes = 0;
  counts = 1;
}
long counted_calls(void) {
  counts = 0;
  return calls;
}
long counted_bytes(void) { return bytes; }

static void note(size_t size, void *caller) {
  Dl_info info;
  if (!__atomic_load_n(&counts, __ATOMIC_RELAXED)) return;
  if (dladdr(caller, &info) && info.dli_fname &&
      (strstr(info.dli_fname, "openblas") || strstr(info.dli_fname, "/ld-linux"))) {
    return;
  }
  __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
  __atomic_fetch_add(&bytes, (long)size, __ATOMIC_RELAXED);
}

void *malloc(size_t size) {
  note(size, __builtin_return_address(0));
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  note(count * size, __builtin_return_address(0));
  return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
  note(size, __builtin_return_address(0));
  return __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size) {
  note(size, __builtin_return_address(0));
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  note(size, __builtin_return_address(0));
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
  note(size, __builtin_return_address(0));
  void *got = __libc_memalign(alignment, size);
  if (got == NULL) return ENOMEM;
  *block = got;
  return 0;
}
