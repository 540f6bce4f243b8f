// Memory for the engine: checked against what the machine has before it is touched.
#include <stdio.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "posix.h"
#include "sb_support.h"

sb_blas sb_blas_table;

// Below this the check costs more than it protects.
static const size_t CHECKED_BYTES = (size_t)64 << 20;

#ifdef _WIN32
int64_t sb_nanoseconds(void) {
  LARGE_INTEGER now, second;
  QueryPerformanceCounter(&now);
  QueryPerformanceFrequency(&second);
  const int64_t n = now.QuadPart, each = second.QuadPart;
  return n / each * 1000000000 + n % each * 1000000000 / each;
}

static uint64_t available_bytes(void) {
  MEMORYSTATUSEX status = {.dwLength = sizeof status};
  return GlobalMemoryStatusEx(&status) ? status.ullAvailPageFile : UINT64_MAX;
}
#else
// The number after `name` in a file of lines "name number", or, without a name, the number the
// file begins with; UINT64_MAX where there is none ("max").
static uint64_t number_in(const char *path, const char *name) {
  FILE *file = fopen(path, "re");
  if (file == NULL) return UINT64_MAX;
  uint64_t result = UINT64_MAX;
  char line[128];
  while (fgets(line, sizeof line, file) != NULL) {
    size_t length = name == NULL ? 0 : strlen(name);
    if (length > 0 && strncmp(line, name, length) != 0) continue;
    char *end;
    unsigned long long value = strtoull(line + length, &end, 10);
    if (end != line + length) result = value;
    break;
  }
  fclose(file);
  return result;
}

// What a control group, a container's for instance, still allows. Its page cache can be had
// back, so that a large file that was read does not count.
static uint64_t available_in_group(const char *limit_path, const char *used_path,
                                   const char *stat_path, const char *cache_name) {
  uint64_t limit = number_in(limit_path, NULL);
  uint64_t used = number_in(used_path, NULL);
  if (limit == UINT64_MAX || used == UINT64_MAX) return UINT64_MAX;
  uint64_t cache = number_in(stat_path, cache_name);
  if (cache != UINT64_MAX) used = used > cache ? used - cache : 0;
  return limit > used ? limit - used : 0;
}

// Bytes that may still be used: of the machine, and of the control group of either version.
static uint64_t available_bytes(void) {
  uint64_t kilobytes = number_in("/proc/meminfo", "MemAvailable:");
  uint64_t smallest = kilobytes == UINT64_MAX ? UINT64_MAX : kilobytes << 10;
#define GROUP(file) "/sys/fs/cgroup/" file
  uint64_t groups[] = {
      available_in_group(GROUP("memory.max"), GROUP("memory.current"), GROUP("memory.stat"),
                         "inactive_file "),
      available_in_group(GROUP("memory/memory.limit_in_bytes"),
                         GROUP("memory/memory.usage_in_bytes"), GROUP("memory/memory.stat"),
                         "total_inactive_file "),
  };
#undef GROUP
  for (int i = 0; i < 2; i++) {
    if (groups[i] < smallest) smallest = groups[i];
  }
  return smallest;
}
#endif

int sb_has_memory(size_t bytes) { return bytes <= CHECKED_BYTES || bytes <= available_bytes(); }

void *sb_allocate(size_t bytes) {
  if (!sb_has_memory(bytes)) return NULL;
  return sb_aligned_memory(bytes == 0 ? 64 : bytes);
}

void sb_deallocate(void *memory) { sb_free_aligned(memory); }

static pthread_key_t scratch_key;
static int scratch_is_ready;

void sb_use_large_pages(void *memory, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  const uintptr_t size = (uintptr_t)2 << 20;
  const uintptr_t first = ((uintptr_t)memory + size - 1) & ~(size - 1);
  const uintptr_t end = ((uintptr_t)memory + bytes) & ~(size - 1);
  if (first >= end || madvise((void *)first, end - first, MADV_HUGEPAGE) != 0) return;
  // Of pages that are there already: since Linux 6.1, and newer than some headers.
  const int collapse = 25;
  (void)madvise((void *)first, end - first, collapse);
#else
  (void)memory;
  (void)bytes;
#endif
}

static void make_scratch_key(void) {
  scratch_is_ready = pthread_key_create(&scratch_key, sb_deallocate) == 0;
}

static int has_scratch_key(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_scratch_key);
  return scratch_is_ready;
}

void sb_keep_scratch(void *memory) {
  if (has_scratch_key()) pthread_setspecific(scratch_key, memory);
}

void *sb_scratch(void) {
  if (!has_scratch_key()) return NULL;
  void *memory = pthread_getspecific(scratch_key);
  if (memory != NULL) return memory;
  memory = sb_allocate(SB_SCRATCH_BYTES);
  if (memory != NULL && pthread_setspecific(scratch_key, memory) != 0) {
    sb_deallocate(memory);
    return NULL;
  }
  return memory;
}
