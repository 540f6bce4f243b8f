// One lock per net, the release of the GIL, and what fork does to both.
#define _GNU_SOURCE
#ifdef SB_PYTHON
#include "shim.h"

// Counts forks, so that a child knows the locks it inherited as nobody's.
static int64_t generation = 1;
// Work that no lock of the interpreter's keeps a fork from is counted: a fork waits for its end,
// so that a child's nets are never half-way through a step, and none begins meanwhile. Only
// glibc's read-write locks can be told not to let a stream of short slices pass for ever.
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static int working;
static bool forking;

static void enter(void) {
  pthread_mutex_lock(&gate);
  while (forking) pthread_cond_wait(&moved, &gate);
  working++;
  pthread_mutex_unlock(&gate);
}

static void leave(void) {
  pthread_mutex_lock(&gate);
  if (--working == 0 && forking) pthread_cond_broadcast(&moved);
  pthread_mutex_unlock(&gate);
}

static void before_fork(void) {
  pthread_mutex_lock(&gate);
  while (forking) pthread_cond_wait(&moved, &gate);
  forking = true;
  while (working > 0) pthread_cond_wait(&moved, &gate);
}

static void after_fork_in_parent(void) {
  forking = false;
  pthread_cond_broadcast(&moved);
  pthread_mutex_unlock(&gate);
}

static void after_fork_in_child(void) {
  pthread_mutex_init(&gate, NULL);
  pthread_cond_init(&moved, NULL);
  working = 0;
  forking = false;
  generation++;
}

static void start_watching(void) {
  pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void sb_watch_forks(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start_watching);
}

int64_t sb_process_generation(void) { return generation; }

void sb_lock_init(Net *self) {
  pthread_mutex_init(&self->lock, NULL);
  self->lock_generation = generation;
}

Work sb_begin_work(Net *self, double flops) {
  // A lock of the parent's, taken by a thread that this process does not have.
  if (self->lock_generation != generation) sb_lock_init(self);
  Work work = {NULL, false};
  if (pthread_mutex_trylock(&self->lock) != 0) {
    PyThreadState *waiting = PyEval_SaveThread();
    pthread_mutex_lock(&self->lock);
    PyEval_RestoreThread(waiting);
  }
  // At 20 to 50 GFLOP/s about 20 microseconds.
  if (flops > 5e5) work.thread = PyEval_SaveThread();
  work.counted = work.thread != NULL || SB_FREE_THREADED;
  if (work.counted) enter();
  return work;
}

void sb_end_work(Net *self, Work work) {
  // The fork's lock before the GIL: a forking thread holds the GIL and waits for it.
  if (work.counted) leave();
  pthread_mutex_unlock(&self->lock);
  if (work.thread != NULL) PyEval_RestoreThread(work.thread);
}
#else
typedef int sb_without_python;
#endif
