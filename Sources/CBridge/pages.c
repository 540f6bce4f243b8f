// Pages of memory that several processes see while they train one network together. Linux alone
// has all that it takes: a file without a name, and one mapping put in another's place at once.
#if defined(__linux__)
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "posix.h"
#endif

#include "sb_support.h"

#if defined(__linux__)
// What is shared now: a child of fork makes it its own, for it takes no part in the training.
typedef struct Region {
  void *memory;
  size_t bytes;
  int file;
  size_t offset;
  struct Region *next;
} Region;

static Region *shared;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

size_t sb_page_bytes(void) {
  const long bytes = sysconf(_SC_PAGESIZE);
  return bytes > 0 ? (size_t)bytes : 0;
}

void *sb_allocate_pages(size_t bytes) {
  void *memory = NULL;
  if (!sb_has_memory(bytes)) return NULL;
  return posix_memalign(&memory, sb_page_bytes(), bytes) == 0 ? memory : NULL;
}

// By functions that every glibc has, as those of wheels must be: fcntl and fstat are newer.
int sb_keep_file(int file) {
  const int kept = dup(file);
  if (kept >= 0) (void)ioctl(kept, FIOCLEX);
  return kept;
}
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

static int own(const Region *region, int keeps) {
  const int access = PROT_READ | PROT_WRITE;
  void *room = mmap(NULL, region->bytes, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) {
    // No memory for a copy: the system copies a page when this process writes to it. Until then
    // it shows what others write, who train no more without this one.
    return mmap(region->memory, region->bytes, access, MAP_PRIVATE | MAP_FIXED, region->file,
                (off_t)region->offset) != MAP_FAILED;
  }
  if (keeps) memcpy(room, region->memory, region->bytes);
  return put(room, region->bytes, region->memory);
}

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork_in_parent(void) { pthread_mutex_unlock(&lock); }
static void after_fork_in_child(void) {
  for (; shared != NULL; shared = shared->next) (void)own(shared, 1);
  pthread_mutex_init(&lock, NULL);
}

static void watch_forks(void) {
  pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

int sb_share_pages(void *memory, size_t bytes, int file, size_t offset, int writes) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_forks);
  // Behind the end of a file is no memory at all.
  const off_t end = lseek(file, 0, SEEK_END);
  if (end < 0 || (size_t)end < offset + bytes) return 0;
  Region *region = malloc(sizeof *region);
  if (region == NULL) return 0;
  // All at once: every page would be a fault of its own.
  void *room =
      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, (off_t)offset);
  if (writes && room != MAP_FAILED) memcpy(room, memory, bytes);
  pthread_mutex_lock(&lock);
  const int done = put(room, bytes, memory);
  if (done) {
    *region = (Region){memory, bytes, file, offset, shared};
    shared = region;
  } else {
    free(region);
  }
  pthread_mutex_unlock(&lock);
  return done;
}

int sb_own_pages(void *memory, int keeps) {
  int done = 1;
  pthread_mutex_lock(&lock);
  for (Region **place = &shared; *place != NULL; place = &(*place)->next) {
    Region *region = *place;
    if (region->memory != memory) continue;
    done = own(region, keeps);
    *place = region->next;
    free(region);
    break;
  }
  pthread_mutex_unlock(&lock);
  return done;
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
int sb_own_pages(void *memory, int keeps) { return (void)memory, (void)keeps, 1; }
#endif
