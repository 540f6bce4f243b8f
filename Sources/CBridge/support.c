// Memory for the engine: checked against what the machine has before it is touched.
#include <stdio.h>
#include <stdlib.h>

#include "sb_support.h"

sb_blas sb_blas_table;

// Below this the check costs more than it protects.
static const size_t CHECKED_BYTES = (size_t)64 << 20;

// The number in a file such as memory.max; UINT64_MAX when there is none ("max").
static uint64_t number_in(const char *path) {
  FILE *file = fopen(path, "re");
  if (file == NULL) return UINT64_MAX;
  unsigned long long value;
  uint64_t result = fscanf(file, "%llu", &value) == 1 ? value : UINT64_MAX;
  fclose(file);
  return result;
}

static uint64_t available_in_meminfo(void) {
  FILE *file = fopen("/proc/meminfo", "re");
  if (file == NULL) return UINT64_MAX;
  uint64_t result = UINT64_MAX;
  char line[128];
  while (fgets(line, sizeof line, file) != NULL) {
    unsigned long long kilobytes;
    if (sscanf(line, "MemAvailable: %llu", &kilobytes) == 1) {
      result = (uint64_t)kilobytes << 10;
      break;
    }
  }
  fclose(file);
  return result;
}

// Bytes that may still be used: of the machine and of the control group, which in a
// container is the smaller one.
static uint64_t available_bytes(void) {
  uint64_t machine = available_in_meminfo();
  uint64_t limit = number_in("/sys/fs/cgroup/memory.max");
  uint64_t used = number_in("/sys/fs/cgroup/memory.current");
  uint64_t group = UINT64_MAX;
  if (limit != UINT64_MAX && used != UINT64_MAX) group = limit > used ? limit - used : 0;
  return machine < group ? machine : group;
}

void *sb_allocate(size_t bytes) {
  if (bytes > CHECKED_BYTES && bytes > available_bytes()) return NULL;
  void *memory = NULL;
  if (posix_memalign(&memory, 64, bytes == 0 ? 64 : bytes) != 0) return NULL;
  return memory;
}

void sb_deallocate(void *memory) { free(memory); }
