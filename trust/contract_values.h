// What contract.c calls the engine with: numbers that depend on the case, arrays that are there.
#ifndef SB_CONTRACT_VALUES_H
#define SB_CONTRACT_VALUES_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "swift_backprop.h"

#define POSITION_BYTES 65536
#define ARENA_BYTES (1 << 19)
#define MAX_ROWS 40
#define MAX_LAYERS 3
#define VIEWS 8

static char *position;
static size_t position_end;
static int says, wrong;
static sb_error error;

// ---------------------------------------------------------------- numbers to choose by

static uint64_t state;

static uint64_t draw(void) {
  state += 0x9e3779b97f4a7c15;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

static int below(int count) { return (int)(draw() % (uint64_t)count); }
static int one_in(int count) { return below(count) == 0; }

static int64_t odd_number(void) {
  static const int64_t numbers[] = {0,  1,         -1,        2,         3,      7,
                                    99, INT32_MAX, INT64_MIN, INT64_MAX, 1 << 20};
  return numbers[below(sizeof numbers / sizeof *numbers)];
}

static double odd_value(void) {
  static const double values[] = {0, 1, -1, 0.5, 1e-300, 1e300, NAN, INFINITY, -INFINITY, 0.1};
  return values[below(sizeof values / sizeof *values)];
}

// ---------------------------------------------------------------- what is played with

static _Alignas(64) char arena[ARENA_BYTES], out[ARENA_BYTES];
static sb_net *net, *other;
static sb_fit *fit;
static sb_evaluation *evaluation;
static sb_question question;
static sb_view views[VIEWS];
static int64_t sizes[MAX_LAYERS + 1];
static int layers;
static double parameters[SB_MAX_PARAMETERS];

static void note(const char *text) {
  const size_t length = strlen(text);
  if (says) fprintf(stderr, "%s\n", text);
  if (position_end + length + 2 > POSITION_BYTES) return;
  memcpy(position + position_end, text, length);
  memcpy(position + position_end + length, "\n", 2);
  position_end += length + 1;
}

// Looks at what a call returned: a status that there is and, unless all is well, a sentence.
static void look(sb_status status, const char *text) {
  if (status == SB_ASKS && question.state != NULL) return;
  const size_t length = strnlen(error.message, SB_MESSAGE_SIZE);
  if (status < SB_OK || status > SB_ASKS ||
      (status != SB_OK && (status != error.status || length < 10 || length >= SB_MESSAGE_SIZE))) {
    fprintf(stderr, "%s: status %d, of the error %d: %.200s\n", text, (int)status,
            (int)error.status, error.message);
    wrong++;
  }
  if (says && status != SB_OK) fprintf(stderr, "    %s\n", error.message);
  memset(&error, 0, sizeof error);
}
#define TRY(call) (note(#call), look((call), #call))

static sb_array array(int64_t cols) {
  static const int64_t items[] = {4, 8, 2, 1, 2, 4, 8, 1, 2, 4, 8, 1, 16};
  sb_array made = {.rows = one_in(3) ? below(MAX_ROWS) : 4, .cols = cols, .ndim = 2};
  made.dtype = one_in(3) ? below(13) : below(2);
  const int64_t item = items[made.dtype];
  made.data = arena + ARENA_BYTES / 2 + 64 * below(64) + (one_in(20) ? 1 : 0);
  made.col_stride = item;
  made.row_stride = item * cols;
  if (one_in(8)) made.row_stride = item * (below(400) - 200);
  if (one_in(8)) made.col_stride = item * (below(40) - 20);
  if (one_in(20)) made.swapped = 1;
  if (one_in(6) && cols == 1) made.ndim = 1;
  if (one_in(40)) made.cols = below(12);
  if (one_in(60)) made.ndim = (int32_t)odd_number();
  if (one_in(60)) made.dtype = (int32_t)odd_number();
  if (one_in(60)) made.rows = -1 - below(3);
  if (one_in(60)) made.data = NULL;
  return made;
}

static sb_array targets(void) {
  if (one_in(2)) return array(sizes[layers]);
  sb_array made = array(1);
  made.ndim = 1;
  made.dtype = SB_INT64;
  made.row_stride = one_in(2) ? 8 : 0;
  int64_t *numbers = (int64_t *)(arena + ARENA_BYTES / 4);
  for (int i = 0; i < MAX_ROWS; i++) {
    numbers[i] = one_in(40) ? odd_number() : below((int)sizes[layers] + (sizes[layers] == 1));
  }
  made.data = numbers;
  return made;
}

// Numbers as a network meets them, and some that it should not.
static void fill(void) {
  const int kind = below(6);
  for (size_t i = 0; i < ARENA_BYTES / sizeof(float); i++) {
    float value = (float)((double)(int64_t)draw() / 9.3e18);
    if (kind == 1) value = value > 0;
    if (kind == 2 && one_in(500)) value = (float)odd_value();
    if (kind == 3) value *= 1e20f;
    memcpy(arena + 4 * i, &value, 4);
  }
  if (kind > 3) {  // right for double precision
    for (size_t i = 0; i < ARENA_BYTES / sizeof(double); i++) {
      const double value = (double)(int64_t)draw() / 9.3e18;
      memcpy(arena + 8 * i, &value, 8);
    }
  }
}

static sb_rule rule(int32_t kind) {
  sb_rule_info info;
  sb_rule made = {"none", NULL};
  if (!one_in(60) && sb_rule_at(kind, below((int)sb_rule_count(kind)), &info, &error) == SB_OK) {
    made.name = info.name;
  }
  if (one_in(60)) made.name = NULL;
  if ((kind == SB_ACTIVATION || kind == SB_LOSS) && one_in(12)) made.name = SB_EXTERNAL;
  if (one_in(8)) {
    for (int i = 0; i < SB_MAX_PARAMETERS; i++) parameters[i] = odd_value();
    made.parameters = parameters;
  }
  return made;
}

#endif
