// The engine's threads: a fork-join pool, and the BLAS library held to one thread meanwhile.
//
// The engine splits its work itself, so that everything between two matrix products is
// split as well; BLAS is called with one thread per part. A worker spins for a moment
// before it sleeps: between the phases of a training step only microseconds pass.
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sched.h>

#include "old_symbols.h"
#include "sb_support.h"

#define MOST_PARTS 64
// Turns of the spinning loops: some tens of microseconds.
#define SPINS 2000

static pthread_mutex_t owner = PTHREAD_MUTEX_INITIALIZER;  // one fork-join at a time
static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;   // workers sleep at it
static pthread_cond_t called = PTHREAD_COND_INITIALIZER;
static int workers;

// The job; current_round counts up when a new one is there.
static sb_task job_task;
static void *job_context;
static int job_parts;
static _Atomic uint64_t current_round;
static _Atomic int sleeping;
static _Atomic int running;

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static uint64_t wait_for_round_after(uint64_t last) {
  for (int i = 0; i < SPINS; i++) {
    uint64_t now = atomic_load(&current_round);
    if (now != last) return now;
    relax();
  }
  pthread_mutex_lock(&door);
  atomic_fetch_add(&sleeping, 1);
  uint64_t now;
  while ((now = atomic_load(&current_round)) == last) pthread_cond_wait(&called, &door);
  atomic_fetch_sub(&sleeping, 1);
  pthread_mutex_unlock(&door);
  return now;
}

static void *work(void *argument) {
  int number = (int)(intptr_t)argument;
  uint64_t round = 0;
  for (;;) {
    round = wait_for_round_after(round);
    // Every worker answers every round, so that none can mistake one for the next.
    if (number < job_parts) job_task(job_context, number);
    atomic_fetch_sub(&running, 1);
  }
  return NULL;
}

// A child process has none of the threads and must not wait for them.
static void forget_workers(void) {
  pthread_mutex_init(&owner, NULL);
  pthread_mutex_init(&door, NULL);
  pthread_cond_init(&called, NULL);
  workers = 0;
  atomic_store(&current_round, 0);
  atomic_store(&sleeping, 0);
  atomic_store(&running, 0);
}

static void watch_forks(void) { pthread_atfork(NULL, NULL, forget_workers); }

// Starts what is missing; fewer than wanted if the system gives no more threads.
static void start_workers(int wanted) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_forks);
  if (workers == 0) atomic_store(&current_round, 0);
  while (workers < wanted) {
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int failed =
        pthread_create(&thread, &attributes, work, (void *)(intptr_t)(workers + 1));
    pthread_attr_destroy(&attributes);
    if (failed) return;
    workers++;
  }
}

void sb_parallel(int parts, sb_task task, void *context) {
  if (parts > MOST_PARTS) parts = MOST_PARTS;
  // Somebody else has the pool: the same parts one after the other give the same bits.
  if (parts > 1 && pthread_mutex_trylock(&owner) == 0) {
    start_workers(parts - 1);
    int helped = workers < parts - 1 ? workers + 1 : parts;
    job_task = task;
    job_context = context;
    job_parts = helped;
    atomic_store(&running, workers);
    atomic_fetch_add(&current_round, 1);
    if (atomic_load(&sleeping) > 0) {
      pthread_mutex_lock(&door);
      pthread_cond_broadcast(&called);
      pthread_mutex_unlock(&door);
    }
    task(context, 0);
    for (int part = helped; part < parts; part++) task(context, part);
    for (int i = 0; atomic_load(&running) > 0; i++) {
      // A part whose thread waits for a core must be given one.
      if (i < SPINS) {
        relax();
      } else {
        sched_yield();
      }
    }
    pthread_mutex_unlock(&owner);
    return;
  }
  for (int part = 0; part < parts; part++) task(context, part);
}

// ---------------------------------------------------------------- BLAS' own threads

static pthread_mutex_t users_lock = PTHREAD_MUTEX_INITIALIZER;
static int users;
static int allowed;

static void forget_users(void) {
  pthread_mutex_init(&users_lock, NULL);
  // The threads that held the library are not here; its count is.
  if (users > 0 && sb_blas_table.set_num_threads != NULL) {
    sb_blas_table.set_num_threads(allowed);
  }
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
    if (allowed > 1) sb_blas_table.set_num_threads(1);
  }
  int result = allowed;
  pthread_mutex_unlock(&users_lock);
  return result < 1 ? 1 : result > MOST_PARTS ? MOST_PARTS : result;
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
