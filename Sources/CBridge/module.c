// The extension module: multi-phase init, heap types, module state.
#ifdef SB_PYTHON
#include <limits.h>

#include "sb_bf16.h"
#include "sb_support.h"
#include "shim.h"

static ModuleState *module_state(PyObject *module) {
  return (ModuleState *)PyModule_GetState(module);
}

static PyObject *abi_version(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused)) {
  return PyLong_FromLong(sb_abi_version());
}

static PyObject *cpu_level(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused)) {
  return PyLong_FromLong(sb_cpu_level());
}

static PyObject *engine_level(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused)) {
  return PyLong_FromLong(sb_engine_level());
}

static PyObject *bf16_unit(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused)) {
  const int units[] = {SB_BY_EMULATION, SB_BY_DOT_PRODUCTS, SB_BY_TILE_UNIT};
  return PyLong_FromLong(units[sb_bf16_unit()]);
}

static PyObject *set_blas(PyObject *module, PyObject *args) {
  PyObject *addresses[4];
  void *functions[4];
  if (!PyArg_ParseTuple(args, "OOOO", &addresses[0], &addresses[1], &addresses[2], &addresses[3])) {
    return NULL;
  }
  for (int i = 0; i < 4; i++) {
    functions[i] = PyLong_AsVoidPtr(addresses[i]);
    if (functions[i] == NULL && PyErr_Occurred()) return NULL;
  }
  sb_blas blas;
  memset(&blas, 0, sizeof blas);
  // C has no conversion of an object's address to a function's.
  void *places[] = {(void *)&blas.sgemm, (void *)&blas.dgemm, (void *)&blas.get_num_threads,
                    (void *)&blas.set_num_threads};
  for (int i = 0; i < 4; i++) memcpy(places[i], (void *)&functions[i], sizeof functions[i]);
  sb_error error = {0};
  if (sb_set_blas(&blas, &error) != SB_OK) return sb_raise(module_state(module), &error);
  // After the library has registered its own handlers: ours then run first at a fork.
  sb_watch_forks();
  Py_RETURN_NONE;
}

static PyObject *num_threads(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused)) {
  return PyLong_FromLong(sb_get_blas_threads());
}

static PyObject *set_num_threads(PyObject *Py_UNUSED(module), PyObject *argument) {
  long count = PyLong_AsLong(argument);
  if (count == -1 && PyErr_Occurred()) return NULL;
  return PyBool_FromLong(sb_set_blas_threads(count > INT_MAX ? INT_MAX : (int)count));
}

static PyObject *describe(const sb_rule_info *info) {
  PyObject *parameters = PyList_New(info->parameter_count);
  if (parameters == NULL) return NULL;
  for (int i = 0; i < info->parameter_count; i++) {
    PyObject *pair = Py_BuildValue("sd", info->parameter_names[i], info->parameter_defaults[i]);
    if (pair == NULL || PyList_SetItem(parameters, i, pair) != 0) {
      Py_DECREF(parameters);
      return NULL;
    }
  }
  return Py_BuildValue("sssssiN", info->name, info->title, info->formula, info->canonical_output,
                       info->default_initializer, info->flags, parameters);
}

static PyObject *rules(PyObject *module, PyObject *argument) {
  long kind = PyLong_AsLong(argument);
  if (kind == -1 && PyErr_Occurred()) return NULL;
  PyObject *list = PyList_New(0);
  if (list == NULL) return NULL;
  for (int64_t i = 0; i < sb_rule_count((int32_t)kind); i++) {
    sb_rule_info info;
    sb_error error = {0};
    PyObject *entry = sb_rule_at((int32_t)kind, i, &info, &error) == SB_OK
                          ? describe(&info)
                          : sb_raise(module_state(module), &error);
    int failed = entry == NULL || PyList_Append(list, entry) != 0;
    Py_XDECREF(entry);
    if (failed) {
      Py_DECREF(list);
      return NULL;
    }
  }
  return list;
}

// The buffers of `count` dense arrays of one float type and size; the last is written.
static bool acquire_dense(PyObject **objects, int count, Py_buffer *buffers) {
  for (int i = 0; i < count; i++) {
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (i == count - 1 ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(objects[i], &buffers[i], flags) != 0) {
      buffers[i].obj = NULL;
      return false;
    }
    const char *format = buffers[i].format == NULL ? "B" : buffers[i].format;
    if ((strcmp(format, "f") != 0 && strcmp(format, "d") != 0) ||
        strcmp(format, buffers[0].format) != 0 || buffers[i].len != buffers[0].len) {
      PyErr_SetString(PyExc_TypeError, "expected arrays of one size, float32 or float64");
      return false;
    }
  }
  return true;
}

// A rule's formula on dense arrays: (rule, order, x, out), and (rule, order, a, t, out) of a loss.
static PyObject *apply(PyObject *module, PyObject *args, bool is_loss) {
  PyObject *pair, *objects[3];
  const int count = is_loss ? 3 : 2;
  int order;
  if (!PyArg_ParseTuple(args, is_loss ? "OiOOO" : "OiOO", &pair, &order, &objects[0], &objects[1],
                        &objects[2])) {
    return NULL;
  }
  sb_rule rule;
  double storage[SB_MAX_PARAMETERS];
  if (!sb_read_rule(pair, &rule, storage)) return NULL;
  Py_buffer buffers[3] = {{0}};
  PyObject *result = NULL;
  if (acquire_dense(objects, count, buffers)) {
    const Py_buffer *x = &buffers[0], *second = &buffers[1];
    const int32_t dtype = x->itemsize == 4 ? SB_FLOAT32 : SB_FLOAT64;
    const int64_t size = x->len / x->itemsize;
    const int64_t cols = x->ndim == 0 ? 1 : x->shape[x->ndim - 1];
    sb_error error = {0};
    sb_status status;
    Py_BEGIN_ALLOW_THREADS
    status = is_loss ? sb_apply_loss(&rule, order, dtype, x->buf, second->buf, buffers[2].buf, size,
                                     &error)
                     : sb_apply_activation(&rule, order, dtype, x->buf, second->buf,
                                           cols == 0 ? 0 : size / cols, cols, &error);
    Py_END_ALLOW_THREADS
    result = status == SB_OK ? Py_NewRef(Py_None) : sb_raise(module_state(module), &error);
  }
  sb_release_all(buffers, count);
  return result;
}

static PyObject *apply_activation(PyObject *module, PyObject *args) {
  return apply(module, args, false);
}

static PyObject *apply_loss(PyObject *module, PyObject *args) { return apply(module, args, true); }

static PyMethodDef module_methods[] = {
    {"abi_version", abi_version, METH_NOARGS, "The version of the C contract."},
    {"bf16_unit", bf16_unit, METH_NOARGS, "Who multiplies bfloat16 here: BY_TILE_UNIT, ..."},
    {"cpu_level", cpu_level, METH_NOARGS, "The instruction-set level of this CPU: 1, 3 or 4."},
    {"engine_level", engine_level, METH_NOARGS, "The level this module was compiled for."},
    {"set_blas", set_blas, METH_VARARGS, "Install addresses of CBLAS functions."},
    {"num_threads", num_threads, METH_NOARGS, "The threads that BLAS may take; 0: unknown."},
    {"set_num_threads", set_num_threads, METH_O, "Set them; False if BLAS cannot."},
    {"rules", rules, METH_O, "The rules of a kind."},
    {"apply_activation", apply_activation, METH_VARARGS, "Apply an activation."},
    {"apply_loss", apply_loss, METH_VARARGS, "Apply a loss."},
    {NULL, NULL, 0, NULL},
};

static int add_constants(PyObject *module) {
#define ADD(name) \
  if (PyModule_AddIntConstant(module, #name, SB_##name) != 0) return -1
  // clang-format off
  ADD(ABI_VERSION);
  ADD(ACTIVATION); ADD(LOSS); ADD(OPTIMIZER); ADD(INITIALIZER);
  ADD(REDUCTION); ADD(REDUCE_NOW); ADD(REDUCE_BEGIN); ADD(REDUCE_END); ADD(REDUCE_CHECK);
  ADD(RULE_KINK); ADD(RULE_ROWS); ADD(RULE_CLASSES); ADD(RULE_CLIPS);
  ADD(RULE_PROBABILITY); ADD(RULE_POSITIVE); ADD(RULE_FUSED);
  ADD(PARAMETERS); ADD(GRADIENTS); ADD(W); ADD(B); ADD(GRAD_W); ADD(GRAD_B);
  ADD(Z); ADD(A); ADD(GRAD_Z); ADD(GRAD_A); ADD(SLOT); ADD(MASK);
  ADD(BY_TILES); ADD(BY_BLAS_BASELINE); ADD(BY_BLAS_TRANSPOSED); ADD(BY_BLAS_FEW_ROWS);
  ADD(BY_BLAS_NARROW); ADD(BY_BLAS_WIDE); ADD(BY_BLAS_LARGE); ADD(BY_PACKED_TILES);
  ADD(BY_COPIED_TILES); ADD(BY_TILE_UNIT); ADD(BY_DOT_PRODUCTS); ADD(BY_EMULATION);
  ADD(GAMMA); ADD(BETA); ADD(GRAD_GAMMA); ADD(GRAD_BETA); ADD(RUNNING_MEAN); ADD(RUNNING_VAR);
  ADD(U);
  ADD(NORM_NONE); ADD(NORM_BATCH); ADD(NORM_LAYER);
  ADD(OPTION_L1); ADD(OPTION_L2); ADD(OPTION_CLIP_NORM); ADD(OPTION_STEPS);
  ADD(OPTION_PENALTY_PER_SAMPLE); ADD(OPTION_HYPER);
  ADD(OPTION_MAX_NORM); ADD(OPTION_INPUT_SCALE); ADD(OPTION_DROPOUT); ADD(OPTION_TRAINABLE);
  ADD(OPTION_PRECISION);
  // clang-format on
#undef ADD
  if (PyModule_AddStringConstant(module, "EXTERNAL", SB_EXTERNAL) != 0) return -1;
  return 0;
}

static int add_type(PyObject *module, PyType_Spec *spec, PyObject **place, const char *name) {
  PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
  if (type == NULL) return -1;
  *place = type;  // the state owns it
  return PyModule_AddObjectRef(module, name, type);
}

static int module_exec(PyObject *module) {
  ModuleState *state = module_state(module);
  PyObject *numpy = PyImport_ImportModule("numpy");
  if (numpy == NULL) return -1;
  state->asarray = PyObject_GetAttrString(numpy, "asarray");
  state->ndarray = PyObject_GetAttrString(numpy, "ndarray");
  state->memmap = PyObject_GetAttrString(numpy, "memmap");
  Py_DECREF(numpy);
  if (state->asarray == NULL || state->ndarray == NULL || state->memmap == NULL) return -1;
  state->divergence = PyErr_NewExceptionWithDoc(
      "swiftbackprop.DivergenceError",
      "NaN or infinity arose in training; the weights are those before the bad step.",
      PyExc_FloatingPointError, NULL);
  if (state->divergence == NULL ||
      PyModule_AddObjectRef(module, "DivergenceError", state->divergence) != 0) {
    return -1;
  }
  if (add_type(module, &sb_view_spec, &state->view_type, "View") != 0 ||
      add_type(module, &sb_fit_spec, &state->fit_type, "FitSession") != 0 ||
      add_type(module, &sb_net_spec, &state->net_type, "Net") != 0) {
    return -1;
  }
  return add_constants(module);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg) {
  ModuleState *state = module_state(module);
  Py_VISIT(state->asarray);
  Py_VISIT(state->ndarray);
  Py_VISIT(state->memmap);
  Py_VISIT(state->view_type);
  Py_VISIT(state->fit_type);
  Py_VISIT(state->net_type);
  Py_VISIT(state->divergence);
  return 0;
}

static int module_clear(PyObject *module) {
  ModuleState *state = module_state(module);
  Py_CLEAR(state->asarray);
  Py_CLEAR(state->ndarray);
  Py_CLEAR(state->memmap);
  Py_CLEAR(state->view_type);
  Py_CLEAR(state->fit_type);
  Py_CLEAR(state->net_type);
  Py_CLEAR(state->divergence);
  return 0;
}

static void module_free(void *module) { (void)module_clear((PyObject *)module); }

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_core",
    .m_doc = "swiftbackprop's engine.",
    .m_size = sizeof(ModuleState),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

PyMODINIT_FUNC JOIN(PyInit_, SB_MODULE_NAME)(void) { return PyModuleDef_Init(&module_definition); }
#else
typedef int sb_without_python;
#endif
