// Random calls of the C contract: right, wrong and in any order, but with arrays that are there.
//
//     contract <CBLAS library> <seed> <first case> <cases> <seconds> <position file> [say]
//
// A case depends on the seed and its number alone. The position file has its number and the names
// of the calls made in it, whatever ends this program; `say` prints them too.
#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "contract_values.h"
#include "swift_backprop.h"

// ---------------------------------------------------------------- calls

static void end_sessions(void) {
  sb_fit_end(fit);
  sb_evaluation_end(evaluation);
  fit = NULL;
  evaluation = NULL;
}

static void make(void) {
  sb_rule activations[MAX_LAYERS], initializers[MAX_LAYERS];
  sb_norm norms[MAX_LAYERS];
  layers = 1 + below(MAX_LAYERS);
  for (int m = 0; m <= layers; m++) sizes[m] = 1 + below(9);
  for (int m = 0; m < layers; m++) {
    activations[m] = rule(SB_ACTIVATION);
    initializers[m] = rule(SB_INITIALIZER);
    norms[m] = (sb_norm){below(3), below(2), 1e-5, 0.1};
    if (one_in(30)) norms[m].epsilon = odd_value();
  }
  sb_config config = {.sizes = sizes,
                      .layers = layers,
                      .activations = activations,
                      .initializers = initializers,
                      .norms = one_in(3) ? norms : NULL,
                      .loss = rule(SB_LOSS),
                      .optimizer = rule(SB_OPTIMIZER),
                      .seed = draw(),
                      .dtype = below(2)};
  if (one_in(10)) config.l1 = odd_value();
  if (one_in(10)) config.l2 = odd_value();
  if (one_in(10)) config.clip_norm = odd_value();
  if (one_in(50)) config.layers = -below(3);
  if (one_in(50)) config.dtype = (int32_t)odd_number();
  int64_t wrong_sizes[MAX_LAYERS + 1];
  if (one_in(30)) {
    memcpy(wrong_sizes, sizes, sizeof sizes);
    wrong_sizes[below(layers + 1)] = odd_number();
    for (int m = 0; m <= layers; m++) {  // which would be made, and take its time
      if (wrong_sizes[m] > 1000 && wrong_sizes[m] <= 1 << 20) wrong_sizes[m] = 0;
    }
    if (memcmp(wrong_sizes, sizes, sizeof sizes) != 0) config.sizes = wrong_sizes;
  }
  end_sessions();
  sb_drop_question(&question);
  memset(&question, 0, sizeof question);
  sb_destroy_net(net);
  net = NULL;
  TRY(sb_create_net(&config, &net, &error));
  if (net == NULL) return;
  for (int m = 0; m <= layers; m++) sizes[m] = sb_layer_size(net, m);
  if (one_in(2)) TRY(sb_set_question(net, &question, &error));
}

static void answer(void) {
  if (question.state == NULL) return;
  if (one_in(10)) {
    note("the question is given up");
    sb_drop_question(&question);
    return;
  }
  const sb_view *to = &question.answer;
  if (to->data != NULL && !one_in(10)) {
    const int64_t count = to->shape[0] * (to->ndim == 2 ? to->shape[1] : 1);
    memset(to->data, 0, (size_t)count * (to->dtype == SB_FLOAT32 ? 4 : 8));
  }
  question.answered = one_in(20) ? 0 : 1;
  sb_release_owner(question.x.owner);
  sb_release_owner(question.t.owner);
  sb_release_owner(question.answer.owner);
  memset(&question.x, 0, sizeof question.x);
  memset(&question.t, 0, sizeof question.t);
  memset(&question.answer, 0, sizeof question.answer);
}

// Makes a call, again as often as it asks; now and then another one comes between.
#define ASKED(call)                                                      \
  do {                                                                   \
    TRY(call);                                                           \
    for (int again = 0; question.state != NULL && again < 20; again++) { \
      answer();                                                          \
      if (question.state == NULL || one_in(15)) break;                   \
      TRY(call);                                                         \
    }                                                                    \
  } while (0)

static void pass(void) {
  const sb_array x = array(sizes[0]), y = targets(), w = array(1);
  const int32_t method = one_in(20) ? (int32_t)odd_number() : below(3);
  double loss;
  ASKED(sb_forward_by(net, &x, method, below(2), &error));
  if (one_in(6)) ASKED(sb_forward_from(net, one_in(2) ? below(4) : odd_number(), &error));
  ASKED(sb_backward_by(net, &y, one_in(4) ? &w : NULL, below(2), method, &loss, &error));
  TRY(sb_step(net, &error));
}

static void read(void) {
  const sb_array x = array(sizes[0]), y = targets(), w = array(1), v = array(1);
  const sb_array *weights = one_in(3) ? &w : NULL;
  const int64_t m = one_in(5) ? odd_number() : below(layers + 1);
  sb_block_iterator blocks = {one_in(20) ? odd_number() : 0, one_in(2) ? 0 : 1000000};
  sb_array given = v;
  if (net != NULL && one_in(2)) {
    given = (sb_array){.data = arena,
                       .rows = sb_parameter_count(net),
                       .cols = 1,
                       .row_stride = 8,
                       .col_stride = 8,
                       .dtype = SB_FLOAT64,
                       .ndim = 1};
  }
  switch (below(6)) {
    case 0: {
      const int64_t first = one_in(4) ? odd_number() : 0;
      ASKED(sb_predict(net, &x, first, one_in(4) ? odd_number() : x.rows, out, &error));
      break;
    }
    case 1:
      ASKED(sb_jacobian(net, &x, below(2) ? SB_Z : SB_A, one_in(9) ? below(20) : SB_Z, m, out,
                        &blocks, &error));
      break;
    case 2: ASKED(sb_input_gradient(net, &x, &y, weights, below(2), out, &blocks, &error)); break;
    case 3: ASKED(sb_gradient_norms(net, &x, &y, below(2), out, &blocks, &error)); break;
    case 4: ASKED(sb_hvp(net, &x, &y, weights, &given, out, &blocks, &error)); break;
    default: sb_in_place(net, &x); sb_release_input(net);
  }
}

static void look_inside(void) {
  sb_view *view = &views[below(VIEWS)];
  sb_release_owner(view->owner);
  view->owner = NULL;
  sb_view made = {0};
  const int32_t what = one_in(20) ? (int32_t)odd_number() : below(19);
  if (one_in(10)) {
    TRY(sb_new_matrix(below(3), one_in(2) ? below(9) : odd_number(), below(9), &made, &error));
  } else {
    TRY(sb_get_view(net, what, one_in(10) ? odd_number() : below(4), &made, &error));
  }
  *view = made;
  if (made.owner == NULL || made.readonly || made.shape[0] > 1000 || !one_in(4)) return;
  const int64_t columns = made.ndim == 2 ? made.shape[1] : 1;
  const double value = one_in(8) ? odd_value() : 0.25;
  for (int64_t i = 0; i < made.shape[0]; i++) {
    for (int64_t j = 0; j < columns; j++) {
      char *to =
          (char *)made.data + i * made.strides[0] + (made.ndim == 2 ? j * made.strides[1] : 0);
      if (made.dtype == SB_FLOAT32) {
        *(float *)to = (float)value;
      } else {
        *(double *)to = value;
      }
    }
  }
}

static void set(void) {
  static const int32_t options[] = {0,
                                    1,
                                    2,
                                    3,
                                    4,
                                    5,
                                    8,
                                    16,
                                    17,
                                    18,
                                    19,
                                    SB_OPTION_DROPOUT + 1,
                                    SB_OPTION_TRAINABLE + 1,
                                    SB_OPTION_DROPOUT + 9};
  const int32_t option =
      one_in(20) ? (int32_t)odd_number() : options[below(sizeof options / sizeof *options)];
  const uint64_t words[4] = {draw(), one_in(9) ? 0 : draw(), 0, 0};
  int32_t order[MAX_ROWS];
  double value;
  sb_net *copy = NULL;
  switch (below(7)) {
    case 0: TRY(sb_get_option(net, option, &value, &error)); break;
    case 1:
    case 2: TRY(sb_set_option(net, option, odd_value(), &error)); break;
    case 3: TRY(sb_reset(net, draw(), &error)); break;
    case 4: TRY(sb_set_generator(net, words, &error)); break;
    case 5: TRY(sb_draw_order(net, order, below(MAX_ROWS), &error)); break;
    default:
      TRY(sb_copy_net(net, &copy, &error));
      sb_destroy_net(other);
      other = copy;
      sb_plan(net, odd_number(), (int32_t)odd_number());
      sb_maker(net, (int32_t)odd_number(), (int32_t)odd_number(), odd_number(), 2);
      sb_work(net, odd_number());
  }
}

static void train(void) {
  sb_progress progress;
  sb_epoch record;
  if (fit == NULL) {
    const sb_array x = array(sizes[0]), y = targets(), w = array(1), vx = array(sizes[0]);
    const sb_array vy = targets();
    sb_fit_config config = {.x = &x,
                            .y = &y,
                            .epochs = below(4),
                            .batch_size = 1 + below(50),
                            .shuffle = below(4),
                            .pause_each_epoch = below(3)};
    if (one_in(4)) config.weights = &w;
    if (one_in(3)) config.valid_x = &vx;
    if (one_in(3)) config.valid_y = &vy;
    if (one_in(9)) config.batch_size = odd_number();
    if (one_in(20)) config.epochs = -1 - below(3);
    TRY(sb_fit_begin(net, &config, &fit, &error));
    return;
  }
  switch (below(6)) {
    case 0: TRY(sb_fit_epoch(fit, one_in(3) ? odd_number() : 0, &record, &error)); break;
    case 1: TRY(sb_fit_set_rates(fit, (const double *)arena, below(5), &error)); break;
    case 2: TRY(sb_fit_set_outputs(fit, one_in(3) ? NULL : out, &error)); break;
    case 3:
      note("sb_fit_end");
      sb_fit_end(fit);
      fit = NULL;
      break;
    default: ASKED(sb_fit_run(fit, one_in(3) ? odd_number() : 100000, &progress, &error));
  }
}

static void evaluate(void) {
  sb_metrics metrics;
  int32_t done;
  if (evaluation == NULL) {
    const sb_array x = array(sizes[0]), y = targets(), w = array(1);
    TRY(sb_evaluation_begin(net, &x, &y, one_in(3) ? &w : NULL, &evaluation, &error));
    if (evaluation != NULL && one_in(3)) TRY(sb_evaluation_set_outputs(evaluation, out, &error));
    return;
  }
  if (!one_in(4)) ASKED(sb_evaluation_run(evaluation, odd_number(), &done, &error));
  TRY(sb_evaluation_result(evaluation, &metrics, &error));
  if (one_in(2)) {
    sb_evaluation_end(evaluation);
    evaluation = NULL;
  }
}

static void apply(void) {
  const sb_rule activation = rule(SB_ACTIVATION), loss = rule(SB_LOSS);
  const int32_t order = one_in(9) ? (int32_t)odd_number() : below(3), dtype = below(3);
  const int64_t rows = one_in(9) ? -1 : below(MAX_ROWS), cols = below(9);
  TRY(sb_apply_activation(&activation, order, dtype, arena, out, rows, cols, &error));
  TRY(sb_apply_loss(&loss, order, dtype, arena, arena + 4096, out, rows, &error));
}

// ---------------------------------------------------------------- cases

static void run_case(uint64_t seed, uint64_t number) {
  static void (*const acts[])(void) = {pass,        pass,        pass,     read,  read,
                                       look_inside, look_inside, set,      train, train,
                                       train,       evaluate,    evaluate, apply, make};
  state = seed * 0x2545f4914f6cdd1d + number;
  memset(position, 0, 16);
  memcpy(position, &number, 8);
  position_end = 8;
  fill();
  make();
  const int calls = 3 + below(30);
  for (int i = 0; i < calls; i++) acts[below(sizeof acts / sizeof *acts)]();
  end_sessions();
  sb_drop_question(&question);
  memset(&question, 0, sizeof question);
  if (one_in(2)) sb_destroy_net(net), net = NULL;
  for (int i = 0; i < VIEWS; i++) {
    sb_release_owner(views[i].owner);
    views[i].owner = NULL;
  }
  sb_destroy_net(net);
  sb_destroy_net(other);
  net = other = NULL;
}

static int load_blas(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return 0;
  void *s = dlsym(library, "scipy_cblas_sgemm"), *d = dlsym(library, "scipy_cblas_dgemm");
  if (s == NULL) s = dlsym(library, "cblas_sgemm"), d = dlsym(library, "cblas_dgemm");
  sb_blas blas = {0};
  memcpy(&blas.sgemm, &s, sizeof s);
  memcpy(&blas.dgemm, &d, sizeof d);
  return sb_set_blas(&blas, &error) == SB_OK;
}

int main(int argc, char **argv) {
  if (argc < 7) return 2;
  const uint64_t seed = strtoull(argv[2], NULL, 10), first = strtoull(argv[3], NULL, 10);
  const uint64_t cases = strtoull(argv[4], NULL, 10);
  const double seconds = strtod(argv[5], NULL);
  const int file = open(argv[6], O_RDWR);
  position = mmap(NULL, POSITION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  says = argc > 7;
  const struct rlimit memory = {(rlim_t)2 << 30, (rlim_t)2 << 30};
  setrlimit(RLIMIT_AS, &memory);
  if (position == MAP_FAILED || !load_blas(argv[1])) {
    fprintf(stderr, "cannot begin: %s\n", error.message);
    return 2;
  }
  struct timespec begin, now;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  uint64_t number = first;
  for (; number < first + cases; number++) {
    clock_gettime(CLOCK_MONOTONIC, &now);
    if ((double)(now.tv_sec - begin.tv_sec) + 1e-9 * (double)(now.tv_nsec - begin.tv_nsec) >
        seconds)
      break;
    run_case(seed, number);
    if (wrong > 0) return 3;
  }
  printf("%" PRIu64 "\n", number - first);
  return 0;
}
