// The type Net: the engine's network as a Python object.
#ifdef SB_PYTHON
#include "shim.h"

// ---------------------------------------------------------------- life

// The state of the module whose type `type` is or descends from.
static ModuleState *state_of(PyTypeObject *type) {
  while (type != NULL) {
    PyObject *module = PyType_GetModule(type);
    if (module != NULL) return PyModule_GetState(module);
    PyErr_Clear();
    type = (PyTypeObject *)PyType_GetSlot(type, Py_tp_base);
  }
  PyErr_SetString(PyExc_SystemError, "Net without its module");
  return NULL;
}

static PyObject *net_new(PyTypeObject *type, PyObject *Py_UNUSED(args),
                         PyObject *Py_UNUSED(kwargs)) {
  ModuleState *state = state_of(type);
  if (state == NULL) return NULL;
  Net *self = (Net *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
  if (self == NULL) return NULL;
  self->state = state;
  sb_lock_init(self);
  return (PyObject *)self;
}

// Subclasses take any arguments; their __init__ calls _create.
static int net_init(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(args),
                    PyObject *Py_UNUSED(kwargs)) {
  return 0;
}

static void drop_input(Net *self) {
  Py_buffer old = self->input;
  self->input.obj = NULL;
  if (old.obj != NULL) PyBuffer_Release(&old);
}

static void net_dealloc(Net *self) {
  PyTypeObject *type = Py_TYPE((PyObject *)self);
  sb_destroy_net(self->net);
  drop_input(self);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

// ---------------------------------------------------------------- making

// Whether a tuple has `count` items; `what` says of which kind.
static bool has_size(PyObject *tuple, int64_t count, const char *what) {
  if (PyTuple_Size(tuple) == count) return true;
  PyErr_Format(PyExc_ValueError, "expected one %s per layer", what);
  return false;
}

static bool read_rules(PyObject *tuple, int64_t layers, sb_rule *rules,
                       double (*storage)[SB_MAX_PARAMETERS]) {
  if (!has_size(tuple, layers, "rule")) return false;
  for (int64_t m = 0; m < layers; m++) {
    // The tuple keeps the pair, which keeps the name.
    PyObject *pair = PyTuple_GetItem(tuple, (Py_ssize_t)m);
    if (!sb_read_rule(pair, &rules[m], storage[m])) return false;
  }
  return true;
}

static bool read_sizes(PyObject *tuple, int64_t count, int64_t *sizes) {
  for (int64_t m = 0; m < count; m++) {
    sizes[m] = PyLong_AsLongLong(PyTuple_GetItem(tuple, (Py_ssize_t)m));
    if (sizes[m] == -1 && PyErr_Occurred()) return false;
  }
  return true;
}

// One (kind, after, eps, momentum) for every layer.
static bool read_norms(PyObject *tuple, int64_t layers, sb_norm *norms) {
  if (!has_size(tuple, layers, "norm")) return false;
  for (int64_t m = 0; m < layers; m++) {
    PyObject *item = PyTuple_GetItem(tuple, (Py_ssize_t)m);
    if (!PyTuple_Check(item)) {
      PyErr_SetString(PyExc_TypeError, "a norm must be (kind, after, eps, momentum)");
      return false;
    }
    if (!PyArg_ParseTuple(item, "iidd", &norms[m].kind, &norms[m].after, &norms[m].epsilon,
                          &norms[m].momentum)) {
      return false;
    }
  }
  return true;
}

// Whether the engine's net may become that of `self`: asked before it is made and, as other
// threads and what numbers call in Python may have made one meanwhile, after it.
static bool is_unmade(Net *self) {
  if (self->net == NULL && !self->closed) return true;
  PyErr_SetString(PyExc_RuntimeError, "__init__() was already called on this network");
  return false;
}

static PyObject *adopt(Net *self, sb_net *net, int32_t dtype, int64_t layers, int64_t outputs,
                       bool asks) {
  if (!is_unmade(self)) {
    sb_destroy_net(net);
    return NULL;
  }
  self->net = net;
  self->dtype = dtype;
  self->layers = layers;
  self->outputs = outputs;
  self->asks = asks;
  Py_RETURN_NONE;
}

static PyObject *net_create(Net *self, PyObject *args) {
  enum { SIZES, ACTIVATIONS, INITIALIZERS, NORMS, LISTS };
  PyObject *given[LISTS], *lists[LISTS] = {NULL}, *loss, *optimizer;
  const char *dtype;
  sb_config config = {0};
  unsigned long long seed;
  given[NORMS] = Py_None;
  if (!PyArg_ParseTuple(args, "OsOOOOdddK|O", &given[SIZES], &dtype, &given[ACTIVATIONS],
                        &given[INITIALIZERS], &loss, &optimizer, &config.l1, &config.l2,
                        &config.clip_norm, &seed, &given[NORMS]) ||
      !is_unmade(self)) {
    return NULL;
  }
  PyObject *result = NULL;
  double own[2][SB_MAX_PARAMETERS];
  int64_t *numbers = NULL;
  sb_rule *rules = NULL;
  sb_norm *normed = NULL;
  double (*storage)[SB_MAX_PARAMETERS] = NULL;
  // Tuples of our own keep what is read until the net is made.
  for (int k = 0; k < LISTS; k++) {
    bool none = k == NORMS && given[k] == Py_None;
    lists[k] = none ? Py_NewRef(Py_None) : PySequence_Tuple(given[k]);
    if (lists[k] == NULL) goto done;
  }
  Py_ssize_t count = PyTuple_Size(lists[SIZES]);
  if (count < 2 || count > 1 << 20) {
    PyErr_SetString(PyExc_ValueError, "a network needs at least two sizes");
    goto done;
  }
  int64_t layers = count - 1;
  numbers = PyMem_Calloc((size_t)count, sizeof *numbers);
  rules = PyMem_Calloc(2 * (size_t)layers, sizeof *rules);
  normed = PyMem_Calloc((size_t)layers, sizeof *normed);
  storage = PyMem_Calloc(2 * (size_t)layers, sizeof *storage);
  if (numbers == NULL || rules == NULL || storage == NULL || normed == NULL) {
    PyErr_NoMemory();
    goto done;
  }
  bool is_normed = lists[NORMS] != Py_None;
  if (!read_sizes(lists[SIZES], count, numbers) ||
      !read_rules(lists[ACTIVATIONS], layers, rules, storage) ||
      !read_rules(lists[INITIALIZERS], layers, rules + layers, storage + layers) ||
      !sb_read_rule(loss, &config.loss, own[0]) ||
      !sb_read_rule(optimizer, &config.optimizer, own[1]) ||
      (is_normed && !read_norms(lists[NORMS], layers, normed))) {
    goto done;
  }
  bool asks = strcmp(config.loss.name, SB_EXTERNAL) == 0;
  for (int64_t m = 0; m < layers; m++) asks |= strcmp(rules[m].name, SB_EXTERNAL) == 0;
  config.sizes = numbers;
  config.layers = layers;
  config.activations = rules;
  config.initializers = rules + layers;
  config.norms = is_normed ? normed : NULL;
  config.dtype = strcmp(dtype, "float64") == 0 ? SB_FLOAT64 : SB_FLOAT32;
  config.seed = seed;
  sb_error error = {0};
  sb_net *net = NULL;
  Py_BEGIN_ALLOW_THREADS
  sb_create_net(&config, &net, &error);
  Py_END_ALLOW_THREADS
  result = net == NULL ? sb_raise(self->state, &error)
                       : adopt(self, net, config.dtype, layers, numbers[layers], asks);
done:
  for (int k = 0; k < LISTS; k++) Py_XDECREF(lists[k]);
  PyMem_Free(numbers);
  PyMem_Free(rules);
  PyMem_Free(normed);
  PyMem_Free(storage);
  return result;
}

static PyObject *net_copy_from(Net *self, PyObject *argument) {
  if (!PyObject_TypeCheck(argument, (PyTypeObject *)self->state->net_type)) {
    PyErr_SetString(PyExc_TypeError, "_copy_from() takes a network");
    return NULL;
  }
  Net *other = (Net *)argument;
  if (!is_unmade(self)) return NULL;
  sb_error error = {0};
  sb_net *net = NULL;
  bool ready;
  SB_BEGIN_GUARD(other);
  ready = sb_is_ready(other);
  if (ready) {
    Work work = sb_begin_work(other, 4.0 * (double)sb_parameter_count(other->net));
    (void)sb_copy_net(other->net, &net, &error);
    sb_end_work(other, work);
  }
  SB_END_GUARD();
  if (!ready) return NULL;
  if (net == NULL) return sb_raise(self->state, &error);
  return adopt(self, net, other->dtype, other->layers, other->outputs, other->asks);
}

static PyObject *net_close(Net *self, PyObject *Py_UNUSED(unused)) {
  if (self->net != NULL && !sb_is_idle(self)) return NULL;
  Work work = sb_begin_work(self, 0);
  sb_net *net = self->net;
  self->net = NULL;
  self->closed = true;
  sb_end_work(self, work);
  sb_destroy_net(net);
  drop_input(self);
  Py_RETURN_NONE;
}
// ---------------------------------------------------------------- the type

static PyObject *net_busy(Net *self, void *Py_UNUSED(closure)) {
  return PyBool_FromLong(self->busy_generation == sb_process_generation());
}

static PyObject *net_closed(Net *self, void *Py_UNUSED(closure)) {
  return PyBool_FromLong(self->closed);
}

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

#include "net_docs.h"

static PyMethodDef net_methods[] = {
    {"_forward_from", (PyCFunction)GUARDED(sb_net_forward_from), METH_O, NULL},
    {"forward", FAST(GUARDED(sb_net_forward)), METH_FASTCALL | METH_KEYWORDS, forward_doc},
    {"backward", FAST(GUARDED(sb_net_backward)), METH_FASTCALL | METH_KEYWORDS, backward_doc},
    {"step", (PyCFunction)GUARDED(sb_net_step), METH_NOARGS, step_doc},
    {"predict", FAST(GUARDED(sb_net_predict)), METH_FASTCALL | METH_KEYWORDS, predict_doc},
    {"release", (PyCFunction)GUARDED(sb_net_release), METH_NOARGS, release_doc},
    {"close", (PyCFunction)GUARDED(net_close), METH_NOARGS, close_doc},
    {"_create", (PyCFunction)GUARDED(net_create), METH_VARARGS, NULL},
    {"_copy_from", (PyCFunction)GUARDED(net_copy_from), METH_O, NULL},
    {"_reset", (PyCFunction)GUARDED(sb_net_reset), METH_O, NULL},
    {"_in_place", (PyCFunction)GUARDED(sb_net_in_place), METH_O, NULL},
    {"_input", (PyCFunction)GUARDED(sb_net_input), METH_NOARGS, NULL},
    {"_view", (PyCFunction)GUARDED(sb_net_view), METH_VARARGS, NULL},
    {"_option", (PyCFunction)GUARDED(sb_net_option), METH_O, NULL},
    {"_set_option", (PyCFunction)GUARDED(sb_net_set_option), METH_VARARGS, NULL},
    {"_generator", (PyCFunction)GUARDED(sb_net_generator), METH_NOARGS, NULL},
    {"_set_generator", (PyCFunction)GUARDED(sb_net_set_generator), METH_O, NULL},
    {"_draw_order", (PyCFunction)GUARDED(sb_net_draw_order), METH_O, NULL},
    {"_work", (PyCFunction)GUARDED(sb_net_work), METH_O, NULL},
    {"_plan", (PyCFunction)GUARDED(sb_net_plan), METH_VARARGS, NULL},
    {"_maker", (PyCFunction)GUARDED(sb_net_maker), METH_VARARGS, NULL},
    {"_slot_count", (PyCFunction)GUARDED(sb_net_slot_count), METH_NOARGS, NULL},
    {"_evaluate", FAST(GUARDED(sb_net_evaluate)), METH_FASTCALL, NULL},
    {"_fit", FAST(GUARDED(sb_net_fit)), METH_FASTCALL, NULL},
    {"_jacobian", FAST(GUARDED(sb_net_jacobian)), METH_FASTCALL, NULL},
    {"_input_gradient", FAST(GUARDED(sb_net_input_gradient)), METH_FASTCALL, NULL},
    {"_gradient_norms", FAST(GUARDED(sb_net_gradient_norms)), METH_FASTCALL, NULL},
    {"_hvp", FAST(GUARDED(sb_net_hvp)), METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef net_getset[] = {
    {"_busy", (getter)net_busy, NULL, "Whether a fit is running.", NULL},
    {"closed", (getter)net_closed, NULL, "Whether close() was called.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot net_slots[] = {
    {Py_tp_new, net_new},
    {Py_tp_init, net_init},
    {Py_tp_dealloc, net_dealloc},
    {Py_tp_methods, net_methods},
    {Py_tp_getset, net_getset},
    {Py_tp_doc, "The engine's network."},
    {0, NULL},
};

PyType_Spec sb_net_spec = {
    .name = "swiftbackprop._core.Net",
    .basicsize = sizeof(Net),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = net_slots,
};
#else
typedef int sb_without_python;
#endif
