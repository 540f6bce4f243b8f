// The part of C's time.h that the engine's headers name; wasm.c has the function.
#ifndef PLAY_TIME_H
#define PLAY_TIME_H

typedef long long time_t;
struct timespec {
  time_t tv_sec;
  long tv_nsec;
};
#define CLOCK_MONOTONIC 1
int clock_gettime(int clock, struct timespec *now);

#endif
