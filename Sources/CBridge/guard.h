// What the GIL does for an object's fields, in an interpreter without one: methods run in the
// critical section of their network, which is left, as the GIL is, where a thread waits. With the
// GIL the methods are taken as they are.
#ifndef SB_GUARD_H
#define SB_GUARD_H

#include <Python.h>

#ifdef Py_GIL_DISABLED
#define SB_FREE_THREADED 1
#define SB_BEGIN_GUARD(net) Py_BEGIN_CRITICAL_SECTION(net)
#define SB_END_GUARD() Py_END_CRITICAL_SECTION()
// The function that stands in a table of methods for `function`.
#define GUARDED(function) function##_guarded
#define SB_GUARD_AS(function, Self, net, parameters, arguments) \
  static PyObject *function##_guarded parameters {              \
    PyObject *result;                                           \
    SB_BEGIN_GUARD(net);                                        \
    result = function arguments;                                \
    SB_END_GUARD();                                             \
    return result;                                              \
  }
#else
#define SB_FREE_THREADED 0
#define SB_BEGIN_GUARD(net) {
#define SB_END_GUARD() }
#define GUARDED(function) function
#define SB_GUARD_AS(function, Self, net, parameters, arguments)
#endif

// They make it, for the three ways of calling.
// NOLINTBEGIN(bugprone-macro-parentheses): Self is a type
#define SB_GUARD(function, Self, net) \
  SB_GUARD_AS(function, Self, net, (Self * self, PyObject * argument), (self, argument))
#define SB_GUARD_FAST(function, Self, net)                                                 \
  SB_GUARD_AS(function, Self, net, (Self * self, PyObject *const *args, Py_ssize_t nargs), \
              (self, args, nargs))
#define SB_GUARD_KEYWORDS(function, Self, net)                                           \
  SB_GUARD_AS(function, Self, net,                                                       \
              (Self * self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames), \
              (self, args, nargs, kwnames))
// NOLINTEND(bugprone-macro-parentheses)

#endif
