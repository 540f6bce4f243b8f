// The engine's threads: a fork-join pool, and the BLAS library held to one thread meanwhile.
//
// The engine splits its work itself, so that everything between two matrix products is
// split as well; BLAS is called with one thread per part. A worker spins for a moment
// before it sleeps: between the phases of a training step only microseconds pass.
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdbool.h>
#if !defined(_WIN32)
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#endif

#include "posix.h"
#include "sb_support.h"

#define MAX_PARTS SB_MAX_THREADS
// Turns of the spinning loops: some tens of microseconds.
#define SPINS 2000

static pthread_mutex_t owner = PTHREAD_MUTEX_INITIALIZER;  // one fork-join at a time
static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;   // workers sleep at it
static pthread_cond_t called = PTHREAD_COND_INITIALIZER;
static int workers;

// The job. `ticket` holds its number and a bit for every part that nobody has taken yet (16 and
// 48 bits): a thread takes a part by clearing its bit, and one that comes late sees that none is
// left or that the job is another.
static _Atomic(sb_task) job_task;
static _Atomic(void *) job_context;
static _Atomic uint64_t ticket;
static _Atomic int unfinished;
static _Atomic int sleeping;

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static uint64_t job_of(uint64_t value) { return value >> MAX_PARTS; }

static uint64_t first_parts(int parts) { return ((uint64_t)1 << parts) - 1; }

// Takes parts of job `job` and runs them until none is left: the one of this thread's own number
// first, whose memory is in its cache from the job before, then what others are late for.
static void take_parts(uint64_t job, int own) {
  uint64_t value = atomic_load(&ticket);
  while (job_of(value) == job) {
    uint64_t left = value & first_parts(MAX_PARTS);
    if (left == 0) return;
    int part = left >> own & 1 ? own : __builtin_ctzll(left);
    if (atomic_compare_exchange_weak(&ticket, &value, value & ~((uint64_t)1 << part))) {
      // The job that this part belongs to cannot end before: task and context are its own.
      sb_task task = atomic_load(&job_task);
      task(atomic_load(&job_context), part);
      atomic_fetch_sub(&unfinished, 1);
      value = atomic_load(&ticket);
    }
  }
}

static uint64_t wait_for_job_after(uint64_t last) {
  for (int i = 0; i < SPINS; i++) {
    uint64_t now = job_of(atomic_load(&ticket));
    if (now != last) return now;
    relax();
  }
  pthread_mutex_lock(&door);
  atomic_fetch_add(&sleeping, 1);
  uint64_t now;
  while ((now = job_of(atomic_load(&ticket))) == last) pthread_cond_wait(&called, &door);
  atomic_fetch_sub(&sleeping, 1);
  pthread_mutex_unlock(&door);
  return now;
}

// A worker's scratch memory, made before it starts, so that it does not allocate amid a step. In a
// child process it is its successor's. Pages that no product uses are never there.
static void *scratch_of[MAX_PARTS];

static sb_thread_result SB_THREAD work(void *argument) {
  int own = (int)(intptr_t)argument;
  sb_keep_scratch(scratch_of[own]);
  uint64_t job = job_of(atomic_load(&ticket));
  sb_flush_subnormals();
  for (;;) {
    take_parts(job, own);
    job = wait_for_job_after(job);
  }
  return 0;
}

// A child process has none of the threads and must not wait for them.
static void forget_workers(void) {
  pthread_mutex_init(&owner, NULL);
  pthread_mutex_init(&door, NULL);
  pthread_cond_init(&called, NULL);
  workers = 0;
  atomic_store(&sleeping, 0);
  atomic_store(&ticket, 0);
}

static void watch_forks(void) { pthread_atfork(NULL, NULL, forget_workers); }

// Starts what is missing; fewer if the system gives no more threads.
static void start_workers(int count) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_forks);
  while (workers < count) {
    int own = workers + 1;
    if (scratch_of[own] == NULL) scratch_of[own] = sb_allocate(SB_SCRATCH_BYTES);
    if (sb_start_thread(work, (void *)(intptr_t)own) != 0) return;
    workers++;
  }
}

// What OpenBLAS takes for each of the products that are made at the same time. It ends the process
// where it gets none.
#define BUFFER_BYTES ((size_t)32 << 20)

// Whether that many products may be made at once, where addresses are limited.
static bool has_room(int products) {
#if defined(_WIN32)
  (void)products;
  return true;
#else
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return true;
  size_t bytes = (size_t)products * BUFFER_BYTES;
  void *room = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) return false;
  munmap(room, bytes);
  return true;
#endif
}

void sb_parallel(int parts, sb_task task, void *context) {
  // When somebody else has the pool, or there is no memory for more than one product at once, the
  // same parts run one after the other, with the same bits.
  if (parts <= 1 || parts > MAX_PARTS || !has_room(parts) || pthread_mutex_trylock(&owner) != 0) {
    for (int part = 0; part < parts; part++) task(context, part);
    return;
  }
  start_workers(parts - 1);
  uint64_t job = (job_of(atomic_load(&ticket)) + 1) & 0xFFFF;
  atomic_store(&job_task, task);
  atomic_store(&job_context, context);
  atomic_store(&unfinished, parts);
  atomic_store(&ticket, job << MAX_PARTS | first_parts(parts));
  if (atomic_load(&sleeping) > 0) {
    pthread_mutex_lock(&door);
    pthread_cond_broadcast(&called);
    pthread_mutex_unlock(&door);
  }
  // Also what a worker would have done that has no core at the moment.
  take_parts(job, 0);
  for (int i = 0; atomic_load(&unfinished) > 0; i++) {
    if (i < SPINS) {
      relax();
    } else {
      sched_yield();
    }
  }
  pthread_mutex_unlock(&owner);
}

// ---------------------------------------------------------------- BLAS' own threads

static pthread_mutex_t users_lock = PTHREAD_MUTEX_INITIALIZER;
static int users;
static int allowed;

// Whether the library may start threads when it is told how many: in a child process it has none.
static bool may_start = true;

// Tells the library how many threads it may have. OpenBLAS raises SIGINT where it gets fewer, and
// goes on: that one, of this process, is taken back, so that no Ctrl-C comes which nobody has
// typed. Another one is sent on, by sigqueue, whose signals are told from those of raise.
static void set_threads(int count) {
#if defined(__linux__)
  sigset_t interrupt, before;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  pthread_sigmask(SIG_BLOCK, &interrupt, &before);
  sb_blas_table.set_num_threads(count);
  const struct timespec now = {0, 0};
  siginfo_t info;
  bool is_real = false;
  while (sigtimedwait(&interrupt, &info, &now) == SIGINT) {
    is_real |= info.si_code == SI_QUEUE || info.si_pid != getpid();
  }
  if (is_real) sigqueue(getpid(), SIGINT, (union sigval){0});
  pthread_sigmask(SIG_SETMASK, &before, NULL);
#else
  sb_blas_table.set_num_threads(count);
#endif
}

static void forget_users(void) {
  pthread_mutex_init(&users_lock, NULL);
  may_start = true;
  // The threads that held the library are not here; its count is.
  if (users > 0 && sb_blas_table.set_num_threads != NULL) set_threads(allowed);
  users = 0;
}

static void watch_users(void) { pthread_atfork(NULL, NULL, forget_users); }

int sb_enter_blas(void) {
  if (sb_blas_table.get_num_threads == NULL || sb_blas_table.set_num_threads == NULL) return 1;
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_users);
  pthread_mutex_lock(&users_lock);
  if (users++ == 0) {
    allowed = sb_blas_table.get_num_threads();
    if (allowed > 1 && may_start) {
      set_threads(1);
      may_start = false;
    } else if (allowed > 1) {
      sb_blas_table.set_num_threads(1);
    }
  }
  int result = allowed;
  pthread_mutex_unlock(&users_lock);
  return result < 1 ? 1 : result > MAX_PARTS ? MAX_PARTS : result;
}

void sb_leave_blas(void) {
  if (sb_blas_table.get_num_threads == NULL || sb_blas_table.set_num_threads == NULL) return;
  pthread_mutex_lock(&users_lock);
  // Somebody who has set another count in between keeps it.
  if (--users == 0 && allowed > 1 && sb_blas_table.get_num_threads() == 1) {
    sb_blas_table.set_num_threads(allowed);
  }
  pthread_mutex_unlock(&users_lock);
}

int sb_get_blas_threads(void) {
  if (sb_blas_table.get_num_threads == NULL) return 0;
  pthread_mutex_lock(&users_lock);
  int count = sb_blas_table.get_num_threads();
  if (users > 0 && count == 1) count = allowed;
  pthread_mutex_unlock(&users_lock);
  return count;
}

int sb_set_blas_threads(int count) {
  if (sb_blas_table.set_num_threads == NULL) return 0;
  pthread_mutex_lock(&users_lock);
  if (users > 0) {
    allowed = count;
  } else {
    set_threads(count);
  }
  pthread_mutex_unlock(&users_lock);
  return 1;
}
