// What the methods of Net have in common: arguments, arrays, and whether a call is allowed.
#ifdef SB_PYTHON
#include "shim.h"

static int find_name(PyObject *name, const char *const *names, int total) {
  for (int i = 0; i < total; i++) {
    if (PyUnicode_CompareWithASCIIString(name, names[i]) == 0) return i;
  }
  return -1;
}

// Python knows what other libraries call it; only a call that fails pays for asking.
static void raise_unknown(const char *function, PyObject *name, const char *const *names,
                          int total) {
  PyObject *module = PyImport_ImportModule("swiftbackprop._net.names");
  PyObject *known = module == NULL ? NULL : PyTuple_New(total);
  for (int i = 0; known != NULL && i < total; i++) {
    PyObject *each = PyUnicode_FromString(names[i]);
    if (each == NULL || PyTuple_SetItem(known, i, each) < 0) Py_CLEAR(known);
  }
  PyObject *sentence =
      known == NULL ? NULL
                    : PyObject_CallMethod(module, "unknown_keyword", "sOO", function, name, known);
  if (sentence != NULL) PyErr_SetObject(PyExc_TypeError, sentence);
  Py_XDECREF(sentence);
  Py_XDECREF(known);
  Py_XDECREF(module);
}

bool sb_parse(const char *function, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
              const char *const *names, int positional, int total, PyObject **values) {
  if (nargs > positional) {
    PyErr_Format(PyExc_TypeError, "%s() takes %d positional argument%s but %zd were given",
                 function, positional, positional == 1 ? "" : "s", nargs);
    return false;
  }
  for (int i = 0; i < total; i++) values[i] = i < nargs ? args[i] : NULL;
  Py_ssize_t keywords = kwnames == NULL ? 0 : PyTuple_Size(kwnames);
  for (Py_ssize_t k = 0; k < keywords; k++) {
    PyObject *name = PyTuple_GetItem(kwnames, k);
    int place = find_name(name, names, total);
    if (place < 0) {
      raise_unknown(function, name, names, total);
      return false;
    }
    if (values[place] != NULL) {
      PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'", function, name);
      return false;
    }
    values[place] = args[nargs + k];
  }
  for (int i = 0; i < positional; i++) {
    if (values[i] == NULL) {
      PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional argument: '%s'", function,
                   names[i]);
      return false;
    }
  }
  return true;
}

bool sb_read_long(PyObject *number, int64_t *value) {
  *value = PyLong_AsLongLong(number);
  return *value != -1 || !PyErr_Occurred();
}

static bool read_parameters(PyObject *sequence, double storage[SB_MAX_PARAMETERS]) {
  Py_ssize_t count = PySequence_Size(sequence);
  if (count < 0) return false;
  if (count > SB_MAX_PARAMETERS) {
    PyErr_SetString(PyExc_ValueError, "a rule has at most 6 parameters");
    return false;
  }
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *item = PySequence_GetItem(sequence, i);
    if (item == NULL) return false;
    storage[i] = PyFloat_AsDouble(item);
    Py_DECREF(item);
    if (storage[i] == -1.0 && PyErr_Occurred()) return false;
  }
  return true;
}

bool sb_read_rule(PyObject *pair, sb_rule *rule, double storage[SB_MAX_PARAMETERS]) {
  PyObject *name, *parameters;
  if (!PyTuple_Check(pair) || !PyArg_ParseTuple(pair, "UO", &name, &parameters)) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a rule is (name, parameters)");
    return false;
  }
  // The pair, a tuple, keeps the name, and the caller keeps the pair.
  rule->name = PyUnicode_AsUTF8AndSize(name, NULL);
  if (rule->name == NULL) return false;
  for (int i = 0; i < SB_MAX_PARAMETERS; i++) storage[i] = 0;
  rule->parameters = NULL;
  if (parameters == Py_None) return true;
  rule->parameters = storage;
  return read_parameters(parameters, storage);
}

bool sb_take(Net *self, PyObject *obj, PyObject *copy, const char *hook, Py_buffer *buffer,
             sb_array *array) {
  bool plain = copy == NULL || copy == Py_None;
  // Arrays of other types may mean more than their buffer says, such as a mask.
  PyObject *type = (PyObject *)Py_TYPE(obj);
  bool is_array = type == self->state->ndarray || type == self->state->memmap;
  if (plain && is_array && sb_acquire(obj, buffer, array)) return true;
  PyObject *made = PyObject_CallMethod((PyObject *)self, hook, "OO", obj, plain ? Py_None : copy);
  if (made == NULL) return false;
  bool taken = sb_acquire(made, buffer, array);
  Py_DECREF(made);
  if (!taken) PyErr_Format(PyExc_TypeError, "%s returned no array that the engine can read", hook);
  return taken;
}

bool sb_is_ready(Net *self) {
  if (self->net != NULL) return true;
  PyErr_SetString(PyExc_RuntimeError,
                  self->closed ? "this network was closed: make a new one with sb.Network(...)"
                               : "this network was not made: call Network.__init__ first");
  return false;
}

static void raise_busy(void) {
  PyErr_SetString(PyExc_RuntimeError,
                  "this network is in fit: wait for its end or call stop() first");
}

bool sb_is_idle(Net *self) {
  if (!sb_is_ready(self) || sb_is_called_inside(self)) return false;
  if (self->busy_generation != sb_process_generation()) return true;
  raise_busy();
  return false;
}

bool sb_begin_idle(Net *self, double flops, Work *work) {
  *work = sb_begin_work(self, flops);
  bool gone = self->net == NULL;
  bool busy = self->busy_generation == sb_process_generation();
  if (!gone && !busy) return true;
  // What was seen under the lock is what is said, whatever it is by now.
  sb_end_work(self, *work);
  if (!gone) {
    raise_busy();
  } else if (sb_is_ready(self)) {
    PyErr_SetString(PyExc_RuntimeError, "this network was closed");
  }
  return false;
}
#else
typedef int sb_without_python;
#endif
