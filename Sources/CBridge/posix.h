// Threads, locks and aligned memory: POSIX, and what of it the engine uses on Windows.
#ifndef SB_POSIX_H
#define SB_POSIX_H

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <windows.h>

typedef SRWLOCK pthread_mutex_t;
typedef CONDITION_VARIABLE pthread_cond_t;
typedef INIT_ONCE pthread_once_t;
typedef DWORD pthread_key_t;
#define PTHREAD_MUTEX_INITIALIZER SRWLOCK_INIT
#define PTHREAD_COND_INITIALIZER CONDITION_VARIABLE_INIT
#define PTHREAD_ONCE_INIT INIT_ONCE_STATIC_INIT

static inline void pthread_mutex_init(pthread_mutex_t *lock, void *none) {
  (void)none;
  InitializeSRWLock(lock);
}
static inline void pthread_mutex_lock(pthread_mutex_t *lock) { AcquireSRWLockExclusive(lock); }
static inline void pthread_mutex_unlock(pthread_mutex_t *lock) { ReleaseSRWLockExclusive(lock); }
static inline int pthread_mutex_trylock(pthread_mutex_t *lock) {
  return TryAcquireSRWLockExclusive(lock) ? 0 : EBUSY;
}

static inline void pthread_cond_init(pthread_cond_t *condition, void *none) {
  (void)none;
  InitializeConditionVariable(condition);
}
static inline void pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *lock) {
  SleepConditionVariableSRW(condition, lock, INFINITE, 0);
}
static inline void pthread_cond_broadcast(pthread_cond_t *condition) {
  WakeAllConditionVariable(condition);
}

static inline BOOL CALLBACK sb_run_once(PINIT_ONCE once, PVOID function, PVOID *none) {
  (void)once, (void)none;
  ((void (*)(void))(uintptr_t)function)();
  return TRUE;
}
static inline void pthread_once(pthread_once_t *once, void (*function)(void)) {
  InitOnceExecuteOnce(once, sb_run_once, (void *)(uintptr_t)function, NULL);
}

// Nothing forks here.
static inline void pthread_atfork(void (*before)(void), void (*parent)(void), void (*child)(void)) {
  (void)before, (void)parent, (void)child;
}

// Destructors of fibre-local memory are called at the end of a thread.
static inline int pthread_key_create(pthread_key_t *key, void (*destroy)(void *)) {
  *key = FlsAlloc((PFLS_CALLBACK_FUNCTION)(uintptr_t)destroy);
  return *key == FLS_OUT_OF_INDEXES ? EAGAIN : 0;
}
static inline void *pthread_getspecific(pthread_key_t key) { return FlsGetValue(key); }
static inline int pthread_setspecific(pthread_key_t key, void *value) {
  return FlsSetValue(key, value) ? 0 : ENOMEM;
}

typedef DWORD sb_thread_result;
#define SB_THREAD WINAPI
static inline int sb_start_thread(LPTHREAD_START_ROUTINE work, void *argument) {
  HANDLE thread = CreateThread(NULL, 0, work, argument, 0, NULL);
  if (thread == NULL) return EAGAIN;
  CloseHandle(thread);
  return 0;
}
static inline void sched_yield(void) { SwitchToThread(); }

static inline void *sb_aligned_memory(size_t bytes) { return _aligned_malloc(bytes, 64); }
static inline void sb_free_aligned(void *memory) { _aligned_free(memory); }

#else
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "old_symbols.h"

typedef void *sb_thread_result;
#define SB_THREAD
// A thread that nobody waits for; not 0 if the system gives none.
static inline int sb_start_thread(void *(*work)(void *), void *argument) {
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  int failed = pthread_create(&thread, &attributes, work, argument);
  pthread_attr_destroy(&attributes);
  return failed;
}

static inline void *sb_aligned_memory(size_t bytes) {
  void *memory = NULL;
  return posix_memalign(&memory, 64, bytes) == 0 ? memory : NULL;
}
static inline void sb_free_aligned(void *memory) { free(memory); }
#endif

#endif
