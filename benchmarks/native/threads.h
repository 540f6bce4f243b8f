/* The same work on several threads at once, and the time it takes. */
#include <pthread.h>
#include <time.h>

#define MOST_THREADS 256

struct share {
  double (*work)(long);
  long rounds;
  double result;
};

static void *run_share(void *argument) {
  struct share *share = argument;
  share->result = share->work(share->rounds);
  return 0;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Threads that took part, this one among them; *seconds is how long they took together. */
static int run_threads(double (*work)(long), int threads, long rounds, double *seconds) {
  struct share shares[MOST_THREADS];
  pthread_t others[MOST_THREADS];
  int started = 1;
  if (threads > MOST_THREADS) threads = MOST_THREADS;
  double begin = now();
  for (int i = 0; i < threads; i++) shares[i] = (struct share){work, rounds, 0};
  while (started < threads && pthread_create(&others[started], 0, run_share, &shares[started]) == 0)
    started++;
  run_share(&shares[0]);
  for (int i = 1; i < started; i++) pthread_join(others[i], 0);
  *seconds = now() - begin;
  return started;
}
