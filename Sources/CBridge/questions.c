// Functions of the user's: the engine stops and asks, Python answers, and the call goes on.
#ifdef SB_PYTHON
#include "shim.h"

// A call that waits for a function of the user's, on the stack of its thread. The list is read
// and written under the GIL, the network's lock is free meanwhile.
typedef struct Asked {
  unsigned long thread;
  struct Asked *before;
} Asked;

// A fork leaves calls of threads that this process does not have.
static void forget_other_process(Net *self) {
  int64_t generation = sb_process_generation();
  if (self->asked_generation == generation) return;
  self->asked = NULL;
  self->asked_generation = generation;
}

bool sb_is_called_inside(Net *self) {
  if (self->asked == NULL) return false;
  forget_other_process(self);
  unsigned long thread = PyThread_get_thread_ident();
  for (Asked *call = self->asked; call != NULL; call = call->before) {
    if (call->thread != thread) continue;
    PyErr_SetString(PyExc_RuntimeError,
                    "a function of this network called the network that waits for it: compute with "
                    "the arguments of the function alone");
    return true;
  }
  return false;
}

void sb_expect(Net *self, sb_question *question) {
  if (self->asks) (void)sb_set_question(self->net, question, NULL);
}

PyObject *sb_array_on(Net *self, sb_view *view) {
  if (view->owner == NULL) return Py_NewRef(Py_None);
  sb_view taken = *view;
  view->owner = NULL;
  return sb_wrap_view(self->state, &taken);
}

static PyObject *call_python(Net *self, sb_question *question) {
  PyObject *x = sb_array_on(self, &question->x), *t = NULL, *answer = NULL, *result = NULL;
  if (x != NULL) t = sb_array_on(self, &question->t);
  if (t != NULL) answer = sb_array_on(self, &question->answer);
  if (answer != NULL) {
    result = PyObject_CallMethod((PyObject *)self, "_answer", "iiLOOO", (int)question->kind,
                                 (int)question->order, (long long)question->layer, x, t, answer);
  }
  Py_XDECREF(x);
  Py_XDECREF(t);
  Py_XDECREF(answer);
  return result;
}

bool sb_answer(Net *self, sb_question *question) {
  forget_other_process(self);
  Asked call = {PyThread_get_thread_ident(), self->asked};
  int64_t generation = self->asked_generation;
  self->asked = &call;
  PyObject *result = call_python(self, question);
  // Other threads may have begun and ended calls meanwhile.
  if (generation == sb_process_generation()) {
    Asked **place = &self->asked;
    while (*place != NULL && *place != &call) place = &(*place)->before;
    if (*place != NULL) *place = call.before;
  }
  question->answered = result != NULL;
  Py_XDECREF(result);
  if (question->answered) return true;
  sb_drop_question(question);
  return false;
}
#else
typedef int sb_without_python;
#endif
