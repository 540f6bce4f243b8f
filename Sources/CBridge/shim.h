// The CPython shim: shared declarations. Compiled only for the extension module.
#ifndef SB_SHIM_H
#define SB_SHIM_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <string.h>

#include "guard.h"
#include "posix.h"
#include "swift_backprop.h"

typedef struct {
  PyObject *asarray;  // numpy.asarray
  PyObject *ndarray;  // numpy.ndarray
  PyObject *memmap;   // numpy.memmap
  PyObject *view_type;
  PyObject *fit_type;
  PyObject *net_type;
  PyObject *divergence;  // DivergenceError
} ModuleState;

// A net as Python sees it. `lock` serialises the calls into the engine; it is never held
// while Python code can run.
typedef struct {
  PyObject_HEAD
  ModuleState *state;  // lives as long as the type does
  sb_net *net;         // NULL before _create and after close
  bool closed;
  int32_t dtype;
  int64_t outputs;  // D(L)
  int64_t layers;   // L
  Py_buffer input;  // of the last forward; obj is NULL without one
  pthread_mutex_t lock;
  int64_t lock_generation;
  int64_t busy_generation;  // of the process whose fit is running; 0 without one
  bool asks;                // whether functions of the user's are among its rules
  struct Asked *asked;      // the calls that such a function works for at the moment
  int64_t asked_generation;
} Net;

// errors.c
PyObject *sb_raise(ModuleState *state, const sb_error *error);

// buffers.c
// Fills `array` from obj's buffer, which is held in `buffer`. False, without an exception,
// for what is not a numeric buffer of one or two dimensions.
bool sb_acquire(PyObject *obj, Py_buffer *buffer, sb_array *array);
// The arrays of `args`; pointers[i] is NULL where args[i] is None. False with an exception set;
// `buffers`, zero before, hold what sb_release_all gives back in either case.
bool sb_acquire_all(PyObject *const *args, int count, Py_buffer *buffers, sb_array *arrays,
                    const sb_array **pointers);
void sb_release_all(Py_buffer *buffers, int count);
extern PyType_Spec sb_view_spec;
// An ndarray on engine memory; takes over view->owner.
PyObject *sb_wrap_view(ModuleState *state, const sb_view *view);

// lock.c
typedef struct {
  PyThreadState *thread;  // not NULL while the GIL is released
  bool counted;           // whether a fork waits for it
} Work;
void sb_watch_forks(void);
int64_t sb_process_generation(void);
void sb_lock_init(Net *self);
// Takes the net's lock and, for more than about 20 microseconds of work, releases the GIL.
Work sb_begin_work(Net *self, double flops);
void sb_end_work(Net *self, Work work);

// arguments.c
// Puts positional and keyword arguments into values (NULL where not given). False with an
// exception set.
bool sb_parse(const char *function, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
              const char *const *names, int positional, int total, PyObject **values);
// A number that fits. False with an exception set, after which nothing else may be read.
bool sb_read_long(PyObject *number, int64_t *value);
// A rule from (name, parameters or None); `storage` receives the parameters.
bool sb_read_rule(PyObject *pair, sb_rule *rule, double storage[SB_MAX_PARAMETERS]);
// The array of obj, or of what self.<hook>(obj, copy) makes of it.
bool sb_take(Net *self, PyObject *obj, PyObject *copy, const char *hook, Py_buffer *buffer,
             sb_array *array);
bool sb_is_ready(Net *self);
bool sb_is_idle(Net *self);
// Like sb_begin_work, for what no fit may be running beside. False with an exception set.
bool sb_begin_idle(Net *self, double flops, Work *work);

// questions.c
// The engine puts its questions into `question` from now on. Under the lock, before each call.
void sb_expect(Net *self, sb_question *question);
// Whether this thread is in a function of this network, which must not compute with the network:
// then with an exception set.
bool sb_is_called_inside(Net *self);
// An array on a view, whose owner it takes over; None for no view.
PyObject *sb_array_on(Net *self, sb_view *view);
// Answers by self._answer. False with an exception set; then the call is given up.
bool sb_answer(Net *self, sb_question *question);

// net.c, session.c
extern PyType_Spec sb_net_spec;
extern PyType_Spec sb_fit_spec;

// Methods of Net: net_pass.c
PyObject *sb_net_forward(Net *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *sb_net_backward(Net *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *sb_net_step(Net *self, PyObject *unused);
PyObject *sb_net_predict(Net *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
// net_access.c
PyObject *sb_net_release(Net *self, PyObject *unused);
PyObject *sb_net_input(Net *self, PyObject *unused);
PyObject *sb_net_in_place(Net *self, PyObject *obj);
PyObject *sb_net_reset(Net *self, PyObject *argument);
PyObject *sb_net_view(Net *self, PyObject *args);
PyObject *sb_net_option(Net *self, PyObject *argument);
PyObject *sb_net_set_option(Net *self, PyObject *args);
PyObject *sb_net_generator(Net *self, PyObject *unused);
PyObject *sb_net_set_generator(Net *self, PyObject *argument);
PyObject *sb_net_draw_order(Net *self, PyObject *argument);
PyObject *sb_net_work(Net *self, PyObject *argument);
PyObject *sb_net_plan(Net *self, PyObject *args);
PyObject *sb_net_maker(Net *self, PyObject *args);
PyObject *sb_net_slot_count(Net *self, PyObject *unused);
// session.c, study.c
PyObject *sb_net_fit(Net *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *sb_net_forward_from(Net *self, PyObject *argument);
PyObject *sb_net_evaluate(Net *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *sb_net_jacobian(Net *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *sb_net_input_gradient(Net *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *sb_net_gradient_norms(Net *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *sb_net_hvp(Net *self, PyObject *const *args, Py_ssize_t nargs);

// A slice of long work: Ctrl-C is looked at in between.
#define SB_SLICE_NS 50000000

#endif
