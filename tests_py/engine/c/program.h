// What the programs in this folder have in common.
#ifndef PROGRAM_H
#define PROGRAM_H

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "swift_backprop.h"

static sb_error error;

// Ends the program where a call has failed.
static inline void check(sb_status status, const char *what) {
  if (status != SB_OK) {
    fprintf(stderr, "%s: status %d, %s\n", what, (int)status, error.message);
    exit(1);
  }
}

// Writes the address of a function, NULL if there is none.
static inline void find(void *library, const char *name, void *function) {
  char prefixed[64];
  void *found = dlsym(library, name);
  if (found == NULL) {  // scipy-openblas32 puts scipy_ before every name
    snprintf(prefixed, sizeof prefixed, "scipy_%s", name);
    found = dlsym(library, prefixed);
  }
  memcpy(function, &found, sizeof found);
}

// The functions of a CBLAS library with 32-bit integers.
static inline sb_blas open_blas(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  sb_blas blas = {0};
  find(library, "cblas_sgemm", &blas.sgemm);
  find(library, "cblas_dgemm", &blas.dgemm);
  find(library, "openblas_get_num_threads", &blas.get_num_threads);
  find(library, "openblas_set_num_threads", &blas.set_num_threads);
  return blas;
}

static inline void load_blas(const char *path) {
  const sb_blas blas = open_blas(path);
  check(sb_set_blas(&blas, &error), "sb_set_blas");
}

// What a program begins with whose one argument is the path of a CBLAS library.
static inline void load_blas_of(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s <CBLAS library>\n", argv[0]);
    exit(2);
  }
  load_blas(argv[1]);
}

static inline sb_array matrix(const void *data, int64_t rows, int64_t cols, int32_t dtype) {
  const int64_t item = dtype == SB_FLOAT32 ? 4 : 8;
  return (sb_array){.data = data,
                    .rows = rows,
                    .cols = cols,
                    .row_stride = cols * item,
                    .col_stride = item,
                    .dtype = dtype,
                    .ndim = cols == 1 ? 1 : 2};
}

#endif
