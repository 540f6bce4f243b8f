// Training by several processes through the C contract, without MPI: three nets in this program
// stand for them. They take turns, and where all have stopped to ask, their numbers are summed. On
// Linux they do it again with memory in common.
//
//     shared <path of a CBLAS library with 32-bit integers>
//
// Ends with 0 when their weights have the same bits, and are those of one net with all rows.
#include <math.h>
#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "program.h"

enum { ROWS = 29, INPUTS = 3, HIDDEN = 150, OUTPUTS = 2, NETS = 3, VALID = 7 };

static double X[ROWS * INPUTS], t[ROWS * OUTPUTS], weights[ROWS];

// Batch norm, dropout and clipping: all that needs more of the other rows than a sum. Nets with
// batch norm have no memory in common.
static sb_net *make_net(int has_norm) {
  static const int64_t sizes[] = {INPUTS, HIDDEN, OUTPUTS};
  const sb_rule activations[] = {{"tanh", NULL}, {"identity", NULL}};
  const sb_rule initializers[] = {{"glorot_uniform", NULL}, {"glorot_uniform", NULL}};
  const sb_norm norms[] = {{.kind = SB_NORM_BATCH, .epsilon = 1e-5, .momentum = 0.1}, {0}};
  sb_config config = {
      .sizes = sizes,
      .layers = 2,
      .activations = activations,
      .initializers = initializers,
      .norms = has_norm ? norms : NULL,
      .loss = {"squared_error", NULL},
      .optimizer = {"momentum", NULL},
      .clip_norm = 0.5,
      .seed = 1,
      .dtype = SB_FLOAT64,
  };
  sb_net *net = NULL;
  check(sb_create_net(&config, &net, &error), "sb_create_net");
  check(sb_set_option(net, SB_OPTION_DROPOUT + 1, 0.3, &error), "sb_set_option");
  return net;
}

// Begins a training on rows first..last-1 of all, as `process` with what is in `memory`; without
// that if it is -1.
static sb_fit *begin(sb_net *net, int64_t first, int64_t last, int64_t total, int process,
                     int memory) {
  const sb_array x = matrix(X + first * INPUTS, last - first, INPUTS, SB_FLOAT64);
  const sb_array y = matrix(t + first * OUTPUTS, last - first, OUTPUTS, SB_FLOAT64);
  const sb_array w = matrix(weights, ROWS, 1, SB_FLOAT64);
  const int64_t valid = last < VALID ? last : VALID;
  const int64_t own = valid > first ? valid - first : 0;
  const sb_array valid_x = matrix(X + first * INPUTS, own, INPUTS, SB_FLOAT64);
  const sb_array valid_y = matrix(t + first * OUTPUTS, own, OUTPUTS, SB_FLOAT64);
  const sb_fit_config config = {.x = &x,
                                .y = &y,
                                .weights = &w,
                                .valid_x = &valid_x,
                                .valid_y = &valid_y,
                                .epochs = 5,
                                .batch_size = 8,
                                .shuffle = 1,
                                .total_rows = total,
                                .first_row = first,
                                .processes = memory < 0 ? 0 : NETS,
                                .process = process,
                                .memory = memory,
                                .leaves_memory = 1};
  sb_fit *fit = NULL;
  check(sb_fit_begin(net, &config, &fit, &error), "sb_fit_begin");
  return fit;
}

// Sums what all nets have asked about, and gives the sums to each.
static void answer(sb_question *questions) {
  const sb_question *first = &questions[0];
  for (int k = 1; k < NETS; k++) {
    if (questions[k].kind != SB_REDUCTION || questions[k].order != first->order ||
        questions[k].layer != first->layer ||
        questions[k].answer.shape[0] != first->answer.shape[0]) {
      fprintf(stderr, "net %d asks for something else\n", k);
      exit(1);
    }
  }
  for (int64_t i = 0; first->order != SB_REDUCE_END && i < first->answer.shape[0]; i++) {
    double sum = 0;
    for (int k = 0; k < NETS; k++) sum += ((double *)questions[k].answer.data)[i];
    for (int k = 0; k < NETS; k++) ((double *)questions[k].answer.data)[i] = sum;
  }
  for (int k = 0; k < NETS; k++) {
    sb_release_owner(questions[k].answer.owner);
    questions[k].answer.owner = NULL;
    questions[k].answered = 1;
  }
}

static int64_t train(sb_net **nets, int memory) {
  static const int64_t ends[NETS + 1] = {0, 11, 11, ROWS};  // the second has no row
  sb_fit *fits[NETS];
  sb_question questions[NETS];
  memset(questions, 0, sizeof(questions));
  for (int k = 0; k < NETS; k++) {
    fits[k] = begin(nets[k], ends[k], ends[k + 1], ROWS, k, memory);
    check(sb_set_question(nets[k], &questions[k], &error), "sb_set_question");
  }
  int64_t asked = 0;
  for (int done = 0; !done;) {
    int waiting = 0;
    for (int k = 0; k < NETS; k++) {
      sb_progress progress = {0};
      sb_status status = SB_OK;
      while (status == SB_OK && !progress.done) {
        status = sb_fit_run(fits[k], INT64_MAX, &progress, &error);
      }
      if (status == SB_ASKS) {
        waiting++;
      } else {
        check(status, "sb_fit_run");
      }
    }
    if (waiting == NETS) {
      answer(questions);
      asked++;
    }
    done = waiting == 0;
    if (waiting != 0 && waiting != NETS) exit(2);
  }
  sb_epoch records[NETS];
  for (int k = 0; k < NETS; k++) {
    check(sb_fit_epoch(fits[k], 4, &records[k], &error), "sb_fit_epoch");
    sb_fit_end(fits[k]);
    if (records[k].loss != records[0].loss || records[k].valid.r2 != records[0].valid.r2) exit(3);
  }
  return asked;
}

static double distance(sb_net *one, sb_net *other, int32_t what) {
  sb_view a, b;
  check(sb_get_view(one, what, 1, &a, &error), "sb_get_view");
  check(sb_get_view(other, what, 1, &b, &error), "sb_get_view");
  double largest = 0;
  for (int64_t i = 0; i < a.shape[0]; i++) {
    const double found = fabs(((double *)a.data)[i] - ((double *)b.data)[i]);
    if (!(found <= largest)) largest = found;
  }
  sb_release_owner(a.owner);
  sb_release_owner(b.owner);
  return largest;
}

// Trains them and one net alone; returns what is wrong.
static int compare(int has_norm, int memory) {
  sb_net *alone = make_net(has_norm), *nets[NETS];
  for (int k = 0; k < NETS; k++) nets[k] = make_net(has_norm);
  sb_view held;
  check(sb_get_view(nets[1], SB_PARAMETERS, 1, &held, &error), "sb_get_view");
  sb_fit *fit = begin(alone, 0, ROWS, 0, 0, -1);
  sb_progress progress = {0};
  while (!progress.done) check(sb_fit_run(fit, INT64_MAX, &progress, &error), "sb_fit_run");
  sb_fit_end(fit);
  const int64_t asked = train(nets, memory);
  int wrong = 0;
  for (int k = 0; k < NETS; k++) {
    wrong += k > 0 && distance(nets[k], nets[0], SB_PARAMETERS) != 0;
    wrong += !(distance(nets[k], alone, SB_PARAMETERS) < 1e-12);
    wrong += !(distance(nets[k], alone, SB_GRADIENTS) < 1e-12);
    wrong += has_norm && !(distance(nets[k], alone, SB_RUNNING_VAR) < 1e-12);
  }
  // What was looked at has not moved, and is the net's own again.
  ((double *)held.data)[0] += 1;
  wrong += !(fabs(distance(nets[1], nets[0], SB_PARAMETERS) - 1) < 1e-12);
  sb_release_owner(held.owner);
  sb_destroy_net(alone);
  for (int k = 0; k < NETS; k++) sb_destroy_net(nets[k]);
  printf("%lld sums, %d wrong\n", (long long)asked, wrong);
  return wrong;
}

int main(int argc, char **argv) {
  load_blas_of(argc, argv);
  for (int i = 0; i < ROWS * INPUTS; i++) X[i] = sin(3.0 * i);
  for (int i = 0; i < ROWS * OUTPUTS; i++) t[i] = 0.5 * cos(5.0 * i);
  for (int i = 0; i < ROWS; i++) weights[i] = i % 4;
  int wrong = compare(1, -1) + compare(0, -1);
#if defined(__linux__)
  const int memory = memfd_create("nets", 0);
  if (memory < 0) return 4;
  wrong += compare(0, memory);
  close(memory);
#endif
  return wrong != 0;
}
