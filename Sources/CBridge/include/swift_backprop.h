// The C contract of swiftbackprop: every entry point of the engine, no Python in it.
//
// Shapes are written [rows, cols]. Layers are numbered m = 1..L, layer 0 is the input.
// D(m) is the width of layer m, N the number of rows (examples) of a batch.
//
// Every fallible function returns a status; when it is not SB_OK and `error` is not
// NULL, `error` (owned by the caller) holds the same status and a sentence for a person.
// No function exits, prints, calls back or keeps a pointer unless it says so.
// A net is not thread-safe: the caller serialises the calls on one net. Different
// nets may be used from different threads.
#ifndef SWIFT_BACKPROP_H
#define SWIFT_BACKPROP_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Raised whenever a struct or a signature below changes.
#define SB_ABI_VERSION 8

// ---------------------------------------------------------------- status and errors

typedef int32_t sb_status;

#define SB_OK 0
#define SB_ERROR_SHAPE 1     // a size that does not fit the network
#define SB_ERROR_VALUE 2     // a value outside its domain, an unknown name, NaN
#define SB_ERROR_TYPE 3      // an element type that cannot be used here
#define SB_ERROR_ORDER 4     // calls in the wrong order
#define SB_ERROR_MEMORY 5    // not enough memory
#define SB_ERROR_BLAS 6      // no BLAS, or one that gives wrong answers
#define SB_ERROR_DIVERGED 7  // NaN or infinity arose in the computation
#define SB_ERROR_COPY 8      // the array cannot be used where it lies
#define SB_ASKS 9            // no error: the caller is asked for numbers, see sb_question

#define SB_MESSAGE_SIZE 1024

typedef struct sb_error {
  sb_status status;
  char message[SB_MESSAGE_SIZE];  // UTF-8, ends with a zero byte
} sb_error;

// ---------------------------------------------------------------- arrays

#define SB_FLOAT32 0
#define SB_FLOAT64 1
#define SB_FLOAT16 2
#define SB_INT8 3
#define SB_INT16 4
#define SB_INT32 5
#define SB_INT64 6
#define SB_UINT8 7
#define SB_UINT16 8
#define SB_UINT32 9
#define SB_UINT64 10
#define SB_BOOL 11
#define SB_LONG_DOUBLE 12

// A matrix that the caller owns. Element (i, j) is at data + i*row_stride + j*col_stride
// bytes. The engine reads it and never writes it.
typedef struct sb_array {
  const void *data;
  int64_t rows;
  int64_t cols;
  int64_t row_stride;  // bytes, may be 0 or negative
  int64_t col_stride;  // bytes, may be 0 or negative
  int32_t dtype;       // SB_FLOAT32 ...
  int32_t ndim;        // 1 (cols is 1) or 2
  int32_t swapped;     // 1: the bytes of every element are in the other byte order
  int32_t reserved;
} sb_array;

// A matrix or a vector in the engine's memory, valid until sb_release_owner(owner).
typedef struct sb_owner sb_owner;
typedef struct sb_view {
  void *data;
  int64_t shape[2];
  int64_t strides[2];  // bytes
  int32_t ndim;
  int32_t dtype;  // SB_FLOAT32 or SB_FLOAT64
  int32_t readonly;
  int32_t reserved;
  sb_owner *owner;  // owned by the caller: give it back with sb_release_owner
} sb_view;

// ---------------------------------------------------------------- BLAS

// The CBLAS functions the engine calls (32-bit integers, enums as int). The two thread
// functions may be NULL: then the library's own thread count is left alone.
typedef struct sb_blas {
  void (*sgemm)(int order, int transa, int transb, int m, int n, int k, float alpha, const float *a,
                int lda, const float *b, int ldb, float beta, float *c, int ldc);
  void (*dgemm)(int order, int transa, int transb, int m, int n, int k, double alpha,
                const double *a, int lda, const double *b, int ldb, double beta, double *c,
                int ldc);
  int (*get_num_threads)(void);
  void (*set_num_threads)(int n);
} sb_blas;

// Installs the table for the whole process; it is copied. Each product is tried on a
// known answer first; a wrong one is SB_ERROR_BLAS, and so is a second table: call it once,
// before the first net.
sb_status sb_set_blas(const sb_blas *blas, sb_error *error);

// 1 when a table is installed.
int32_t sb_has_blas(void);

// ---------------------------------------------------------------- versions

int32_t sb_abi_version(void);  // SB_ABI_VERSION the engine was built with

// The highest instruction-set level this CPU has: 1 (x86-64 baseline, or another
// architecture), 3 (x86-64-v3) or 4 (x86-64-v4).
int32_t sb_cpu_level(void);

// The level this engine was compiled for.
int32_t sb_engine_level(void);

// ---------------------------------------------------------------- rules

#define SB_ACTIVATION 0
#define SB_LOSS 1
#define SB_OPTIMIZER 2
#define SB_INITIALIZER 3

#define SB_MAX_PARAMETERS 6

// What the engine knows of a rule. The strings live as long as the process.
typedef struct sb_rule_info {
  const char *name;                 // "leaky_relu"
  const char *title;                // "LeakyReLU": the name a class would have
  const char *formula;              // one line, ASCII
  const char *canonical_output;     // of a loss: its default output activation; else ""
  const char *default_initializer;  // of an activation; else ""
  int32_t parameter_count;
  int32_t flags;  // SB_RULE_...
  const char *parameter_names[SB_MAX_PARAMETERS];
  double parameter_defaults[SB_MAX_PARAMETERS];
} sb_rule_info;

#define SB_RULE_KINK 1          // not differentiable somewhere
#define SB_RULE_ROWS 2          // acts on whole rows (softmax)
#define SB_RULE_CLASSES 4       // a loss of class labels: accuracy is its metric
#define SB_RULE_CLIPS 8         // a loss that clips its argument
#define SB_RULE_PROBABILITY 16  // activation with outputs in [0, 1]
#define SB_RULE_POSITIVE 32     // activation with outputs >= 0
#define SB_RULE_FUSED 64        // a loss computed from z on its canonical output: grad_z is a - t
#define SB_RULE_EXTERNAL 128    // a function of the caller's; in no list of rules

int64_t sb_rule_count(int32_t kind);
sb_status sb_rule_at(int32_t kind, int64_t index, sb_rule_info *info, sb_error *error);

// A rule by name, with its parameters in the order of sb_rule_info or NULL for defaults.
typedef struct sb_rule {
  const char *name;
  const double *parameters;
} sb_rule;

// Applies an activation to x [rows, cols], dense, of `dtype`, into `out` [rows, cols], elsewhere:
// order 0 the value, 1 the derivative, 2 the second derivative, elementwise. For
// softmax only order 0.
sb_status sb_apply_activation(const sb_rule *rule, int32_t order, int32_t dtype, const void *x,
                              void *out, int64_t rows, int64_t cols, sb_error *error);

// Applies a loss elementwise to a and t (`count` elements of `dtype`): order 0 the
// value, 1 the derivative by a, 2 the second derivative by a.
sb_status sb_apply_loss(const sb_rule *rule, int32_t order, int32_t dtype, const void *a,
                        const void *t, void *out, int64_t count, sb_error *error);

// ---------------------------------------------------------------- nets

typedef struct sb_net sb_net;

// How a layer is normalised: its z before the activation, or `after` it what it gave. Batch
// norm takes mean and variance of each unit over the rows of a batch in training, and running
// means of these, with `momentum`, in evaluation; layer norm those of each row over the units.
#define SB_NORM_NONE 0
#define SB_NORM_BATCH 1
#define SB_NORM_LAYER 2
typedef struct sb_norm {
  int32_t kind;
  int32_t after;
  double epsilon;   // added to the variance, in (0, 1]
  double momentum;  // of the running statistics, in [0, 1]; batch norm alone
} sb_norm;

typedef struct sb_config {
  const int64_t *sizes;         // [layers + 1]: D(0), ..., D(L)
  int64_t layers;               // L
  const sb_rule *activations;   // [layers]
  const sb_rule *initializers;  // [layers]
  const sb_norm *norms;         // NULL, or [layers]
  sb_rule loss;
  sb_rule optimizer;
  double l1;         // added to the gradient of W: l1 * sign(W)
  double l2;         // added to the gradient of W: l2 * W
  double clip_norm;  // the gradient's norm is limited to this; 0: no limit
  uint64_t seed;
  int32_t dtype;  // SB_FLOAT32 or SB_FLOAT64
  int32_t reserved;
} sb_config;

// Makes a net with initial weights; the caller owns it and ends it with sb_destroy_net.
// Everything in `config` is copied.
sb_status sb_create_net(const sb_config *config, sb_net **net, sb_error *error);

// Makes an independent copy: weights, gradients, optimizer and generator state. The
// caller owns it.
sb_status sb_copy_net(const sb_net *net, sb_net **copy, sb_error *error);

// Ends a net. Views of it stay valid until they are released. NULL is allowed.
void sb_destroy_net(sb_net *net);

// Draws new initial weights and clears gradients and optimizer state.
sb_status sb_reset(sb_net *net, uint64_t seed, sb_error *error);

// z(m) = W(m) a(m-1) + b(m), a(m) = sigma(z(m)) for m = 1..L, on x [N, D(0)].
// x must be usable in place (else SB_ERROR_COPY) and is kept, not copied, until the next
// sb_forward that returns SB_OK, sb_release_input, sb_reset or sb_destroy_net.
sb_status sb_forward(sb_net *net, const sb_array *x, sb_error *error);

// 1 if sb_forward, on this net, can use x where it lies, else 0.
int32_t sb_in_place(const sb_net *net, const sb_array *x);

// Forgets the input of the last sb_forward; sb_backward then needs a new one.
void sb_release_input(sb_net *net);

// The gradients of C for the last sb_forward. y: [N, D(L)], or one column of class
// indices or values [N, 1]; weights: NULL or [N, 1]. accumulate != 0 adds to grad_W and
// grad_b instead of replacing them. *loss receives C.
sb_status sb_backward(sb_net *net, const sb_array *y, const sb_array *weights, int32_t accumulate,
                      double *loss, sb_error *error);

// The same two by another method. The numbers agree up to rounding; so do checks and errors,
// and a pass may go forward by one method and backward by another.
#define SB_MATRICES 0  // the whole batch by matrix products, on all threads: as above
#define SB_VECTORS 1   // one example after the other by matrix-vector products, one thread
#define SB_LOOPS 2     // one number after the other in scalar loops, one thread, no BLAS
// training != 0: with dropout, for which the generator draws one number, and with the statistics
// of this batch in batch norm, which its running statistics follow; the backward pass that
// follows uses the same masks and statistics. Both go by SB_MATRICES then.
sb_status sb_forward_by(sb_net *net, const sb_array *x, int32_t method, int32_t training,
                        sb_error *error);
sb_status sb_backward_by(sb_net *net, const sb_array *y, const sb_array *weights,
                         int32_t accumulate, int32_t method, double *loss, sb_error *error);

// z(m) and a(m) of layers m = first..L of the last sb_forward once more, after parameters of these
// layers have changed: in the same memory, so views of it change. For nets without normalised
// layers and functions of the caller's.
sb_status sb_forward_from(sb_net *net, int64_t first, sb_error *error);

// One update of every W and b from the gradients. The gradients stay as they are.
sb_status sb_step(sb_net *net, sb_error *error);

// ---------------------------------------------------------------- functions of the caller's

// A net may have activations and a loss that the engine does not know: rules of the name
// SB_EXTERNAL; of such a loss the one parameter is 1 if accuracy is its metric, else 0. Then
// sb_forward, sb_backward, sb_predict, sb_jacobian, sb_input_gradient, sb_gradient_norms, sb_hvp,
// sb_evaluation_run and sb_fit_run, and the first two by SB_MATRICES, stop wherever they need its
// numbers: they return SB_ASKS and fill the caller's sb_question. The caller writes the answer to
// where it belongs, sets `answered` and makes the same call again, with the same arguments; it
// goes on from where it stopped. Without `answered` it asks the same again.
#define SB_EXTERNAL "external"
typedef struct sb_state sb_state;
typedef struct sb_question {
  int32_t kind;      // SB_ACTIVATION, SB_LOSS or, in training by several processes, SB_REDUCTION
  int32_t order;     // 0: the value, 1: the derivative, 2: the second derivative
  int64_t layer;     // m; L for the loss
  int32_t answered;  // to be set by the caller
  int32_t reserved;
  sb_view x;        // [N, D(m)], read-only: what the activation takes in, or a(L) for the loss
  sb_view t;        // [N, D(L)], read-only: the targets, for the loss alone
  sb_view answer;   // [N, D(m)]: activation(x) or a derivative of it, number by number; may be the
                    // memory of x. Loss of order 0: [N], the cost of each row; of order 1: its
                    // derivatives by a(L). Weights of rows and the mean are the engine's.
  sb_state *state;  // of the call that asks; NULL at first
} sb_question;

// Takes `question` for all calls on this net that follow; NULL for none. It is kept, and must be
// zero at first. The owners of its views are the caller's, as those of sb_get_view: they keep the
// memory, whose numbers may change with the next call.
sb_status sb_set_question(sb_net *net, sb_question *question, sb_error *error);

// Gives up the call that asks, and the owners of the views that are not NULL.
void sb_drop_question(sb_question *question);

// ---------------------------------------------------------------- looking inside

#define SB_PARAMETERS 0  // live, [P]
#define SB_GRADIENTS 1   // live, [P]
#define SB_W 2           // live, [D(m), D(m-1)], Fortran order
#define SB_B 3           // live, [D(m)]
#define SB_GRAD_W 4      // live, [D(m), D(m-1)], Fortran order
#define SB_GRAD_B 5      // live, [D(m)]
#define SB_Z 6           // snapshot, [N, D(m)]
#define SB_A 7           // snapshot, [N, D(m)], m = 1..L
#define SB_GRAD_Z 8      // snapshot, [N, D(m)]
#define SB_GRAD_A 9      // snapshot, [N, D(m)], m = 0..L
#define SB_MASK \
  11                        // snapshot, [N, D(m)]: what dropout multiplied a(m) with, in the last
                            // sb_forward_by in training mode
#define SB_GAMMA 12         // live, [D(m)], of a normalised layer, as all that follow
#define SB_BETA 13          // live, [D(m)]
#define SB_GRAD_GAMMA 14    // live, [D(m)]
#define SB_GRAD_BETA 15     // live, [D(m)]
#define SB_RUNNING_MEAN 16  // live, [D(m)], of batch norm
#define SB_RUNNING_VAR 17   // live, [D(m)], of batch norm
#define SB_U \
  18                // snapshot, [N, D(m)]: gamma * unit + beta before the activation, or
                    // what it gave, of a layer that is normalised after it
#define SB_SLOT 10  // live, [P]: optimizer state array `layer` = 0, 1, ...

// A view of quantity `what` of layer m (ignored where there is none). Live views show
// later changes and may be written; snapshots are read-only and never change while their
// owner is held. The caller releases view->owner.
sb_status sb_get_view(sb_net *net, int32_t what, int64_t m, sb_view *view, sb_error *error);

// Gives back a view's hold on its memory. Any thread; NULL is allowed.
void sb_release_owner(sb_owner *owner);

// A dense [rows, cols] matrix of the engine's memory, not initialised, writable.
sb_status sb_new_matrix(int32_t dtype, int64_t rows, int64_t cols, sb_view *view, sb_error *error);

int64_t sb_parameter_count(const sb_net *net);
int64_t sb_slot_count(const sb_net *net);

// Options by number. The optimizer's hyperparameters are SB_OPTION_HYPER + their place
// in sb_rule_info (lr is the first).
#define SB_OPTION_L1 0
#define SB_OPTION_L2 1
#define SB_OPTION_CLIP_NORM 2
#define SB_OPTION_STEPS 3  // updates done so far (t of Adam)
// 1: in fit, l1 and l2 are divided by the sum of the weights of the batch
#define SB_OPTION_PENALTY_PER_SAMPLE 8
#define SB_OPTION_MAX_NORM 4     // the limit of the norm of every row of W, after a step; 0: none
#define SB_OPTION_INPUT_SCALE 5  // what integers in X are multiplied with
#define SB_OPTION_PRECISION 6    // what the factors of products are rounded to, of float32 nets
#define SB_PRECISION_FLOAT32 0
#define SB_PRECISION_BF16X3 1  // the sum of three pieces of bfloat16
#define SB_PRECISION_BF16X2 2
#define SB_PRECISION_BFLOAT16 3
#define SB_PRECISION_AUTO 4  // BF16X3 for the products that this CPU makes faster so
#define SB_OPTION_HYPER 16
// Of layer m = 1..L, by adding m:
#define SB_OPTION_DROPOUT (1 << 20)    // the probability to drop a unit, in [0, 1)
#define SB_OPTION_TRAINABLE (1 << 21)  // 0: no step changes W(m) and b(m)
sb_status sb_get_option(const sb_net *net, int32_t option, double *value, sb_error *error);
sb_status sb_set_option(sb_net *net, int32_t option, double value, sb_error *error);

// The generator's state (xoshiro256**), to store and to restore.
void sb_get_generator(const sb_net *net, uint64_t state[4]);
sb_status sb_set_generator(sb_net *net, const uint64_t state[4], sb_error *error);

// Draws the order of `count` rows in the next epoch as sb_fit_run does: order[i] is the row in
// place i. The generator moves on.
sb_status sb_draw_order(sb_net *net, int32_t *order, int64_t count, sb_error *error);

// Rough floating-point operations of a forward pass over n rows.
double sb_work(const sb_net *net, int64_t rows);

// How many threads a training step on `rows` rows is shared by when `threads` are allowed.
// Depends on sizes alone.
int32_t sb_plan(const sb_net *net, int64_t rows, int32_t threads);

// Who makes the product of z(m), grad_a(m) (m < L) or grad_W(m) in such a step: the engine's own
// tiles, or BLAS because ...; -1 if there is no such product. `quantity`: SB_Z, SB_GRAD_A or
// SB_GRAD_W. Depends on sizes and the engine's level alone; with AVX-512 tiles are packed instead
// of the reasons TRANSPOSED, WIDE and LARGE; with AVX2 and on aarch64 small products are not left
// to BLAS because they are TRANSPOSED or NARROW.
#define SB_BY_TILES 0
#define SB_BY_BLAS_BASELINE 1    // this level cannot multiply and add at once
#define SB_BY_BLAS_TRANSPOSED 2  // the second factor lies transposed
#define SB_BY_BLAS_FEW_ROWS 3    // a tile is higher than the first factor
#define SB_BY_BLAS_NARROW 4      // a tile is much wider than the second factor
#define SB_BY_BLAS_WIDE 5        // rows of the second factor are longer than 2 KB
#define SB_BY_BLAS_LARGE 6       // the second factor takes more than 4 MB
#define SB_BY_PACKED_TILES 7     // tiles, once both factors are brought into their order
#define SB_BY_COPIED_TILES 11    // tiles, once a small transposed factor is copied
// Where factors are rounded to bfloat16 (SB_OPTION_PRECISION):
#define SB_BY_TILE_UNIT 8     // the CPU's tiles (AMX)
#define SB_BY_DOT_PRODUCTS 9  // its dot products (AVX512-BF16)
#define SB_BY_EMULATION 10    // products of float32
int32_t sb_maker(const sb_net *net, int32_t quantity, int32_t m, int64_t rows, int32_t threads);

// ---------------------------------------------------------------- whole data sets

// a(L) of rows first..last-1 of x into out [last - first, D(L)], dense, of the net's
// dtype. Any dtype and strides of x; conversion happens by blocks of rows. Nothing is kept.
sb_status sb_predict(sb_net *net, const sb_array *x, int64_t first, int64_t last, void *out,
                     sb_error *error);

// Rows of x that one call of sb_predict should cover to take about 10 ms.
int64_t sb_block_rows(const sb_net *net);

// Sums over data: what evaluation and validation report.
typedef struct sb_metrics {
  double loss;      // C: the weighted mean of the rows' losses
  double accuracy;  // share (weighted) of rows classified right; NaN where it has no sense
  double mse;       // weighted mean over rows and outputs of (a - t)^2
  double mae;       // weighted mean over rows and outputs of |a - t|
  double r2;        // mean over outputs of 1 - residual sum / total sum of squares
} sb_metrics;

typedef struct sb_evaluation sb_evaluation;

// Starts an evaluation; x, y and weights (or NULL) must stay valid until
// sb_evaluation_end. The caller owns *evaluation. It holds the net.
sb_status sb_evaluation_begin(sb_net *net, const sb_array *x, const sb_array *y,
                              const sb_array *weights, sb_evaluation **evaluation, sb_error *error);

// From now on a(L) of every row goes to `outputs` [N, D(L)] too, dense, of the net's dtype, which
// must stay valid until sb_evaluation_end; NULL: nowhere.
sb_status sb_evaluation_set_outputs(sb_evaluation *evaluation, void *outputs, sb_error *error);

// Works for about max_ns nanoseconds (at least one block). *done becomes 1 at the end.
sb_status sb_evaluation_run(sb_evaluation *evaluation, int64_t max_ns, int32_t *done,
                            sb_error *error);

// The result, once done.
sb_status sb_evaluation_result(const sb_evaluation *evaluation, sb_metrics *metrics,
                               sb_error *error);

// Ends an evaluation, done or not. NULL is allowed.
void sb_evaluation_end(sb_evaluation *evaluation);

// ---------------------------------------------------------------- derivatives to study

// Where a call that goes over the rows of x is. Begin with next = 0. Each call works for about
// max_ns nanoseconds (at least one block of rows) and moves `next` on; repeat it with the same
// arguments until next is N, then `out` is complete. What follows keeps no array and changes
// no quantity of the net; `out` is dense, of the net's dtype, and the caller's.
typedef struct sb_block_iterator {
  int64_t next;
  int64_t max_ns;
} sb_block_iterator;

// D(m) for m = 0..L, 0 for any other m.
int64_t sb_layer_size(const sb_net *net, int64_t m);

// The derivatives of a(L) or z(L) (`of`: SB_A or SB_Z) by a(m), m = 0..L, or z(m), m = 1..L
// (`wrt`), for every row of x: out [N, D(L), D(m)].
sb_status sb_jacobian(sb_net *net, const sb_array *x, int32_t of, int32_t wrt, int64_t m, void *out,
                      sb_block_iterator *blocks, sb_error *error);

// The gradient of C by X into out [N, D(0)]; y and weights as in sb_backward. per_example != 0:
// row n is the gradient of its own cost, and weights are not looked at.
sb_status sb_input_gradient(sb_net *net, const sb_array *x, const sb_array *y,
                            const sb_array *weights, int32_t per_example, void *out,
                            sb_block_iterator *blocks, sb_error *error);

// The norm of the gradient of each row's own cost by all W and b, into out [N]; per_layer != 0:
// by W(m) and b(m) of each layer, into out [N, L].
sb_status sb_gradient_norms(sb_net *net, const sb_array *x, const sb_array *y, int32_t per_layer,
                            void *out, sb_block_iterator *blocks, sb_error *error);

// The Hessian of C (by all parameters, without penalties) times v [P], into out [P]. Kinks have
// the second derivative 0.
sb_status sb_hvp(sb_net *net, const sb_array *x, const sb_array *y, const sb_array *weights,
                 const sb_array *v, void *out, sb_block_iterator *blocks, sb_error *error);

// ---------------------------------------------------------------- fit

typedef struct sb_fit sb_fit;

typedef struct sb_fit_config {
  const sb_array *x;  // [N, D(0)]
  const sb_array *y;
  const sb_array *weights;  // NULL or [N, 1]
  const sb_array *valid_x;  // NULL: no validation
  const sb_array *valid_y;
  const sb_array *valid_weights;  // NULL or [n, 1]
  int64_t epochs;
  int64_t batch_size;
  int32_t shuffle;  // 0: no, 1: yes, 2: so that every batch has rows from all parts of x, evenly
  int32_t pause_each_epoch;  // 1: sb_fit_run returns at every epoch's end, 2: at every batch's,
                             // with its gradients
  int64_t total_rows;        // 0, or in training by several processes the rows of all of them
  int64_t first_row;         // then: the place of the first row of x among all
  int32_t processes;         // 0, or how many they are, where `memory` is one file for all of them
  int32_t process;           // then: the number of this one, from 0 on
  int32_t memory;            // the descriptor of that file, which need not stay open
  int32_t leaves_memory;     // 1: between epochs the net is this process' own, to be changed
} sb_fit_config;

// Several processes may train the same net together, each with its own rows: row i of x is row
// first_row + i of total_rows. Batches are of the rows of all, batch_size too, in an order that
// depends on the generator alone; a process computes with the rows that it has, which may be
// none, and likewise of valid_x: all processes have a valid_x or none has. `weights`, if there are
// any, are those of all rows [total_rows, 1], on every process.
//
// Then sb_fit_run, after sb_set_question, stops with SB_ASKS for a sum over the processes. In a
// question of the kind SB_REDUCTION `answer` has the numbers of this process, and is to have their
// sums over all processes, the same bits on each. All processes ask the same in the same order.
// `order` says when:
#define SB_REDUCTION 4
#define SB_REDUCE_NOW 0    // before the answer: float64
#define SB_REDUCE_BEGIN 1  // later: some of the gradients, whose memory must be left alone until
#define SB_REDUCE_END 2    // this question for the same piece, `layer`; it has no `answer`
// As SB_REDUCE_NOW, and answer[0] is 0: whoever adds to it ends sb_fit_run behind this batch, on
// every process. Where the sum in answer[1] is not 0 some process has numbers that overflowed, and
// all return SB_ERROR_DIVERGED.
#define SB_REDUCE_CHECK 3

// Processes of one machine do better with memory in common: `memory` is a file of each process
// that has no name (memfd_create on Linux), the same one for all. While a training works the net
// then lies in it, and what else it takes does too: every process updates a share of W, and only
// small sums are asked for. Nothing that was looked at, by sb_get_view or in an array, moves. Where
// that cannot be (other systems, nets smaller than a page or with norms or functions of the
// caller's, and pause_each_epoch 2) the file is left alone, and gradients are summed as ever.

// What an epoch reports.
typedef struct sb_epoch {
  double loss;       // C, weighted by rows over the epoch's minibatches
  double accuracy;   // NaN where it has no sense
  double penalty;    // l2/2 |W|^2 + l1 |W| at the epoch's end, 0 without; with
                     // SB_OPTION_PENALTY_PER_SAMPLE the mean over the minibatches, as loss
  double seconds;    // time spent in the engine
  sb_metrics valid;  // NaN without validation data
} sb_epoch;

typedef struct sb_progress {
  int64_t epoch;    // epochs ended
  int64_t batch;    // batches of the running epoch done
  int64_t batches;  // batches of an epoch
  double loss;      // running mean of the epoch's loss
  int32_t done;     // 1: every epoch has ended
  int32_t phase;    // 0 checking the data, 1 training, 2 validating
} sb_progress;

// Starts a training session. The arrays (not the sb_array structs) must stay valid until
// sb_fit_end. The caller owns *fit; it holds the net. Weights, optimizer state and
// generator continue from where they are.
sb_status sb_fit_begin(sb_net *net, const sb_fit_config *config, sb_fit **fit, sb_error *error);

// Works for about max_ns nanoseconds (at least one batch) and returns at a batch boundary.
// SB_ERROR_DIVERGED: the bad step was not applied.
sb_status sb_fit_run(sb_fit *fit, int64_t max_ns, sb_progress *progress, sb_error *error);

// Learning rates for the first `count` batches of an epoch, from the next batch on: batch k
// (from 0) of every epoch sets the optimizer's lr to rates[k]. They are copied; 0 of them end
// it. A rate that the optimizer refuses is an error of sb_fit_run.
sb_status sb_fit_set_rates(sb_fit *fit, const double *rates, int64_t count, sb_error *error);

// From now on a(L) of every validation row goes to `outputs` [n, D(L)] too, at every epoch's end,
// dense, of the net's dtype, which must stay valid until sb_fit_end; NULL: nowhere.
sb_status sb_fit_set_outputs(sb_fit *fit, void *outputs, sb_error *error);

// The record of epoch 0..ended-1.
sb_status sb_fit_epoch(const sb_fit *fit, int64_t epoch, sb_epoch *record, sb_error *error);

// Ends a session at any batch boundary; the net keeps what it has learned. NULL is allowed.
void sb_fit_end(sb_fit *fit);

#ifdef __cplusplus
}
#endif

#endif
