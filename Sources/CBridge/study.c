// Derivatives to study: Jacobians, gradients by X, norms per example, Hessian-vector products.
#ifdef SB_PYTHON
#include "shim.h"

#define MAX_ARRAYS 4  // arrays of a call

// What one call of the engine is about.
typedef struct {
  const sb_array *given[MAX_ARRAYS];
  int64_t of, wrt, m;  // of a Jacobian
  int32_t each;        // per_example or per_layer
  void *out;
} Task;

typedef sb_status (*Call)(sb_net *net, const Task *task, sb_block_iterator *blocks,
                          sb_error *error);

// Goes over the rows in slices, with the GIL released for all but short ones; between them
// signals are handled.
static bool go(Net *self, Call call, const Task *task, double flops) {
  if (sb_is_called_inside(self)) return false;
  sb_error error = {0};
  sb_question question = {0};
  sb_block_iterator blocks = {0, SB_SLICE_NS};
  const int64_t rows = task->given[0]->rows;
  bool more = true;
  while (more) {
    Work work = sb_begin_work(self, flops);
    const bool gone = self->net == NULL;  // closed by another thread meanwhile
    if (!gone) {
      sb_expect(self, &question);
      call(self->net, task, &blocks, &error);
    }
    sb_end_work(self, work);
    if (gone) {
      sb_drop_question(&question);
      return sb_is_ready(self);
    }
    if (error.status == SB_ASKS) {
      if (!sb_answer(self, &question)) return false;
      error.status = SB_OK;
      continue;
    }
    if (error.status != SB_OK) {
      sb_raise(self->state, &error);
      return false;
    }
    more = blocks.next < rows;
    if (more && PyErr_CheckSignals() != 0) return false;
  }
  return true;
}

// The result [rows, cols] of `call` on the first `count` of `args`; with rows < 0 as many rows
// as X has. `passes`: its work in forward passes.
static PyObject *study(Net *self, PyObject *const *args, int count, Call call, Task *task,
                       int64_t rows, int64_t cols, double passes) {
  Py_buffer buffers[MAX_ARRAYS] = {{0}};
  sb_array arrays[MAX_ARRAYS];
  sb_view out = {0};
  PyObject *result = NULL;
  sb_error error = {0};
  if (!sb_acquire_all(args, count, buffers, arrays, task->given)) goto done;
  if (task->given[0] == NULL) {
    PyErr_SetString(PyExc_TypeError, "X must be an array, got None");
    goto done;
  }
  if (rows < 0) rows = arrays[0].rows;
  if (sb_new_matrix(self->dtype, rows, cols, &out, &error) != SB_OK) {
    sb_raise(self->state, &error);
    goto done;
  }
  task->out = out.data;
  if (!go(self, call, task, passes * sb_work(self->net, arrays[0].rows))) goto done;
  result = sb_wrap_view(self->state, &out);
  out.owner = NULL;
done:
  sb_release_owner(out.owner);
  sb_release_all(buffers, count);
  return result;
}

static bool takes(const char *name, Py_ssize_t given, Py_ssize_t count) {
  if (given == count) return true;
  PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments but %zd were given", name, count, given);
  return false;
}

static sb_status jacobian(sb_net *net, const Task *task, sb_block_iterator *blocks,
                          sb_error *error) {
  return sb_jacobian(net, task->given[0], (int32_t)task->of, (int32_t)task->wrt, task->m, task->out,
                     blocks, error);
}

PyObject *sb_net_jacobian(Net *self, PyObject *const *args, Py_ssize_t nargs) {
  if (!takes("_jacobian", nargs, 4) || !sb_is_ready(self)) return NULL;
  Task task = {0};
  if (!sb_read_long(args[1], &task.of) || !sb_read_long(args[2], &task.wrt) ||
      !sb_read_long(args[3], &task.m)) {
    return NULL;
  }
  const int64_t cols = self->outputs * sb_layer_size(self->net, task.m);
  return study(self, args, 1, jacobian, &task, -1, cols, 1 + (double)self->outputs);
}

static sb_status input_gradient(sb_net *net, const Task *task, sb_block_iterator *blocks,
                                sb_error *error) {
  return sb_input_gradient(net, task->given[0], task->given[1], task->given[2], task->each,
                           task->out, blocks, error);
}

PyObject *sb_net_input_gradient(Net *self, PyObject *const *args, Py_ssize_t nargs) {
  if (!takes("_input_gradient", nargs, 4) || !sb_is_ready(self)) return NULL;
  Task task = {0};
  task.each = PyObject_IsTrue(args[3]);
  if (task.each < 0) return NULL;
  return study(self, args, 3, input_gradient, &task, -1, sb_layer_size(self->net, 0), 2);
}

static sb_status gradient_norms(sb_net *net, const Task *task, sb_block_iterator *blocks,
                                sb_error *error) {
  return sb_gradient_norms(net, task->given[0], task->given[1], task->each, task->out, blocks,
                           error);
}

PyObject *sb_net_gradient_norms(Net *self, PyObject *const *args, Py_ssize_t nargs) {
  if (!takes("_gradient_norms", nargs, 3) || !sb_is_ready(self)) return NULL;
  Task task = {0};
  task.each = PyObject_IsTrue(args[2]);
  if (task.each < 0) return NULL;
  return study(self, args, 2, gradient_norms, &task, -1, task.each ? self->layers : 1, 2);
}

static sb_status hvp(sb_net *net, const Task *task, sb_block_iterator *blocks, sb_error *error) {
  return sb_hvp(net, task->given[0], task->given[1], task->given[2], task->given[3], task->out,
                blocks, error);
}

PyObject *sb_net_hvp(Net *self, PyObject *const *args, Py_ssize_t nargs) {
  if (!takes("_hvp", nargs, 4) || !sb_is_ready(self)) return NULL;
  Task task = {0};
  return study(self, args, 4, hvp, &task, sb_parameter_count(self->net), 1, 8);
}
#else
typedef int sb_without_python;
#endif
