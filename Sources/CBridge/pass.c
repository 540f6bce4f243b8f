// A pass in parts: what Python puts between them are functions of the user's own.
#ifdef SB_PYTHON
#include "shim.h"

PyObject *sb_net_pass_begin(Net *self, PyObject *args) {
  PyObject *obj;
  long long last;
  int training;
  if (!PyArg_ParseTuple(args, "OLp", &obj, &last, &training) || !sb_is_idle(self)) return NULL;
  Py_buffer buffer;
  sb_array x;
  if (!sb_acquire(obj, &buffer, &x)) {
    PyErr_SetString(PyExc_TypeError, "an array the engine cannot read");
    return NULL;
  }
  sb_error error = {0};
  Work work;
  if (!sb_begin_idle(self, sb_work(self->net, x.rows), &work)) {
    PyBuffer_Release(&buffer);
    return NULL;
  }
  sb_status status = sb_pass_begin(self->net, &x, last, training, &error);
  if (status == SB_OK) {
    Py_buffer old = self->input;
    self->input = buffer;
    buffer = old;
  }
  sb_end_work(self, work);
  if (buffer.obj != NULL) PyBuffer_Release(&buffer);
  if (status != SB_OK) return sb_raise(self->state, &error);
  Py_RETURN_NONE;
}

typedef sb_status (*LayerCall)(sb_net *net, int64_t first, int64_t last, sb_error *error);

static PyObject *go(Net *self, PyObject *args, LayerCall part) {
  long long first, last;
  if (!PyArg_ParseTuple(args, "LL", &first, &last)) return NULL;
  sb_error error = {0};
  Work work;
  if (!sb_is_idle(self) || !sb_begin_idle(self, 1e9, &work)) return NULL;
  sb_status status = part(self->net, first, last, &error);
  sb_end_work(self, work);
  if (status != SB_OK) return sb_raise(self->state, &error);
  Py_RETURN_NONE;
}

PyObject *sb_net_pass_forward(Net *self, PyObject *args) { return go(self, args, sb_pass_forward); }

PyObject *sb_net_pass_backward(Net *self, PyObject *args) {
  return go(self, args, sb_pass_backward);
}

PyObject *sb_net_pass_put(Net *self, PyObject *args) {
  int what;
  long long m;
  PyObject *obj;
  if (!PyArg_ParseTuple(args, "iLO", &what, &m, &obj) || !sb_is_idle(self)) return NULL;
  Py_buffer buffer;
  sb_array values;
  if (!sb_acquire(obj, &buffer, &values)) {
    PyErr_SetString(PyExc_TypeError, "an array the engine cannot read");
    return NULL;
  }
  sb_error error = {0};
  sb_status status = SB_OK;
  Work work;
  bool idle = sb_begin_idle(self, 0, &work);
  if (idle) {
    status = sb_pass_put(self->net, what, m, &values, &error);
    sb_end_work(self, work);
  }
  PyBuffer_Release(&buffer);
  if (!idle) return NULL;
  if (status != SB_OK) return sb_raise(self->state, &error);
  Py_RETURN_NONE;
}

PyObject *sb_net_pass_end(Net *self, PyObject *argument) {
  int accumulate = PyObject_IsTrue(argument);
  sb_error error = {0};
  Work work;
  if (accumulate < 0 || !sb_is_idle(self) || !sb_begin_idle(self, 1e9, &work)) return NULL;
  sb_status status = sb_pass_end(self->net, accumulate, &error);
  sb_end_work(self, work);
  if (status != SB_OK) return sb_raise(self->state, &error);
  Py_RETURN_NONE;
}

PyObject *sb_net_pass_forget(Net *self, PyObject *Py_UNUSED(unused)) {
  Work work;
  if (!sb_begin_idle(self, 0, &work)) return NULL;
  sb_pass_forget(self->net);
  Py_buffer old = self->input;
  self->input.obj = NULL;
  sb_end_work(self, work);
  if (old.obj != NULL) PyBuffer_Release(&old);
  Py_RETURN_NONE;
}
#else
typedef int sb_without_python;
#endif
