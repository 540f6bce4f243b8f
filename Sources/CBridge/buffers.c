// NumPy's memory to the engine and the engine's memory to NumPy, both by the buffer protocol.
#ifdef SB_PYTHON
#include "shim.h"

// ---------------------------------------------------------------- in

// The engine's code of a struct-module format character, -1 for other types.
static int32_t dtype_of(char code, Py_ssize_t size) {
  static const int32_t signed_codes[] = {SB_INT8, SB_INT16, SB_INT32, SB_INT64};
  static const int32_t unsigned_codes[] = {SB_UINT8, SB_UINT16, SB_UINT32, SB_UINT64};
  int power = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : size == 8 ? 3 : -1;
  switch (code) {
    case 'f': return SB_FLOAT32;
    case 'd': return SB_FLOAT64;
    case 'e': return SB_FLOAT16;
    case 'g': return size == 16 ? SB_LONG_DOUBLE : -1;
    case '?': return SB_BOOL;
    default: break;
  }
  if (power < 0 || code == '\0') return -1;
  if (strchr("bhilqn", code) != NULL) return signed_codes[power];
  return strchr("BHILQN", code) != NULL ? unsigned_codes[power] : -1;
}

static bool read_format(const Py_buffer *buffer, sb_array *array) {
  const char *format = buffer->format == NULL ? "B" : buffer->format;
  bool big = false;
  if (*format == '>' || *format == '!') big = true;
  if (*format != '\0' && strchr("@=<>!", *format) != NULL) format++;
  if (*format == '\0' || format[1] != '\0') return false;
  array->dtype = dtype_of(*format, buffer->itemsize);
  array->swapped = big != (PY_BIG_ENDIAN != 0) && buffer->itemsize > 1;
  return array->dtype >= 0 && !(array->swapped && array->dtype == SB_LONG_DOUBLE);
}

bool sb_acquire(PyObject *obj, Py_buffer *buffer, sb_array *array) {
  if (PyObject_GetBuffer(obj, buffer, PyBUF_RECORDS_RO) != 0) {
    PyErr_Clear();
    return false;
  }
  // Not every exporter keeps its word: NumPy's datetime64 leaves its strides out.
  bool is_whole = buffer->shape != NULL && buffer->strides != NULL;
  if (!is_whole || (buffer->ndim != 1 && buffer->ndim != 2) || !read_format(buffer, array)) {
    PyBuffer_Release(buffer);
    return false;
  }
  array->data = buffer->buf;
  array->ndim = buffer->ndim;
  array->rows = buffer->shape[0];
  array->row_stride = buffer->strides[0];
  array->cols = buffer->ndim == 2 ? buffer->shape[1] : 1;
  array->col_stride = buffer->ndim == 2 ? buffer->strides[1] : buffer->itemsize;
  array->reserved = 0;
  return true;
}

void sb_release_all(Py_buffer *buffers, int count) {
  for (int i = 0; i < count; i++) {
    if (buffers[i].obj != NULL) PyBuffer_Release(&buffers[i]);
  }
}

bool sb_acquire_all(PyObject *const *args, int count, Py_buffer *buffers, sb_array *arrays,
                    const sb_array **pointers) {
  for (int i = 0; i < count; i++) {
    pointers[i] = NULL;
    if (args[i] == Py_None) continue;
    if (!sb_acquire(args[i], &buffers[i], &arrays[i])) {
      buffers[i].obj = NULL;
      PyErr_SetString(PyExc_TypeError, "an array the engine cannot read");
      return false;
    }
    pointers[i] = &arrays[i];
  }
  return true;
}

// ---------------------------------------------------------------- out

typedef struct {
  PyObject_HEAD
  sb_view view;
  Py_ssize_t shape[2];
  Py_ssize_t strides[2];
} View;

static int view_getbuffer(View *self, Py_buffer *buffer, int flags) {
  const sb_view *view = &self->view;
  Py_ssize_t itemsize = view->dtype == SB_FLOAT32 ? 4 : 8;
  bool dense = view->ndim == 1 || self->strides[1] == itemsize;
  bool needs_fortran = (flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS;
  if (needs_fortran && dense && view->ndim == 2) {
    PyErr_SetString(PyExc_BufferError, "this matrix is in C order: ask for strides");
    return -1;
  }
  if (view->readonly && (flags & PyBUF_WRITABLE)) {
    PyErr_SetString(PyExc_BufferError, "this is a read-only snapshot");
    return -1;
  }
  bool needs_c = (flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS;
  if (!dense && (needs_c || (flags & PyBUF_STRIDES) != PyBUF_STRIDES)) {
    PyErr_SetString(PyExc_BufferError, "this matrix is in Fortran order: ask for strides");
    return -1;
  }
  buffer->buf = view->data;
  buffer->obj = Py_NewRef((PyObject *)self);
  buffer->itemsize = itemsize;
  buffer->len = itemsize * self->shape[0] * (view->ndim == 2 ? self->shape[1] : 1);
  buffer->readonly = view->readonly;
  buffer->ndim = view->ndim;
  buffer->format = (flags & PyBUF_FORMAT) ? (view->dtype == SB_FLOAT32 ? "f" : "d") : NULL;
  buffer->shape = (flags & PyBUF_ND) ? self->shape : NULL;
  buffer->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? self->strides : NULL;
  buffer->suboffsets = NULL;
  buffer->internal = NULL;
  return 0;
}

static void view_dealloc(View *self) {
  PyTypeObject *type = Py_TYPE((PyObject *)self);
  sb_release_owner(self->view.owner);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

PyObject *sb_wrap_view(ModuleState *state, const sb_view *view) {
  PyTypeObject *type = (PyTypeObject *)state->view_type;
  View *self = (View *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
  if (self == NULL) {
    sb_release_owner(view->owner);
    return NULL;
  }
  self->view = *view;
  for (int i = 0; i < 2; i++) {
    self->shape[i] = (Py_ssize_t)view->shape[i];
    self->strides[i] = (Py_ssize_t)view->strides[i];
  }
  PyObject *array = PyObject_CallFunctionObjArgs(state->asarray, (PyObject *)self, NULL);
  Py_DECREF(self);
  return array;
}

static PyType_Slot view_slots[] = {
    {Py_bf_getbuffer, view_getbuffer},
    {Py_tp_dealloc, view_dealloc},
    {Py_tp_doc, "Memory of the engine; keeps it alive and exports it by the buffer protocol."},
    {0, NULL},
};

PyType_Spec sb_view_spec = {
    .name = "swiftbackprop._core.View",
    .basicsize = sizeof(View),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = view_slots,
};
#else
typedef int sb_without_python;
#endif
