// Counts the operations in matrix products that derivatives cost, beside those of a forward
// and a backward pass.
//
//     products <path of a CBLAS library with 32-bit integers>
//
// Prints one line per network and call, and ends with 0 when none costs more than it may.

#include "program.h"

#define ROWS 40
#define MAX_SIZE 100

static sb_blas real;
static int64_t operations;
static int wrong;

static void counting_dgemm(int order, int ta, int tb, int m, int n, int k, double alpha,
                           const double *a, int lda, const double *b, int ldb, double beta,
                           double *c, int ldc) {
  operations += 2LL * m * n * k;
  real.dgemm(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

// The operations since the last call.
static int64_t counted(void) {
  const int64_t result = operations;
  operations = 0;
  return result;
}

static void report(const char *what, int64_t cost, int64_t limit) {
  printf("%s: %lld of %lld\n", what, (long long)cost, (long long)limit);
  wrong += cost <= 0 || cost > limit;
}

static void measure(int64_t layers, const int64_t *sizes) {
  static double numbers[MAX_SIZE * MAX_SIZE * MAX_SIZE];
  static double out[MAX_SIZE * MAX_SIZE * MAX_SIZE];
  const sb_rule hidden = {"tanh", NULL}, last = {"sigmoid", NULL}, start = {"zeros", NULL};
  sb_rule activations[8], initializers[8];
  for (int64_t m = 0; m < layers; m++) {
    activations[m] = m == layers - 1 ? last : hidden;
    initializers[m] = start;
  }
  const sb_config config = {
      .sizes = sizes,
      .layers = layers,
      .activations = activations,
      .initializers = initializers,
      .loss = {"squared_error", NULL},
      .optimizer = {"sgd", NULL},
      .dtype = SB_FLOAT64,
  };
  sb_net *net = NULL;
  check(sb_create_net(&config, &net, &error), "sb_create_net");
  const int64_t outputs = sizes[layers];
  const sb_array x = matrix(numbers, ROWS, sizes[0], SB_FLOAT64);
  const sb_array t = matrix(numbers, ROWS, outputs, SB_FLOAT64);
  const sb_array v = {numbers, sb_parameter_count(net), 1, 8, 8, SB_FLOAT64, 1, 0, 0};
  (void)counted();
  check(sb_forward(net, &x, &error), "sb_forward");
  const int64_t forward = counted();
  check(sb_backward(net, &t, NULL, 0, NULL, &error), "sb_backward");
  const int64_t backward = counted();
  printf("%lld layers, %lld outputs\n", (long long)layers, (long long)outputs);

  for (int64_t m = 0; m <= layers; m++) {
    sb_block_iterator blocks = {0, INT64_MAX};
    check(sb_jacobian(net, &x, SB_A, SB_A, m, out, &blocks, &error), "sb_jacobian");
    report("jacobian", counted(), (outputs + 1) * backward);
  }
  sb_block_iterator blocks = {0, INT64_MAX};
  check(sb_input_gradient(net, &x, &t, NULL, 0, out, &blocks, &error), "sb_input_gradient");
  report("input_gradient", counted(), 2 * forward);
  blocks.next = 0;
  check(sb_gradient_norms(net, &x, &t, 1, out, &blocks, &error), "sb_gradient_norms");
  report("gradient_norms", counted(), forward + backward);
  blocks.next = 0;
  check(sb_hvp(net, &x, &t, NULL, &v, out, &blocks, &error), "sb_hvp");
  report("hvp", counted(), 3 * (forward + backward));
  sb_destroy_net(net);
}

int main(int argc, char **argv) {
  if (argc < 2) {
    return 1;
  }
  real = open_blas(argv[1]);
  sb_blas counting = real;
  counting.dgemm = counting_dgemm;
  check(sb_set_blas(&counting, &error), "sb_set_blas");
  measure(1, (const int64_t[]){20, 7});
  measure(3, (const int64_t[]){20, 30, 25, 1});
  measure(3, (const int64_t[]){20, 30, 25, 7});
  measure(6, (const int64_t[]){50, 50, 50, 50, 50, 50, 50});
  printf("%d wrong\n", wrong);
  return wrong != 0;
}
