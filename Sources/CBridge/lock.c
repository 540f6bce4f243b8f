// One lock per net, the release of the GIL, and what fork does to both.
#define _GNU_SOURCE
#ifdef SB_PYTHON
#include "shim.h"

#include "old_symbols.h"

// Counts forks, so that a child knows the locks it inherited as nobody's.
static int64_t generation = 1;
// Held for reading by work without the GIL: a fork waits for it, so that a child's nets are
// never half-way through a step.
static pthread_rwlock_t working;

static void init_working(void) {
  pthread_rwlockattr_t attributes;
  pthread_rwlockattr_init(&attributes);
  // Or a stream of short slices would keep a fork waiting for ever.
  pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  pthread_rwlock_init(&working, &attributes);
  pthread_rwlockattr_destroy(&attributes);
}

static void before_fork(void) { pthread_rwlock_wrlock(&working); }
static void after_fork_in_parent(void) { pthread_rwlock_unlock(&working); }
static void after_fork_in_child(void) {
  init_working();
  generation++;
}

static void start_watching(void) {
  init_working();
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
  Work work = {NULL};
  if (pthread_mutex_trylock(&self->lock) != 0) {
    PyThreadState *waiting = PyEval_SaveThread();
    pthread_mutex_lock(&self->lock);
    PyEval_RestoreThread(waiting);
  }
  // At 20 to 50 GFLOP/s about 20 microseconds.
  if (flops > 5e5) {
    work.thread = PyEval_SaveThread();
    pthread_rwlock_rdlock(&working);
  }
  return work;
}

void sb_end_work(Net *self, Work work) {
  // The fork's lock before the GIL: a forking thread holds the GIL and waits for it.
  if (work.thread != NULL) pthread_rwlock_unlock(&working);
  pthread_mutex_unlock(&self->lock);
  if (work.thread != NULL) PyEval_RestoreThread(work.thread);
}
#else
typedef int sb_without_python;
#endif
