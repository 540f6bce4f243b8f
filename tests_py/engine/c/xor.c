// Trains XOR through the C contract alone: no Python in this program.
//
//     xor <path of a CBLAS library with 32-bit integers>
//
// Prints one line per way of training and ends with 0 when every one has learned.
#include <math.h>

#include "program.h"

static sb_net *make_net(int32_t dtype) {
  static const int64_t sizes[] = {2, 8, 1};
  static const sb_rule activations[] = {{"tanh", NULL}, {"sigmoid", NULL}};
  static const sb_rule initializers[] = {{"glorot_uniform", NULL}, {"glorot_uniform", NULL}};
  static const double adam[] = {0.05, 0.9, 0.999, 1e-8};
  sb_config config = {
      .sizes = sizes,
      .layers = 2,
      .activations = activations,
      .initializers = initializers,
      .loss = {"binary_cross_entropy", NULL},
      .optimizer = {"adam", adam},
      .seed = 1,
      .dtype = dtype,
  };
  sb_net *net = NULL;
  check(sb_create_net(&config, &net, &error), "sb_create_net");
  return net;
}

static const float X32[] = {0, 0, 0, 1, 1, 0, 1, 1};
static const double X64[] = {0, 0, 0, 1, 1, 0, 1, 1};
static const float t32[] = {0, 1, 1, 0};
static const double t64[] = {0, 1, 1, 0};

// Whether a(L) is right for the four rows; through sb_predict and through a view.
static int learned(sb_net *net, const sb_array *x, int32_t dtype) {
  union {
    float f[4];
    double d[4];
  } out;
  check(sb_predict(net, x, 0, 4, &out, &error), "sb_predict");
  for (int n = 0; n < 4; n++) {
    const double a = dtype == SB_FLOAT32 ? (double)out.f[n] : out.d[n];
    if ((a > 0.5) != (t64[n] > 0.5)) {
      return 0;
    }
  }
  sb_view view;
  check(sb_forward(net, x, &error), "sb_forward");
  check(sb_get_view(net, SB_A, 2, &view, &error), "sb_get_view");
  const int same = view.shape[0] == 4 && view.shape[1] == 1 && view.readonly;
  sb_release_owner(view.owner);
  return same;
}

static int train_by_steps(int32_t dtype) {
  sb_net *net = make_net(dtype);
  const sb_array x = matrix(dtype == SB_FLOAT32 ? (const void *)X32 : X64, 4, 2, dtype);
  const sb_array t = matrix(dtype == SB_FLOAT32 ? (const void *)t32 : t64, 4, 1, dtype);
  double loss = 0;
  for (int step = 0; step < 500; step++) {
    check(sb_forward(net, &x, &error), "sb_forward");
    check(sb_backward(net, &t, NULL, 0, &loss, &error), "sb_backward");
    check(sb_step(net, &error), "sb_step");
  }
  const int right = learned(net, &x, dtype) && loss < 0.1 && isfinite(loss);
  printf("steps %s loss %.6f %s\n", dtype == SB_FLOAT32 ? "float32" : "float64", loss,
         right ? "learned" : "failed");
  sb_destroy_net(net);
  return right;
}

static int train_by_fit(int32_t dtype) {
  sb_net *net = make_net(dtype);
  const sb_array x = matrix(dtype == SB_FLOAT32 ? (const void *)X32 : X64, 4, 2, dtype);
  const sb_array t = matrix(dtype == SB_FLOAT32 ? (const void *)t32 : t64, 4, 1, dtype);
  const sb_fit_config config = {.x = &x, .y = &t, .epochs = 500, .batch_size = 4, .shuffle = 1};
  sb_fit *fit = NULL;
  check(sb_fit_begin(net, &config, &fit, &error), "sb_fit_begin");
  sb_progress progress = {0};
  while (!progress.done) {
    check(sb_fit_run(fit, 50 * 1000 * 1000, &progress, &error), "sb_fit_run");
  }
  sb_epoch first, last;
  check(sb_fit_epoch(fit, 0, &first, &error), "sb_fit_epoch");
  check(sb_fit_epoch(fit, 499, &last, &error), "sb_fit_epoch");
  sb_fit_end(fit);
  const int right = learned(net, &x, dtype) && last.loss < 0.1 && last.loss < first.loss;
  printf("fit %s loss %.6f %s\n", dtype == SB_FLOAT32 ? "float32" : "float64", last.loss,
         right ? "learned" : "failed");
  sb_destroy_net(net);
  return right;
}

int main(int argc, char **argv) {
  load_blas_of(argc, argv);
  if (sb_abi_version() != SB_ABI_VERSION) {
    fprintf(stderr, "ABI %d, header %d\n", (int)sb_abi_version(), SB_ABI_VERSION);
    return 1;
  }
  int right = 1;
  for (int32_t dtype = SB_FLOAT32; dtype <= SB_FLOAT64; dtype++) {
    right &= train_by_steps(dtype);
    right &= train_by_fit(dtype);
  }
  return !right;
}
