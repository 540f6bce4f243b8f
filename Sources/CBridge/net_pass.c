// Net: forward, backward, step and predict.
#ifdef SB_PYTHON
#include "shim.h"

// A way to compute a pass, and how many times longer than matrix products it may well take.
typedef struct {
  const char *name;
  int32_t code;
  double effort;
} Method;

static const Method methods[] = {
    {"matrices", SB_MATRICES, 1}, {"vectors", SB_VECTORS, 4}, {"loops", SB_LOOPS, 20}};

// The method that `name` says, matrices by default; NULL with an exception set.
static const Method *find_method(PyObject *name) {
  if (name == NULL) return &methods[0];
  if (!PyUnicode_Check(name)) {
    PyErr_Format(PyExc_TypeError, "method must be a str (matrices, vectors or loops), got %.100R",
                 name);
    return NULL;
  }
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    if (PyUnicode_CompareWithASCIIString(name, methods[i].name) == 0) return &methods[i];
  }
  PyErr_Format(PyExc_ValueError, "unknown method %.100R; allowed: matrices, vectors, loops", name);
  return NULL;
}

PyObject *sb_net_forward(Net *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
  static const char *const names[] = {"X", "copy", "method", "training"};
  PyObject *values[4];
  if (!sb_parse("Network.forward", args, nargs, kwnames, names, 1, 4, values)) return NULL;
  const Method *method = find_method(values[2]);
  if (method == NULL || !sb_is_idle(self)) return NULL;
  int training = values[3] == NULL ? 0 : PyObject_IsTrue(values[3]);
  if (training < 0) return NULL;
  Py_buffer buffer;
  sb_array x;
  if (!sb_take(self, values[0], values[1], "_as_input", &buffer, &x)) return NULL;
  if (!sb_in_place(self->net, &x)) {
    PyBuffer_Release(&buffer);
    PyObject *made = PyObject_CallMethod((PyObject *)self, "_as_input", "OO", values[0],
                                         values[1] == NULL ? Py_None : values[1]);
    if (made == NULL) return NULL;
    bool taken = sb_acquire(made, &buffer, &x);
    Py_DECREF(made);
    if (!taken) {
      PyErr_SetString(PyExc_TypeError, "_as_input made nothing the engine can read");
      return NULL;
    }
  }
  sb_error error = {0};
  sb_question question = {0};
  sb_view view;
  sb_status status;
  do {
    Work work;
    if (!sb_begin_idle(self, method->effort * sb_work(self->net, x.rows), &work)) {
      sb_drop_question(&question);
      PyBuffer_Release(&buffer);
      return NULL;
    }
    sb_expect(self, &question);
    status = sb_forward_by(self->net, &x, method->code, training, &error);
    if (status == SB_OK) {
      Py_buffer old = self->input;
      self->input = buffer;
      buffer = old;
      status = sb_get_view(self->net, SB_A, self->layers, &view, &error);
    }
    sb_end_work(self, work);
  } while (status == SB_ASKS && sb_answer(self, &question));
  if (buffer.obj != NULL) PyBuffer_Release(&buffer);
  if (status == SB_ASKS) return NULL;
  if (status != SB_OK) return sb_raise(self->state, &error);
  return sb_wrap_view(self->state, &view);
}

PyObject *sb_net_backward(Net *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
  static const char *const names[] = {"y", "sample_weight", "accumulate", "copy", "method"};
  PyObject *values[5];
  if (!sb_parse("Network.backward", args, nargs, kwnames, names, 1, 5, values)) return NULL;
  const Method *method = find_method(values[4]);
  if (method == NULL || !sb_is_idle(self)) return NULL;
  int accumulate = values[2] == NULL ? 0 : PyObject_IsTrue(values[2]);
  if (accumulate < 0) return NULL;
  bool weighted = values[1] != NULL && values[1] != Py_None;
  Py_buffer y_buffer, w_buffer;
  sb_array y, w;
  if (!sb_take(self, values[0], values[3], "_as_target", &y_buffer, &y)) return NULL;
  if (weighted && !sb_take(self, values[1], values[3], "_as_weights", &w_buffer, &w)) {
    PyBuffer_Release(&y_buffer);
    return NULL;
  }
  sb_error error = {SB_OK, ""};
  sb_question question = {0};
  sb_status status = SB_OK;
  double loss = 0;
  bool idle;
  do {
    Work work;
    idle = sb_begin_idle(self, 2 * method->effort * sb_work(self->net, y.rows), &work);
    if (!idle) break;
    sb_expect(self, &question);
    status = sb_backward_by(self->net, &y, weighted ? &w : NULL, accumulate, method->code, &loss,
                            &error);
    sb_end_work(self, work);
  } while (status == SB_ASKS && sb_answer(self, &question));
  PyBuffer_Release(&y_buffer);
  if (weighted) PyBuffer_Release(&w_buffer);
  if (!idle) sb_drop_question(&question);
  if (!idle || status == SB_ASKS) return NULL;
  if (status != SB_OK) return sb_raise(self->state, &error);
  return PyFloat_FromDouble(loss);
}

PyObject *sb_net_step(Net *self, PyObject *Py_UNUSED(unused)) {
  if (!sb_is_idle(self)) return NULL;
  sb_error error = {0};
  // About six operations and as many memory accesses a parameter.
  Work work;
  if (!sb_begin_idle(self, 6.0 * (double)sb_parameter_count(self->net), &work)) return NULL;
  sb_status status = sb_step(self->net, &error);
  sb_end_work(self, work);
  if (status != SB_OK) return sb_raise(self->state, &error);
  Py_RETURN_NONE;
}

PyObject *sb_net_predict(Net *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
  static const char *const names[] = {"X", "copy"};
  PyObject *values[2];
  if (!sb_parse("Network.predict", args, nargs, kwnames, names, 1, 2, values)) return NULL;
  if (!sb_is_ready(self) || sb_is_called_inside(self)) return NULL;
  // Rows that are read while others go through the network come in pieces, one call for each.
  if (!PyObject_CheckBuffer(values[0]) && PyObject_HasAttrString(values[0], "_predict_by")) {
    return PyObject_CallMethod(values[0], "_predict_by", "O", self);
  }
  Py_buffer buffer;
  sb_array x;
  if (!sb_take(self, values[0], values[1], "_as_input", &buffer, &x)) return NULL;
  sb_error error = {0};
  sb_question question = {0};
  sb_view out;
  sb_status status = sb_new_matrix(self->dtype, x.rows, self->outputs, &out, &error);
  if (status != SB_OK) {
    PyBuffer_Release(&buffer);
    return sb_raise(self->state, &error);
  }
  int64_t block = sb_block_rows(self->net);
  bool interrupted = false;
  // At least once, so that an empty X gets its message.
  for (int64_t first = 0; first == 0 || first < x.rows; first += block) {
    int64_t last = first + block < x.rows ? first + block : x.rows;
    do {
      Work work = sb_begin_work(self, sb_work(self->net, last - first));
      sb_expect(self, &question);
      status =
          sb_predict(self->net, &x, first, last, (char *)out.data + first * out.strides[0], &error);
      sb_end_work(self, work);
    } while (status == SB_ASKS && sb_answer(self, &question));
    interrupted = status == SB_OK && last < x.rows && PyErr_CheckSignals() != 0;
    if (status != SB_OK || interrupted) break;
  }
  PyBuffer_Release(&buffer);
  if (status == SB_OK && !interrupted) return sb_wrap_view(self->state, &out);
  sb_release_owner(out.owner);
  return interrupted || status == SB_ASKS ? NULL : sb_raise(self->state, &error);
}

PyObject *sb_net_forward_from(Net *self, PyObject *argument) {
  long long first = PyLong_AsLongLong(argument);
  if (PyErr_Occurred() || !sb_is_idle(self)) return NULL;
  sb_error error = {0};
  Work work;
  if (!sb_begin_idle(self, 1e9, &work)) return NULL;
  sb_status status = sb_forward_from(self->net, first, &error);
  sb_end_work(self, work);
  if (status != SB_OK) return sb_raise(self->state, &error);
  Py_RETURN_NONE;
}
#else
typedef int sb_without_python;
#endif
