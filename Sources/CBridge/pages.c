// Pages of memory that several processes see while they train one network together. Linux alone
// has all that it takes: a file without a name, and one mapping put in another's place at once.
#if defined(__linux__)
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif
#include <stdlib.h>

#include "sb_support.h"

#if defined(__linux__)
size_t sb_page_bytes(void) {
  const long bytes = sysconf(_SC_PAGESIZE);
  return bytes > 0 ? (size_t)bytes : 0;
}

void *sb_allocate_pages(size_t bytes) {
  void *memory = NULL;
  if (!sb_has_memory(bytes)) return NULL;
  return posix_memalign(&memory, sb_page_bytes(), bytes) == 0 ? memory : NULL;
}

int sb_keep_file(int file) { return fcntl(file, F_DUPFD_CLOEXEC, 0); }
void sb_close_file(int file) { (void)close(file); }

int sb_reserve_pages(int file, size_t bytes) {
  return sb_has_memory(bytes) && posix_fallocate(file, 0, (off_t)bytes) == 0;
}

// `room` takes the place of what is mapped at `memory`.
static int put(void *room, size_t bytes, void *memory) {
  if (room == MAP_FAILED) return 0;
  if (mremap(room, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, memory) != MAP_FAILED) return 1;
  (void)munmap(room, bytes);
  return 0;
}

int sb_share_pages(void *memory, size_t bytes, int file, size_t offset, int writes) {
  struct stat found;
  // Behind the end of a file is no memory at all.
  if (fstat(file, &found) != 0 || (size_t)found.st_size < offset + bytes) return 0;
  // All at once: every page would be a fault of its own.
  void *room =
      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, (off_t)offset);
  if (writes && room != MAP_FAILED) memcpy(room, memory, bytes);
  return put(room, bytes, memory);
}

int sb_own_pages(void *memory, size_t bytes, int file, size_t offset, int keeps) {
  void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) {
    // No memory for a copy: pages are copied one by one, as somebody writes to them.
    return mmap(memory, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file,
                (off_t)offset) != MAP_FAILED;
  }
  if (keeps) memcpy(room, memory, bytes);
  return put(room, bytes, memory);
}
#else
size_t sb_page_bytes(void) { return 0; }
void *sb_allocate_pages(size_t bytes) { return sb_allocate(bytes); }
int sb_keep_file(int file) { return (void)file, -1; }
void sb_close_file(int file) { (void)file; }
int sb_reserve_pages(int file, size_t bytes) { return (void)file, (void)bytes, 0; }
int sb_share_pages(void *memory, size_t bytes, int file, size_t offset, int writes) {
  return (void)memory, (void)bytes, (void)file, (void)offset, (void)writes, 0;
}
int sb_own_pages(void *memory, size_t bytes, int file, size_t offset, int keeps) {
  return (void)memory, (void)bytes, (void)file, (void)offset, (void)keeps, 0;
}
#endif
