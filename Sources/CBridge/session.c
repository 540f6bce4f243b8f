// Long work in slices: fit and evaluate.
#ifdef SB_PYTHON
#include "sb_support.h"
#include "shim.h"

#define ARRAYS 6  // X, y, weights for training and for validation

typedef struct {
  PyObject_HEAD
  Net *net;
  sb_fit *fit;
  int64_t generation;  // of the process that began it
  Py_buffer buffers[ARRAYS];
  int64_t valid_rows;
  PyObject *sums;     // answers the engine's questions in training by several processes; else NULL
  Py_buffer outputs;  // where a(L) of the validation rows goes; obj is NULL for nowhere
} FitSession;

// The buffer of an array [rows, D(L)] of the network's dtype, to be written.
static bool acquire_outputs(Net *net, PyObject *array, int64_t rows, Py_buffer *outputs) {
  if (PyObject_GetBuffer(array, outputs, PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS) != 0) {
    outputs->obj = NULL;
    return false;
  }
  const int64_t item = net->dtype == SB_FLOAT32 ? 4 : 8;
  if (outputs->itemsize == item && outputs->len == rows * net->outputs * item) return true;
  PyBuffer_Release(outputs);
  PyErr_SetString(PyExc_ValueError, "outputs is an array (N, D(L)) of the network's dtype");
  return false;
}

static void fit_finish(FitSession *self) {
  // Under the lock, should another thread be in run or read the network.
  Work work = sb_begin_work(self->net, 0);
  sb_fit *fit = self->fit;
  self->fit = NULL;
  sb_fit_end(fit);
  if (fit != NULL && self->net->busy_generation == self->generation) self->net->busy_generation = 0;
  sb_end_work(self->net, work);
  if (fit == NULL) return;
  sb_release_all(self->buffers, ARRAYS);
  sb_release_all(&self->outputs, 1);
  Py_CLEAR(self->sums);
}

PyObject *sb_net_fit(Net *self, PyObject *const *args, Py_ssize_t nargs) {
  const bool is_shared = nargs == ARRAYS + 7 || nargs == ARRAYS + 8;
  if (nargs != ARRAYS + 4 && !is_shared) {
    PyErr_SetString(PyExc_TypeError, "_fit() takes 10, 13 or 14 arguments");
    return NULL;
  }
  int memory = 0, process = 0, processes = 0, leaves = 0;
  PyObject *common = nargs == ARRAYS + 8 && args[ARRAYS + 7] != Py_None ? args[ARRAYS + 7] : NULL;
  if (common != NULL && !PyTuple_Check(common)) {
    PyErr_SetString(PyExc_TypeError, "memory is a tuple of four");
    return NULL;
  }
  if (common != NULL && !PyArg_ParseTuple(common, "iiip", &memory, &process, &processes, &leaves)) {
    return NULL;
  }
  int64_t epochs, batch, shuffle, pause;
  int64_t total = 0, first = 0;
  if (!sb_read_long(args[ARRAYS], &epochs) || !sb_read_long(args[ARRAYS + 1], &batch) ||
      !sb_read_long(args[ARRAYS + 2], &shuffle) || !sb_read_long(args[ARRAYS + 3], &pause) ||
      (is_shared &&
       (!sb_read_long(args[ARRAYS + 4], &total) || !sb_read_long(args[ARRAYS + 5], &first))) ||
      !sb_is_idle(self)) {
    return NULL;
  }

  PyTypeObject *type = (PyTypeObject *)self->state->fit_type;
  FitSession *fit = (FitSession *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
  if (fit == NULL) return NULL;
  fit->net = (Net *)Py_NewRef((PyObject *)self);
  fit->generation = sb_process_generation();
  if (is_shared) fit->sums = Py_NewRef(args[ARRAYS + 6]);
  sb_array arrays[ARRAYS];
  const sb_array *given[ARRAYS];
  if (!sb_acquire_all(args, ARRAYS, fit->buffers, arrays, given)) goto failed;
  fit->valid_rows = given[3] == NULL ? 0 : given[3]->rows;

  sb_fit_config config = {given[0],  given[1], given[2],         given[3],       given[4], given[5],
                          epochs,    batch,    (int32_t)shuffle, (int32_t)pause, total,    first,
                          processes, process,  memory,           leaves};
  sb_error error = {0};
  Work work;
  // Asked again under the lock: acquiring the arrays may have let another thread run.
  if (!sb_begin_idle(self, 0, &work)) goto failed;
  if (sb_fit_begin(self->net, &config, &fit->fit, &error) == SB_OK) {
    self->busy_generation = fit->generation;
  }
  sb_end_work(self, work);
  if (fit->fit == NULL) {
    sb_raise(self->state, &error);
    goto failed;
  }
  return (PyObject *)fit;
failed:
  sb_release_all(fit->buffers, ARRAYS);
  Py_DECREF(fit);
  return NULL;
}

// Has Python sum what the engine asks for over the processes. False with an exception set.
static bool answer_sum(FitSession *self, sb_question *question) {
  PyObject *sums = Py_XNewRef(self->sums);  // another thread may end the session
  PyObject *array = sb_array_on(self->net, &question->answer), *result = NULL;
  if (array != NULL && sums != NULL) {
    result =
        PyObject_CallFunction(sums, "iLO", (int)question->order, (long long)question->layer, array);
  } else if (array != NULL) {
    PyErr_SetString(PyExc_RuntimeError, "this training session has ended");
  }
  Py_XDECREF(array);
  Py_XDECREF(sums);
  question->answered = result != NULL;
  Py_XDECREF(result);
  if (!question->answered) sb_drop_question(question);
  return question->answered;
}

static bool answer(FitSession *self, sb_question *question) {
  return question->kind == SB_REDUCTION ? answer_sum(self, question)
                                        : sb_answer(self->net, question);
}

static PyObject *fit_run(FitSession *self, PyObject *argument) {
  long long max_ns = PyLong_AsLongLong(argument);
  if (max_ns == -1 && PyErr_Occurred()) return NULL;
  if (sb_is_called_inside(self->net)) return NULL;
  sb_error error = {0};
  sb_question question = {0};
  sb_progress progress = {0};
  sb_status status = SB_OK;
  bool ended;
  int64_t begin = sb_nanoseconds();
  do {
    Work work = sb_begin_work(self->net, 1e9);
    ended = self->fit == NULL || self->net->net == NULL;
    if (!ended) {
      sb_expect(self->net, &question);
      if (self->sums != NULL) (void)sb_set_question(self->net->net, &question, NULL);
      // What a function of the user's takes is part of the slice.
      status = sb_fit_run(self->fit, max_ns < 0 ? 0 : max_ns - (sb_nanoseconds() - begin),
                          &progress, &error);
      if (self->sums != NULL) (void)sb_set_question(self->net->net, NULL, NULL);
    }
    sb_end_work(self->net, work);
  } while (!ended && status == SB_ASKS && answer(self, &question));
  if (ended) {
    sb_drop_question(&question);
    PyErr_SetString(PyExc_RuntimeError, "this training session has ended");
    return NULL;
  }
  if (status == SB_ASKS) return NULL;
  if (status != SB_OK) return sb_raise(self->net->state, &error);
  return Py_BuildValue("LLLdOi", (long long)progress.epoch, (long long)progress.batch,
                       (long long)progress.batches, progress.loss,
                       progress.done ? Py_True : Py_False, progress.phase);
}

static PyObject *fit_records(FitSession *self, PyObject *argument) {
  long long index = PyLong_AsLongLong(argument);
  if (index == -1 && PyErr_Occurred()) return NULL;
  sb_error error = {0};
  sb_epoch record;
  sb_status status = SB_OK;
  PyObject *records = PyList_New(0);
  for (; records != NULL; index++) {
    Work work = sb_begin_work(self->net, 0);
    status = sb_fit_epoch(self->fit, index, &record, &error);
    sb_end_work(self->net, work);
    if (status != SB_OK) break;
    PyObject *numbers = Py_BuildValue("ddddddddd", record.loss, record.accuracy, record.penalty,
                                      record.seconds, record.valid.loss, record.valid.accuracy,
                                      record.valid.mse, record.valid.mae, record.valid.r2);
    if (numbers == NULL || PyList_Append(records, numbers) != 0) Py_CLEAR(records);
    Py_XDECREF(numbers);
  }
  if (records == NULL || status == SB_ERROR_VALUE) return records;  // that epoch has not ended
  Py_DECREF(records);
  return sb_raise(self->net->state, &error);
}

static PyObject *fit_set_rates(FitSession *self, PyObject *argument) {
  Py_buffer buffer;
  sb_array rates;
  if (!sb_acquire(argument, &buffer, &rates)) {
    PyErr_SetString(PyExc_TypeError, "rates are an array");
    return NULL;
  }
  sb_error error = {0};
  sb_status status = SB_ERROR_TYPE;
  bool dense = rates.dtype == SB_FLOAT64 && !rates.swapped && rates.cols == 1 &&
               rates.row_stride == sizeof(double);
  if (dense || rates.rows == 0) {
    Work work = sb_begin_work(self->net, 0);
    status = sb_fit_set_rates(self->fit, rates.data, rates.rows, &error);
    sb_end_work(self->net, work);
  } else {
    PyErr_SetString(PyExc_TypeError, "rates are a dense array of float64");
  }
  PyBuffer_Release(&buffer);
  if (PyErr_Occurred()) return NULL;
  if (status != SB_OK) return sb_raise(self->net->state, &error);
  Py_RETURN_NONE;
}

static PyObject *fit_set_outputs(FitSession *self, PyObject *argument) {
  Py_buffer outputs;
  if (!acquire_outputs(self->net, argument, self->valid_rows, &outputs)) return NULL;
  sb_error error = {0};
  Work work = sb_begin_work(self->net, 0);
  sb_status status = sb_fit_set_outputs(self->fit, outputs.buf, &error);
  if (status == SB_OK) {
    Py_buffer old = self->outputs;
    self->outputs = outputs;
    outputs = old;
  }
  sb_end_work(self->net, work);
  sb_release_all(&outputs, 1);
  if (status != SB_OK) return sb_raise(self->net->state, &error);
  Py_RETURN_NONE;
}

static PyObject *fit_end(FitSession *self, PyObject *Py_UNUSED(unused)) {
  fit_finish(self);
  Py_RETURN_NONE;
}

static void fit_dealloc(FitSession *self) {
  PyTypeObject *type = Py_TYPE((PyObject *)self);
  SB_BEGIN_GUARD(self->net);
  fit_finish(self);
  SB_END_GUARD();
  Py_XDECREF(self->sums);
  Py_XDECREF((PyObject *)self->net);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

// clang-format off
SB_GUARD(fit_run, FitSession, self->net)
SB_GUARD(fit_records, FitSession, self->net)
SB_GUARD(fit_set_rates, FitSession, self->net)
SB_GUARD(fit_set_outputs, FitSession, self->net)
SB_GUARD(fit_end, FitSession, self->net)
// clang-format on

static PyMethodDef fit_methods[] = {
    {"run", (PyCFunction)GUARDED(fit_run), METH_O, "run(max_ns): work for about that long."},
    {"records", (PyCFunction)GUARDED(fit_records), METH_O,
     "records(first): those of the epochs that have ended, from that one on."},
    {"set_rates", (PyCFunction)GUARDED(fit_set_rates), METH_O,
     "set_rates(rates): lr for the batches of an epoch."},
    {"set_outputs", (PyCFunction)GUARDED(fit_set_outputs), METH_O,
     "set_outputs(array): write a(L) of the validation rows there too."},
    {"end", (PyCFunction)GUARDED(fit_end), METH_NOARGS, "end(): give the network back."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot fit_slots[] = {
    {Py_tp_methods, fit_methods},
    {Py_tp_dealloc, fit_dealloc},
    {Py_tp_doc, "A training session, advanced in slices."},
    {0, NULL},
};

PyType_Spec sb_fit_spec = {
    .name = "swiftbackprop._core.FitSession",
    .basicsize = sizeof(FitSession),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = fit_slots,
};

PyObject *sb_net_evaluate(Net *self, PyObject *const *args, Py_ssize_t nargs) {
  if (nargs != 3 && nargs != 4) {
    PyErr_SetString(PyExc_TypeError, "_evaluate() takes 3 or 4 arguments");
    return NULL;
  }
  if (!sb_is_ready(self) || sb_is_called_inside(self)) return NULL;
  Py_buffer buffers[3] = {{0}};
  sb_array arrays[3];
  const sb_array *given[3];
  sb_evaluation *evaluation = NULL;
  PyObject *result = NULL;
  sb_error error = {0};
  sb_question question = {0};
  sb_metrics metrics = {0};
  Py_buffer outputs = {0};
  if (!sb_acquire_all(args, 3, buffers, arrays, given)) goto done;
  const int64_t rows = given[0] == NULL ? 0 : given[0]->rows;
  bool keeps = nargs == 4 && args[3] != Py_None;
  if (keeps && given[0] != NULL && !acquire_outputs(self, args[3], rows, &outputs)) goto done;

  Work work = sb_begin_work(self, 0);
  sb_status status =
      sb_evaluation_begin(self->net, given[0], given[1], given[2], &evaluation, &error);
  if (status == SB_OK && keeps) {
    status = sb_evaluation_set_outputs(evaluation, outputs.buf, &error);
  }
  sb_end_work(self, work);
  int32_t ended = 0;
  while (status == SB_OK && !ended) {
    work = sb_begin_work(self, sb_work(self->net, rows));
    const bool gone = self->net == NULL;  // closed by another thread meanwhile
    if (!gone) {
      sb_expect(self, &question);
      status = sb_evaluation_run(evaluation, SB_SLICE_NS, &ended, &error);
    }
    sb_end_work(self, work);
    if (gone) {
      sb_drop_question(&question);
      (void)sb_is_ready(self);
      goto done;
    }
    if (status == SB_ASKS) {
      if (!sb_answer(self, &question)) goto done;
      status = SB_OK;
      continue;
    }
    if (status == SB_OK && PyErr_CheckSignals() != 0) goto done;
  }
  if (status == SB_OK) status = sb_evaluation_result(evaluation, &metrics, &error);
  if (status != SB_OK) {
    sb_raise(self->state, &error);
    goto done;
  }
  result =
      Py_BuildValue("ddddd", metrics.loss, metrics.accuracy, metrics.mse, metrics.mae, metrics.r2);
done:
  sb_evaluation_end(evaluation);
  sb_release_all(buffers, 3);
  sb_release_all(&outputs, 1);
  return result;
}
#else
typedef int sb_without_python;
#endif
