// Calls every entry point with arguments that no program should give: each call has to
// return a status and a message. An abort, a trap or a wild read ends this program, and
// the test that runs it sees how.
//
//     hostile                  without a BLAS: nets cannot be made, and that is said
//     hostile <CBLAS library>  with one
#include <math.h>

#include "program.h"

static int refused, wrong;

// Counts a call that has to be refused, and looks at its message.
static void refuse(sb_status status, sb_status wanted, int line, const char *call) {
  const size_t length = strnlen(error.message, SB_MESSAGE_SIZE);
  refused++;
  if (status == SB_OK || (wanted != 0 && status != wanted) || status != error.status ||
      length < 10 || length >= SB_MESSAGE_SIZE) {
    printf("%d: %s: status %d, wanted %d: %.200s\n", line, call, (int)status, (int)wanted,
           error.message);
    wrong++;
  }
  memset(&error, 0, sizeof error);
}
#define REFUSE(call) refuse((call), 0, __LINE__, #call)
#define REFUSE_AS(wanted, call) refuse((call), (wanted), __LINE__, #call)

static void accept(sb_status status, int line, const char *call) {
  if (status != SB_OK) {
    printf("%d: %s: status %d: %.200s\n", line, call, (int)status, error.message);
    wrong++;
  }
}
#define ACCEPT(call) accept((call), __LINE__, #call)

static void nonsense_gemm(int o, int ta, int tb, int m, int n, int k, float alpha, const float *a,
                          int lda, const float *b, int ldb, float beta, float *c, int ldc) {
  (void)o, (void)ta, (void)tb, (void)k, (void)alpha, (void)a, (void)lda, (void)b, (void)ldb;
  (void)beta;
  for (int i = 0; i < m; i++) {
    for (int j = 0; j < n; j++) {
      c[i * ldc + j] = 0;
    }
  }
}

static const int64_t sizes[] = {3, 4, 2};
static const sb_rule hidden_and_output[] = {{"tanh", NULL}, {"softmax", NULL}};
static const sb_rule glorot[] = {{"glorot_uniform", NULL}, {"glorot_uniform", NULL}};

static sb_config config(void) {
  return (sb_config){
      .sizes = sizes,
      .layers = 2,
      .activations = hidden_and_output,
      .initializers = glorot,
      .loss = {"cross_entropy", NULL},
      .optimizer = {"adam", NULL},
      .seed = 1,
      .dtype = SB_FLOAT32,
  };
}

static void create_wrongly(void) {
  sb_net *net = NULL;
  sb_config c = config();
  REFUSE(sb_create_net(NULL, &net, &error));
  REFUSE(sb_create_net(&c, NULL, &error));
  c = config(), c.sizes = NULL;
  REFUSE(sb_create_net(&c, &net, &error));
  c = config(), c.activations = NULL;
  REFUSE(sb_create_net(&c, &net, &error));
  c = config(), c.initializers = NULL;
  REFUSE(sb_create_net(&c, &net, &error));
  const int64_t layers[] = {0, -1, INT64_MIN};
  for (int i = 0; i < 3; i++) {
    c = config(), c.layers = layers[i];
    REFUSE(sb_create_net(&c, &net, &error));
  }
  const int64_t bad[][3] = {{0, 4, 2},
                            {3, -4, 2},
                            {3, INT64_MAX, 2},
                            {INT64_MIN, 4, 2},
                            {INT64_MAX, INT64_MAX, INT64_MAX},
                            {INT32_MAX, INT32_MAX, 2}};
  for (int i = 0; i < 6; i++) {
    c = config(), c.sizes = bad[i];
    REFUSE(sb_create_net(&c, &net, &error));
  }
  const char *const names[] = {NULL, "", "no such rule", "\xff\xfe\x80", "softmax\n"};
  for (int i = 0; i < 5; i++) {
    c = config(), c.loss.name = names[i];
    REFUSE(sb_create_net(&c, &net, &error));
    c = config(), c.optimizer.name = names[i];
    REFUSE(sb_create_net(&c, &net, &error));
    const sb_rule rules[] = {{"tanh", NULL}, {names[i], NULL}};
    c = config(), c.activations = rules;
    REFUSE(sb_create_net(&c, &net, &error));
    c = config(), c.initializers = rules;
    REFUSE(sb_create_net(&c, &net, &error));
  }
  const int32_t dtypes[] = {-1, 2, 99, INT32_MIN};
  for (int i = 0; i < 4; i++) {
    c = config(), c.dtype = dtypes[i];
    REFUSE(sb_create_net(&c, &net, &error));
  }
  const double values[] = {-1, NAN, INFINITY};
  for (int i = 0; i < 3; i++) {
    c = config(), c.l1 = values[i];
    REFUSE(sb_create_net(&c, &net, &error));
    c = config(), c.l2 = values[i];
    REFUSE(sb_create_net(&c, &net, &error));
    c = config(), c.clip_norm = values[i];
    REFUSE(sb_create_net(&c, &net, &error));
    const double adam[] = {values[i], 0.9, 0.999, 1e-8};
    c = config(), c.optimizer.parameters = adam;
    REFUSE(sb_create_net(&c, &net, &error));
  }
  if (net != NULL) {
    printf("a refused sb_create_net left a net\n");
    wrong++;
  }
}

static void use_wrongly(sb_net *net) {
  static const float zeros[64];
  static const float nans[] = {NAN, NAN, NAN};
  const sb_array good = matrix(zeros, 4, 3, SB_FLOAT32);
  double loss = 0;
  sb_array x = good;
  REFUSE_AS(SB_ERROR_ORDER, sb_backward(net, &good, NULL, 0, &loss, &error));
  REFUSE_AS(SB_ERROR_ORDER, sb_step(net, &error));
  REFUSE(sb_forward(NULL, &good, &error));
  REFUSE(sb_forward(net, NULL, &error));
  const int32_t methods[] = {-1, 3, INT32_MIN, INT32_MAX};
  for (int i = 0; i < 4; i++) {
    REFUSE_AS(SB_ERROR_VALUE, sb_forward_by(net, &good, methods[i], 0, &error));
    REFUSE_AS(SB_ERROR_VALUE, sb_backward_by(net, &good, NULL, 0, methods[i], &loss, &error));
  }
  for (int32_t method = SB_MATRICES; method <= SB_LOOPS; method++) {
    REFUSE_AS(SB_ERROR_ORDER, sb_backward_by(net, &good, NULL, 0, method, &loss, &error));
    REFUSE(sb_forward_by(NULL, &good, method, 1, &error));
    REFUSE(sb_forward_by(net, NULL, method, 0, &error));
    REFUSE(sb_backward_by(net, NULL, NULL, 0, method, NULL, &error));
  }
  x = good, x.data = NULL;
  REFUSE(sb_forward(net, &x, &error));
  x = good, x.cols = 4;
  REFUSE_AS(SB_ERROR_SHAPE, sb_forward(net, &x, &error));
  const int64_t rows[] = {-1, INT64_MIN, INT64_MAX};
  for (int i = 0; i < 3; i++) {
    x = good, x.rows = rows[i];
    REFUSE(sb_forward(net, &x, &error));
    x = good, x.row_stride = rows[i];
    REFUSE(sb_forward(net, &x, &error));
    x = good, x.col_stride = rows[i];
    REFUSE(sb_forward(net, &x, &error));
    x = good, x.dtype = (int32_t)(rows[i] >> 32);
    if (x.dtype != SB_FLOAT32) {
      REFUSE(sb_forward(net, &x, &error));
    }
    x = good, x.ndim = i + 3;
    REFUSE(sb_forward(net, &x, &error));
  }
  x = good, x.row_stride = 0;
  REFUSE_AS(SB_ERROR_COPY, sb_forward(net, &x, &error));
  x = good, x.data = (const char *)zeros + 1;
  REFUSE_AS(SB_ERROR_COPY, sb_forward(net, &x, &error));
  x = good, x.swapped = 1;
  REFUSE_AS(SB_ERROR_COPY, sb_forward(net, &x, &error));
  x = matrix(nans, 1, 3, SB_FLOAT32);
  REFUSE_AS(SB_ERROR_VALUE, sb_forward(net, &x, &error));

  const sb_array wrong_y = matrix(zeros, 4, 5, SB_FLOAT32),
                 ragged = matrix(zeros, 3, 2, SB_FLOAT32);
  ACCEPT(sb_forward(net, &good, &error));
  REFUSE_AS(SB_ERROR_SHAPE, sb_backward(net, &wrong_y, NULL, 0, &loss, &error));
  REFUSE_AS(SB_ERROR_SHAPE, sb_backward(net, &ragged, NULL, 0, &loss, &error));
  REFUSE(sb_backward(net, NULL, NULL, 0, &loss, &error));
  static const int64_t labels[] = {0, 1, 2, INT64_MIN};
  sb_array y = matrix(labels, 4, 1, SB_INT64);
  REFUSE_AS(SB_ERROR_VALUE, sb_backward(net, &y, NULL, 0, &loss, &error));
  REFUSE(sb_backward(NULL, &y, NULL, 0, &loss, &error));

  sb_view view;
  const int32_t quantities[] = {-1, 11, 99, INT32_MIN, INT32_MAX};
  for (int i = 0; i < 5; i++) {
    REFUSE(sb_get_view(net, quantities[i], 1, &view, &error));
  }
  const int64_t layers[] = {-1, 3, INT64_MIN, INT64_MAX};
  for (int i = 0; i < 4; i++) {
    REFUSE(sb_get_view(net, SB_W, layers[i], &view, &error));
    REFUSE(sb_get_view(net, SB_Z, layers[i], &view, &error));
    REFUSE(sb_get_view(net, SB_SLOT, layers[i] == 3 ? 99 : layers[i], &view, &error));
  }
  REFUSE(sb_get_view(net, SB_W, 0, &view, &error));
  REFUSE(sb_get_view(NULL, SB_W, 1, &view, &error));
  REFUSE(sb_get_view(net, SB_W, 1, NULL, &error));
  REFUSE(sb_new_matrix(SB_FLOAT32, -1, 2, &view, &error));
  REFUSE(sb_new_matrix(SB_FLOAT32, INT64_MAX, INT64_MAX, &view, &error));
  REFUSE(sb_new_matrix(77, 2, 2, &view, &error));
  REFUSE(sb_new_matrix(SB_FLOAT32, 2, 2, NULL, &error));

  double value;
  const int32_t options[] = {-1, 9, 99, INT32_MAX, INT32_MIN};
  for (int i = 0; i < 5; i++) {
    REFUSE(sb_get_option(net, options[i], &value, &error));
    REFUSE(sb_set_option(net, options[i], 1, &error));
  }
  REFUSE(sb_get_option(net, SB_OPTION_L1, NULL, &error));
  REFUSE(sb_set_option(net, SB_OPTION_L1, NAN, &error));
  REFUSE(sb_set_option(NULL, SB_OPTION_L1, 0, &error));
  REFUSE(sb_set_generator(NULL, NULL, &error));
  REFUSE(sb_draw_order(NULL, NULL, 3, &error));

  float out[64];
  REFUSE(sb_predict(net, &good, 0, 4, NULL, &error));
  REFUSE(sb_predict(net, &good, -1, 4, out, &error));
  REFUSE(sb_predict(net, &good, 3, 1, out, &error));
  REFUSE(sb_predict(net, &good, 0, 5, out, &error));
  REFUSE(sb_predict(net, &good, INT64_MIN, INT64_MAX, out, &error));
  REFUSE(sb_predict(net, NULL, 0, 4, out, &error));
  REFUSE(sb_predict(NULL, &good, 0, 4, out, &error));

  const sb_rule tanh_rule = {"tanh", NULL}, huber = {"huber", NULL}, none = {"none", NULL};
  REFUSE(sb_apply_activation(NULL, 0, SB_FLOAT32, zeros, out, 1, 1, &error));
  REFUSE(sb_apply_activation(&none, 0, SB_FLOAT32, zeros, out, 1, 1, &error));
  REFUSE(sb_apply_activation(&tanh_rule, 3, SB_FLOAT32, zeros, out, 1, 1, &error));
  REFUSE(sb_apply_activation(&tanh_rule, -1, SB_FLOAT32, zeros, out, 1, 1, &error));
  REFUSE(sb_apply_activation(&tanh_rule, 0, SB_INT32, zeros, out, 1, 1, &error));
  REFUSE(sb_apply_activation(&tanh_rule, 0, SB_FLOAT32, NULL, out, 1, 1, &error));
  REFUSE(sb_apply_activation(&tanh_rule, 0, SB_FLOAT32, zeros, NULL, 1, 1, &error));
  REFUSE(sb_apply_activation(&tanh_rule, 0, SB_FLOAT32, zeros, out, -1, 1, &error));
  REFUSE(sb_apply_activation(&tanh_rule, 0, SB_FLOAT32, zeros, out, INT64_MAX, INT64_MAX, &error));
  REFUSE(sb_apply_loss(&huber, 0, SB_FLOAT32, NULL, zeros, out, 1, &error));
  REFUSE(sb_apply_loss(&huber, 5, SB_FLOAT32, zeros, zeros, out, 1, &error));
  REFUSE(sb_apply_loss(&huber, 0, SB_FLOAT32, zeros, zeros, out, -1, &error));
  REFUSE(sb_apply_loss(&none, 0, SB_FLOAT32, zeros, zeros, out, 1, &error));
}

static void study_wrongly(sb_net *net) {
  static const float zeros[64];
  static const float nans[] = {NAN, NAN, NAN};
  static const int64_t labels[] = {0, 1, 1, 0};
  const sb_array x = matrix(zeros, 4, 3, SB_FLOAT32), wide = matrix(zeros, 4, 5, SB_FLOAT32),
                 nan = matrix(nans, 1, 3, SB_FLOAT32);
  const sb_array y = matrix(labels, 4, 1, SB_INT64);
  sb_array v = matrix(zeros, 26, 1, SB_FLOAT32), w = matrix(zeros, 3, 1, SB_FLOAT32);
  float out[64];
  sb_block_iterator blocks = {0, INT64_MAX};
  if (sb_layer_size(NULL, 0) != 0 || sb_layer_size(net, -1) != 0 || sb_layer_size(net, 3) != 0 ||
      sb_layer_size(net, INT64_MAX) != 0 || sb_layer_size(net, 1) != 4) {
    printf("sb_layer_size is wrong\n");
    wrong++;
  }
  REFUSE(sb_jacobian(NULL, &x, SB_Z, SB_Z, 1, out, &blocks, &error));
  REFUSE(sb_jacobian(net, NULL, SB_Z, SB_Z, 1, out, &blocks, &error));
  REFUSE(sb_jacobian(net, &x, SB_Z, SB_Z, 1, NULL, &blocks, &error));
  REFUSE(sb_jacobian(net, &x, SB_Z, SB_Z, 1, out, NULL, &error));
  const int32_t quantities[] = {-1, SB_W, SB_GRAD_Z, 99, INT32_MIN, INT32_MAX};
  for (int i = 0; i < 6; i++) {
    REFUSE_AS(SB_ERROR_VALUE, sb_jacobian(net, &x, quantities[i], SB_Z, 1, out, &blocks, &error));
    REFUSE_AS(SB_ERROR_VALUE, sb_jacobian(net, &x, SB_A, quantities[i], 1, out, &blocks, &error));
  }
  const int64_t layers[] = {-1, 3, INT64_MIN, INT64_MAX};
  for (int i = 0; i < 4; i++) {
    REFUSE_AS(SB_ERROR_VALUE, sb_jacobian(net, &x, SB_A, SB_A, layers[i], out, &blocks, &error));
    REFUSE_AS(SB_ERROR_VALUE, sb_jacobian(net, &x, SB_Z, SB_Z, layers[i], out, &blocks, &error));
  }
  REFUSE_AS(SB_ERROR_VALUE, sb_jacobian(net, &x, SB_Z, SB_Z, 0, out, &blocks, &error));
  REFUSE_AS(SB_ERROR_VALUE, sb_jacobian(net, &x, SB_Z, SB_A, 2, out, &blocks, &error));
  REFUSE_AS(SB_ERROR_SHAPE, sb_jacobian(net, &wide, SB_Z, SB_Z, 1, out, &blocks, &error));
  REFUSE_AS(SB_ERROR_VALUE, sb_jacobian(net, &nan, SB_Z, SB_Z, 1, out, &blocks, &error));

  REFUSE(sb_input_gradient(NULL, &x, &y, NULL, 0, out, &blocks, &error));
  REFUSE(sb_input_gradient(net, &x, NULL, NULL, 0, out, &blocks, &error));
  REFUSE(sb_input_gradient(net, &x, &y, NULL, 0, NULL, &blocks, &error));
  REFUSE_AS(SB_ERROR_SHAPE, sb_input_gradient(net, &x, &y, &w, 0, out, &blocks, &error));
  REFUSE(sb_gradient_norms(net, NULL, &y, 0, out, &blocks, &error));
  REFUSE(sb_gradient_norms(net, &x, NULL, 0, out, &blocks, &error));
  REFUSE_AS(SB_ERROR_SHAPE, sb_gradient_norms(net, &x, &wide, 1, out, &blocks, &error));
  REFUSE(sb_hvp(net, &x, &y, NULL, NULL, out, &blocks, &error));
  REFUSE(sb_hvp(net, &x, &y, NULL, &v, NULL, &blocks, &error));
  REFUSE(sb_hvp(NULL, &x, &y, NULL, &v, out, &blocks, &error));
  REFUSE_AS(SB_ERROR_SHAPE, sb_hvp(net, &x, &y, NULL, &w, out, &blocks, &error));
  v.ndim = 2;
  REFUSE_AS(SB_ERROR_SHAPE, sb_hvp(net, &x, &y, NULL, &v, out, &blocks, &error));
  v.ndim = 1;
  const int64_t rows[] = {-1, 5, INT64_MIN, INT64_MAX};
  for (int i = 0; i < 4; i++) {
    blocks.next = rows[i];
    REFUSE_AS(SB_ERROR_SHAPE, sb_jacobian(net, &x, SB_Z, SB_Z, 1, out, &blocks, &error));
    REFUSE_AS(SB_ERROR_SHAPE, sb_input_gradient(net, &x, &y, NULL, 0, out, &blocks, &error));
    REFUSE_AS(SB_ERROR_SHAPE, sb_gradient_norms(net, &x, &y, 0, out, &blocks, &error));
    REFUSE_AS(SB_ERROR_SHAPE, sb_hvp(net, &x, &y, NULL, &v, out, &blocks, &error));
  }
  const int64_t times[] = {0, INT64_MIN, INT64_MAX};
  for (int i = 0; i < 3; i++) {
    blocks = (sb_block_iterator){0, times[i]};
    ACCEPT(sb_jacobian(net, &x, SB_A, SB_Z, 1, out, &blocks, &error));
    if (blocks.next != 4) {
      printf("an iteration of one block ended at row %lld\n", (long long)blocks.next);
      wrong++;
    }
    // Where nothing is left, nothing is done.
    ACCEPT(sb_jacobian(net, &x, SB_A, SB_Z, 1, out, &blocks, &error));
    blocks.next = 0;
    ACCEPT(sb_hvp(net, &x, &y, NULL, &v, out, &blocks, &error));
    ACCEPT(sb_hvp(net, &x, &y, NULL, &v, out, &blocks, &error));
  }
}

static void fit_wrongly(sb_net *net) {
  static const float zeros[64];
  static const int64_t labels[] = {0, 1, 1, 0};
  const sb_array x = matrix(zeros, 4, 3, SB_FLOAT32), wide = matrix(zeros, 4, 5, SB_FLOAT32),
                 shorter = matrix(zeros, 3, 3, SB_FLOAT32);
  const sb_array y = matrix(labels, 4, 1, SB_INT64);
  const sb_fit_config good = {.x = &x, .y = &y, .epochs = 1, .batch_size = 2};
  sb_fit_config c = good;
  sb_fit *fit = NULL;
  REFUSE(sb_fit_begin(NULL, &good, &fit, &error));
  REFUSE(sb_fit_begin(net, NULL, &fit, &error));
  REFUSE(sb_fit_begin(net, &good, NULL, &error));
  c = good, c.x = NULL;
  REFUSE(sb_fit_begin(net, &c, &fit, &error));
  c = good, c.y = NULL;
  REFUSE(sb_fit_begin(net, &c, &fit, &error));
  c = good, c.x = &wide;
  REFUSE_AS(SB_ERROR_SHAPE, sb_fit_begin(net, &c, &fit, &error));
  c = good, c.x = &shorter;
  REFUSE_AS(SB_ERROR_SHAPE, sb_fit_begin(net, &c, &fit, &error));
  c = good, c.valid_x = &x;
  REFUSE(sb_fit_begin(net, &c, &fit, &error));
  const int64_t numbers[] = {-1, INT64_MIN};
  for (int i = 0; i < 2; i++) {
    c = good, c.epochs = numbers[i];
    REFUSE(sb_fit_begin(net, &c, &fit, &error));
    c = good, c.batch_size = numbers[i] + 1;
    REFUSE(sb_fit_begin(net, &c, &fit, &error));
  }
  sb_progress progress;
  sb_epoch record;
  REFUSE(sb_fit_run(NULL, 1000, &progress, &error));
  REFUSE(sb_fit_epoch(NULL, 0, &record, &error));
  ACCEPT(sb_fit_begin(net, &good, &fit, &error));
  REFUSE(sb_fit_epoch(fit, 0, &record, &error));
  REFUSE(sb_fit_epoch(fit, INT64_MAX, &record, &error));
  REFUSE(sb_fit_run(fit, 1000, NULL, &error));
  do {
    ACCEPT(sb_fit_run(fit, INT64_MIN, &progress, &error));
  } while (!progress.done && wrong == 0);
  ACCEPT(sb_fit_run(fit, 1000, &progress, &error));
  REFUSE(sb_fit_epoch(fit, 1, &record, &error));
  REFUSE(sb_fit_epoch(fit, 0, NULL, &error));
  sb_fit_end(fit);

  sb_evaluation *evaluation = NULL;
  sb_metrics metrics;
  int32_t done = 0;
  REFUSE(sb_evaluation_begin(NULL, &x, &y, NULL, &evaluation, &error));
  REFUSE(sb_evaluation_begin(net, NULL, &y, NULL, &evaluation, &error));
  REFUSE(sb_evaluation_begin(net, &wide, &y, NULL, &evaluation, &error));
  REFUSE(sb_evaluation_begin(net, &x, &y, NULL, NULL, &error));
  REFUSE(sb_evaluation_run(NULL, 1, &done, &error));
  REFUSE(sb_evaluation_set_outputs(NULL, NULL, &error));
  REFUSE(sb_fit_set_outputs(NULL, NULL, &error));
  REFUSE(sb_evaluation_result(NULL, &metrics, &error));
  ACCEPT(sb_evaluation_begin(net, &x, &y, NULL, &evaluation, &error));
  REFUSE_AS(SB_ERROR_ORDER, sb_evaluation_result(evaluation, &metrics, &error));
  sb_evaluation_end(evaluation);
}

// Without a BLAS a net may be made, but what needs products says what is missing.
static void without_blas(void) {
  static const float zeros[12];
  const sb_array x = matrix(zeros, 4, 3, SB_FLOAT32);
  const sb_config c = config();
  float out[8];
  sb_net *net = NULL;
  if (sb_has_blas()) {
    printf("a BLAS is there that nobody has installed\n");
    wrong++;
  }
  if (sb_create_net(&c, &net, &error) == SB_OK) {
    REFUSE_AS(SB_ERROR_BLAS, sb_forward(net, &x, &error));
    REFUSE_AS(SB_ERROR_BLAS, sb_predict(net, &x, 0, 4, out, &error));
    sb_destroy_net(net);
  } else {
    refuse(error.status, SB_ERROR_BLAS, __LINE__, "sb_create_net");
  }
}

int main(int argc, char **argv) {
  sb_net *net = NULL;
  sb_config c = config();
  sb_rule_info info;
  sb_blas nonsense = {.sgemm = nonsense_gemm};
  without_blas();
  REFUSE(sb_set_blas(NULL, &error));
  REFUSE(sb_set_blas(&nonsense, &error));
  without_blas();
  for (int32_t kind = -1; kind <= 4; kind++) {
    const int64_t count = sb_rule_count(kind);
    if ((count > 0) != (kind >= 0 && kind <= 3)) {
      printf("%d rules of kind %d\n", (int)count, (int)kind);
      wrong++;
    }
    REFUSE(sb_rule_at(kind, count < 0 ? 0 : count, &info, &error));
    REFUSE(sb_rule_at(kind, -1, &info, &error));
    REFUSE(sb_rule_at(kind, 0, NULL, &error));
  }
  sb_destroy_net(NULL);
  sb_release_owner(NULL);
  sb_fit_end(NULL);
  sb_evaluation_end(NULL);
  if (argc == 2) {
    load_blas(argv[1]);
    create_wrongly();
    ACCEPT(sb_create_net(&c, &net, &error));
    use_wrongly(net);
    study_wrongly(net);
    fit_wrongly(net);
    sb_net *copy = NULL;
    REFUSE(sb_copy_net(NULL, &copy, &error));
    REFUSE(sb_copy_net(net, NULL, &error));
    sb_destroy_net(net);
  }
  printf("%d refused, %d wrong\n", refused, wrong);
  return wrong != 0;
}
