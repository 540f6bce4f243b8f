// Functions of the caller's through the C contract: a net whose activations and loss this program
// answers for is trained beside one with the engine's own, and wrong use of questions is refused.
//
//     external <path of a CBLAS library with 32-bit integers>
//
// Prints one line per comparison and ends with 0 when all numbers agree.
#include <math.h>

#include "program.h"

enum { ROWS = 6, INPUTS = 2, HIDDEN = 8, OUTPUTS = 3 };

static int wrong, asked;
static double X[ROWS * INPUTS], t[ROWS * OUTPUTS];

static void expect(int holds, const char *what) {
  printf("%s: %s\n", what, holds ? "ok" : "WRONG");
  wrong += !holds;
}

// tanh and the squared error, of the engine's or of this program.
static sb_net *make_net(int own) {
  static const int64_t sizes[] = {INPUTS, HIDDEN, OUTPUTS};
  const char *tanh_name = own ? SB_EXTERNAL : "tanh";
  const sb_rule activations[] = {{tanh_name, NULL}, {tanh_name, NULL}};
  const sb_rule initializers[] = {{"glorot_uniform", NULL}, {"glorot_uniform", NULL}};
  const sb_norm norms[] = {
      {.kind = SB_NORM_BATCH, .after = 1, .epsilon = 1e-5, .momentum = 0.1},
      {.kind = SB_NORM_LAYER, .after = 0, .epsilon = 1e-5},
  };
  static const double adam[] = {0.05, 0.9, 0.999, 1e-8};
  sb_config config = {
      .sizes = sizes,
      .layers = 2,
      .activations = activations,
      .initializers = initializers,
      .norms = norms,
      .loss = {own ? SB_EXTERNAL : "squared_error", NULL},
      .optimizer = {"adam", adam},
      .seed = 1,
      .dtype = SB_FLOAT64,
  };
  sb_net *net = NULL;
  check(sb_create_net(&config, &net, &error), "sb_create_net");
  check(sb_set_option(net, SB_OPTION_DROPOUT + 1, 0.3, &error), "sb_set_option");
  return net;
}

static void release(sb_view *view) {
  sb_release_owner(view->owner);
  view->owner = NULL;
}

// Writes what is asked for.
static void answer(sb_question *question) {
  const double *x = question->x.data, *target = question->t.data;
  double *out = question->answer.data;
  const int64_t rows = question->x.shape[0], cols = question->x.shape[1];
  asked++;
  for (int64_t i = 0; i < rows * cols; i++) {
    const double a = tanh(x[i]), slope = 1 - a * a;
    if (question->kind == SB_ACTIVATION) {
      out[i] = question->order == 0 ? a : question->order == 1 ? slope : -2 * a * slope;
    } else if (question->order == 1) {
      out[i] = x[i] - target[i];
    }
  }
  for (int64_t n = 0; question->kind == SB_LOSS && question->order == 0 && n < rows; n++) {
    out[n] = 0;
    for (int64_t i = n * cols; i < (n + 1) * cols; i++) {
      out[n] += 0.5 * (x[i] - target[i]) * (x[i] - target[i]);
    }
  }
  release(&question->x);
  release(&question->t);
  release(&question->answer);
  question->answered = 1;
}

// Makes a call as often as it asks.
#define RUN(net, call)                                                 \
  do {                                                                 \
    sb_question question = {0};                                        \
    check(sb_set_question(net, &question, &error), "sb_set_question"); \
    sb_status status;                                                  \
    while ((status = (call)) == SB_ASKS) answer(&question);            \
    check(status, #call);                                              \
    if (question.state != NULL) exit(3);                               \
  } while (0)

static double distance(const double *a, const double *b, int64_t count) {
  double largest = 0;
  for (int64_t i = 0; i < count; i++) {
    if (!(fabs(a[i] - b[i]) <= largest)) {
      largest = fabs(a[i] - b[i]);
    }
  }
  return largest;
}

static double view_distance(sb_net *one, sb_net *other, int32_t what, int64_t m) {
  sb_view a, b;
  check(sb_get_view(one, what, m, &a, &error), "sb_get_view");
  check(sb_get_view(other, what, m, &b, &error), "sb_get_view");
  const double found = distance(a.data, b.data, a.shape[0] * (a.ndim == 2 ? a.shape[1] : 1));
  sb_release_owner(a.owner);
  sb_release_owner(b.owner);
  return found;
}

static void train(sb_net *net) {
  const sb_array x = matrix(X, ROWS, INPUTS, SB_FLOAT64), y = matrix(t, ROWS, OUTPUTS, SB_FLOAT64);
  double loss = 0;
  for (int step = 0; step < 5; step++) {
    RUN(net, sb_forward_by(net, &x, SB_MATRICES, 1, &error));
    RUN(net, sb_backward_by(net, &y, NULL, step == 3, SB_MATRICES, &loss, &error));
    check(sb_step(net, &error), "sb_step");
  }
  const sb_fit_config config = {
      .x = &x, .y = &y, .valid_x = &x, .valid_y = &y, .epochs = 7, .batch_size = 4, .shuffle = 1};
  sb_fit *fit = NULL;
  check(sb_fit_begin(net, &config, &fit, &error), "sb_fit_begin");
  for (sb_progress progress = {0}; !progress.done;) {
    RUN(net, sb_fit_run(fit, 1000, &progress, &error));
  }
  sb_fit_end(fit);
}

static void compare(sb_net *own, sb_net *engines) {
  const sb_array x = matrix(X, ROWS, INPUTS, SB_FLOAT64), y = matrix(t, ROWS, OUTPUTS, SB_FLOAT64);
  sb_net *nets[2] = {own, engines};
  static double out[2][5][ROWS * OUTPUTS * HIDDEN];
  sb_metrics metrics[2];
  for (int k = 0; k < 2; k++) {
    sb_block_iterator blocks = {0, 1000};
    train(nets[k]);
    RUN(nets[k], sb_predict(nets[k], &x, 0, ROWS, out[k][0], &error));
    RUN(nets[k], sb_jacobian(nets[k], &x, SB_A, SB_Z, 1, out[k][1], &blocks, &error));
    blocks.next = 0;
    RUN(nets[k], sb_gradient_norms(nets[k], &x, &y, 1, out[k][2], &blocks, &error));
    blocks.next = 0;
    RUN(nets[k], sb_input_gradient(nets[k], &x, &y, NULL, 0, out[k][3], &blocks, &error));
    sb_evaluation *evaluation = NULL;
    check(sb_evaluation_begin(nets[k], &x, &y, NULL, &evaluation, &error), "begin");
    for (int32_t done = 0; !done;) {
      RUN(nets[k], sb_evaluation_run(evaluation, 1000, &done, &error));
    }
    check(sb_evaluation_result(evaluation, &metrics[k], &error), "sb_evaluation_result");
    sb_evaluation_end(evaluation);
  }
  expect(view_distance(own, engines, SB_PARAMETERS, 0) < 1e-12, "parameters");
  expect(view_distance(own, engines, SB_RUNNING_VAR, 1) < 1e-12, "running variance");
  expect(distance(out[0][0], out[1][0], ROWS * OUTPUTS) < 1e-12, "predict");
  expect(distance(out[0][1], out[1][1], ROWS * OUTPUTS * HIDDEN) < 1e-12, "jacobian");
  expect(distance(out[0][2], out[1][2], ROWS * 2) < 1e-12, "gradient norms");
  expect(distance(out[0][3], out[1][3], ROWS * INPUTS) < 1e-12, "input gradient");
  expect(fabs(metrics[0].loss - metrics[1].loss) < 1e-12, "loss");
  expect(fabs(metrics[0].r2 - metrics[1].r2) < 1e-12, "r2");
}

// What is asked twice, given up, mixed up or not wanted.
static void misuse(sb_net *own, sb_net *other) {
  const sb_array x = matrix(X, ROWS, INPUTS, SB_FLOAT64), few = matrix(X, 3, INPUTS, SB_FLOAT64);
  const sb_array y = matrix(t, ROWS, OUTPUTS, SB_FLOAT64);
  double out[ROWS * OUTPUTS], v[128] = {0};
  sb_question question = {0};
  sb_block_iterator blocks = {0, 1000};
  check(sb_set_question(own, NULL, &error), "sb_set_question");
  expect(sb_forward(own, &x, &error) == SB_ERROR_ORDER, "no place for a question");
  check(sb_set_question(own, &question, &error), "sb_set_question");
  expect(sb_forward(own, &x, &error) == SB_ASKS, "asks");
  sb_view first = question.x;
  release(&question.answer);
  expect(sb_forward(own, &x, &error) == SB_ASKS && question.x.data == first.data, "asks again");
  sb_release_owner(first.owner);
  // Another call in between begins anew, and so does the first one after it.
  sb_release_owner(question.x.owner);
  release(&question.answer);
  expect(sb_forward(own, &few, &error) == SB_ASKS && question.x.shape[0] == 3, "fewer rows");
  answer(&question);
  expect(sb_predict(own, &x, 0, ROWS, out, &error) == SB_ASKS && question.order == 0 &&
             question.layer == 1 && question.x.shape[0] == ROWS,
         "another call");
  ((double *)question.answer.data)[3] = NAN;
  question.answered = 1;
  expect(sb_predict(own, &x, 0, ROWS, out, &error) == SB_ERROR_DIVERGED, "NaN");
  sb_drop_question(&question);
  expect(question.state == NULL && question.x.owner == NULL, "dropped");
  sb_question foreign = {0};
  check(sb_set_question(own, &foreign, &error), "sb_set_question");
  check(sb_set_question(other, &foreign, &error), "sb_set_question");
  expect(sb_forward(own, &x, &error) == SB_ASKS, "one question for two nets");
  foreign.answered = 1;
  release(&foreign.x);
  release(&foreign.answer);
  expect(sb_forward(other, &x, &error) == SB_ASKS && foreign.answered == 0, "begins anew");
  sb_drop_question(&foreign);
  check(sb_set_question(own, &question, &error), "sb_set_question");
  expect(sb_backward(own, &y, NULL, 0, NULL, &error) == SB_ERROR_ORDER, "no forward");
  expect(sb_forward_by(own, &x, SB_LOOPS, 0, &error) == SB_ERROR_VALUE, "loops");
  const sb_array along = matrix(v, sb_parameter_count(own), 1, SB_FLOAT64);
  expect(sb_hvp(own, &x, &y, NULL, &along, v, &blocks, &error) == SB_ERROR_VALUE, "hvp");
  sb_fit *fit = NULL;
  const sb_fit_config config = {.x = &x, .y = &y, .epochs = 3, .batch_size = 4};
  check(sb_fit_begin(own, &config, &fit, &error), "sb_fit_begin");
  sb_progress progress = {0};
  expect(sb_fit_run(fit, 100000000, &progress, &error) == SB_ASKS, "fit asks");
  sb_drop_question(&question);
  sb_fit_end(fit);
  sb_drop_question(NULL);
  expect(sb_set_question(NULL, &question, &error) == SB_ERROR_ORDER, "no net");
}

int main(int argc, char **argv) {
  load_blas_of(argc, argv);
  for (int i = 0; i < ROWS * INPUTS; i++) X[i] = sin(3.0 * i);
  for (int i = 0; i < ROWS * OUTPUTS; i++) t[i] = 0.5 * cos(5.0 * i);
  sb_net *own = make_net(1), *engines = make_net(0), *other = make_net(1);
  compare(own, engines);
  misuse(own, other);
  sb_destroy_net(own);
  sb_destroy_net(engines);
  sb_destroy_net(other);
  printf("%d questions, %d wrong\n", asked, wrong);
  return wrong != 0;
}
