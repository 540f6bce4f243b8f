// Net: what can be looked at and set in a network.
#ifdef SB_PYTHON
#include "shim.h"

PyObject *sb_net_release(Net *self, PyObject *Py_UNUSED(unused)) {
  if (!sb_is_ready(self)) return NULL;
  Work work = sb_begin_work(self, 0);
  sb_release_input(self->net);
  Py_buffer old = self->input;
  self->input.obj = NULL;
  sb_end_work(self, work);
  if (old.obj != NULL) PyBuffer_Release(&old);
  Py_RETURN_NONE;
}

PyObject *sb_net_input(Net *self, PyObject *Py_UNUSED(unused)) {
  PyObject *obj = self->input.obj == NULL ? Py_None : self->input.obj;
  return Py_NewRef(obj);
}

PyObject *sb_net_in_place(Net *self, PyObject *obj) {
  if (!sb_is_ready(self)) return NULL;
  Py_buffer buffer;
  sb_array x;
  if (!sb_acquire(obj, &buffer, &x)) Py_RETURN_FALSE;
  int fits = sb_in_place(self->net, &x);
  PyBuffer_Release(&buffer);
  return PyBool_FromLong(fits);
}

PyObject *sb_net_reset(Net *self, PyObject *argument) {
  unsigned long long seed = PyLong_AsUnsignedLongLong(argument);
  if (PyErr_Occurred() || !sb_is_idle(self)) return NULL;
  sb_error error = {0};
  Work work;
  if (!sb_begin_idle(self, 20.0 * (double)sb_parameter_count(self->net), &work)) return NULL;
  sb_status status = sb_reset(self->net, seed, &error);
  sb_end_work(self, work);
  if (status != SB_OK) return sb_raise(self->state, &error);
  return sb_net_release(self, NULL);
}

PyObject *sb_net_view(Net *self, PyObject *args) {
  int what;
  long long m;
  if (!PyArg_ParseTuple(args, "iL", &what, &m) || !sb_is_ready(self)) return NULL;
  sb_error error = {0};
  sb_view view;
  // grad_a(0) is a matrix product, made when it is asked for.
  Work work = sb_begin_work(self, what == SB_GRAD_A && m == 0 ? 1e9 : 0);
  sb_status status = sb_get_view(self->net, what, m, &view, &error);
  sb_end_work(self, work);
  if (status != SB_OK) return sb_raise(self->state, &error);
  return sb_wrap_view(self->state, &view);
}

PyObject *sb_net_option(Net *self, PyObject *argument) {
  long option = PyLong_AsLong(argument);
  if (PyErr_Occurred() || !sb_is_ready(self)) return NULL;
  sb_error error = {0};
  double value = 0;
  Work work = sb_begin_work(self, 0);
  sb_status status = sb_get_option(self->net, (int32_t)option, &value, &error);
  sb_end_work(self, work);
  if (status != SB_OK) return sb_raise(self->state, &error);
  return PyFloat_FromDouble(value);
}

PyObject *sb_net_set_option(Net *self, PyObject *args) {
  int option;
  double value;
  if (!PyArg_ParseTuple(args, "id", &option, &value) || !sb_is_ready(self)) return NULL;
  sb_error error = {0};
  Work work = sb_begin_work(self, 0);
  sb_status status = sb_set_option(self->net, option, value, &error);
  sb_end_work(self, work);
  if (status != SB_OK) return sb_raise(self->state, &error);
  Py_RETURN_NONE;
}

PyObject *sb_net_generator(Net *self, PyObject *Py_UNUSED(unused)) {
  if (!sb_is_ready(self)) return NULL;
  uint64_t s[4] = {0};
  Work work = sb_begin_work(self, 0);
  sb_get_generator(self->net, s);
  sb_end_work(self, work);
  return Py_BuildValue("KKKK", (unsigned long long)s[0], (unsigned long long)s[1],
                       (unsigned long long)s[2], (unsigned long long)s[3]);
}

PyObject *sb_net_set_generator(Net *self, PyObject *argument) {
  unsigned long long s[4];
  if (!PyTuple_Check(argument) || !PyArg_ParseTuple(argument, "KKKK", &s[0], &s[1], &s[2], &s[3])) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_TypeError, "a state must be a tuple of four numbers");
    return NULL;
  }
  if (!sb_is_idle(self)) return NULL;
  uint64_t state[4] = {s[0], s[1], s[2], s[3]};
  sb_error error = {0};
  Work work = sb_begin_work(self, 0);
  sb_status status = sb_set_generator(self->net, state, &error);
  sb_end_work(self, work);
  if (status != SB_OK) return sb_raise(self->state, &error);
  Py_RETURN_NONE;
}

PyObject *sb_net_draw_order(Net *self, PyObject *argument) {
  if (!sb_is_idle(self)) return NULL;
  Py_buffer order;
  if (PyObject_GetBuffer(argument, &order, PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS) != 0) return NULL;
  sb_error error = {0};
  sb_status status = SB_ERROR_TYPE;
  if (order.itemsize == sizeof(int32_t)) {
    Work work = sb_begin_work(self, 1e9);
    status = sb_draw_order(self->net, order.buf, order.len / order.itemsize, &error);
    sb_end_work(self, work);
  } else {
    PyErr_SetString(PyExc_TypeError, "an order must be an array of int32");
  }
  PyBuffer_Release(&order);
  if (PyErr_Occurred()) return NULL;
  if (status != SB_OK) return sb_raise(self->state, &error);
  Py_RETURN_NONE;
}

PyObject *sb_net_work(Net *self, PyObject *argument) {
  long long rows = PyLong_AsLongLong(argument);
  if (PyErr_Occurred() || !sb_is_ready(self)) return NULL;
  return PyFloat_FromDouble(sb_work(self->net, rows));
}

PyObject *sb_net_plan(Net *self, PyObject *args) {
  long long rows;
  int threads;
  if (!PyArg_ParseTuple(args, "Li", &rows, &threads) || !sb_is_ready(self)) return NULL;
  return PyLong_FromLong(sb_plan(self->net, rows, threads));
}

PyObject *sb_net_maker(Net *self, PyObject *args) {
  int quantity, m, threads;
  long long rows;
  if (!PyArg_ParseTuple(args, "iiLi", &quantity, &m, &rows, &threads) || !sb_is_ready(self)) {
    return NULL;
  }
  // What factors are rounded to is among what derivatives to study change for a while.
  Work work = sb_begin_work(self, 0);
  int32_t maker = sb_maker(self->net, quantity, m, rows, threads);
  sb_end_work(self, work);
  return PyLong_FromLong(maker);
}

PyObject *sb_net_slot_count(Net *self, PyObject *Py_UNUSED(unused)) {
  if (!sb_is_ready(self)) return NULL;
  return PyLong_FromLongLong(sb_slot_count(self->net));
}
#else
typedef int sb_without_python;
#endif
