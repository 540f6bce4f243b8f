#ifdef SB_PYTHON
#include "shim.h"

PyObject *sb_raise(ModuleState *state, const sb_error *error) {
  PyObject *type;
  switch (error->status) {
    case SB_ERROR_TYPE: type = PyExc_TypeError; break;
    case SB_ERROR_ORDER:
    case SB_ERROR_BLAS: type = PyExc_RuntimeError; break;
    case SB_ERROR_MEMORY: type = PyExc_MemoryError; break;
    case SB_ERROR_DIVERGED: type = state->divergence; break;
    default: type = PyExc_ValueError;
  }
  PyErr_SetString(type, error->message);
  return NULL;
}
#else
typedef int sb_without_python;
#endif
