// Docstrings of Net's public methods (numpydoc), apart from the code they describe; at the end the
// methods as they stand in the table.
PyDoc_STRVAR(
    forward_doc,
    "forward($self, X, *, copy=None, method='matrices', training=False)\n--\n\n"
    "Compute z(m) = W(m) a(m-1) + b(m), a(m) = sigma(z(m)) for m = 1..L.\n\n"
    "Parameters\n"
    "----------\n"
    "X : array_like, shape (N, D(0))\n"
    "    One example per row. Used where it lies, not copied, and kept until the next\n"
    "    forward or release: changing it in between changes grad_W(1).\n"
    "copy : bool or None, default None\n"
    "    NumPy 2's meaning: None converts only what must be converted, False raises\n"
    "    instead, True always copies.\n"
    "method : {'matrices', 'vectors', 'loops'}, default 'matrices'\n"
    "    How the same numbers are computed: the whole batch by matrix products on all\n"
    "    threads, one example at a time by matrix-vector products, or one number at a time\n"
    "    by the lectures' sums in scalar loops. The last two take one thread.\n"
    "training : bool, default False\n"
    "    Drop units, in a network with dropout: a(m) is then sigma(z(m)) times a mask of 0 and\n"
    "    1 / (1 - p), and the next backward uses the same masks.\n\n"
    "Returns\n"
    "-------\n"
    "ndarray, shape (N, D(L))\n"
    "    a(L), a read-only view of the engine's memory that never changes.\n\n"
    "Raises\n"
    "------\n"
    "ValueError\n"
    "    If the shape does not fit, or X or a weight is NaN or infinite, or there is no such\n"
    "    method.\n"
    "TypeError\n"
    "    If X is not numeric.\n\n"
    "Examples\n"
    "--------\n"
    ">>> import numpy as np, swiftbackprop as sb\n"
    ">>> net = sb.Network([2, 3, 1], seed=0)\n"
    ">>> X = np.ones((4, 2), dtype=np.float32)\n"
    ">>> net.forward(X).shape\n"
    "(4, 1)\n"
    ">>> bool(np.allclose(net.forward(X), net.forward(X, method='loops')))\n"
    "True\n");

PyDoc_STRVAR(
    backward_doc,
    "backward($self, y, *, sample_weight=None, accumulate=False, copy=None, method='matrices')"
    "\n--\n\n"
    "Compute every gradient of the cost C at the last forward.\n\n"
    "C is the (weighted) mean over the batch of the examples' costs; row n of grad_z and\n"
    "grad_a carries its 1/N, or w_n / sum(w).\n\n"
    "Parameters\n"
    "----------\n"
    "y : array_like, shape (N, D(L)), or (N,)\n"
    "    A row per example. With (N,) and D(L) > 1: class indices 0..D(L)-1.\n"
    "sample_weight : array_like, shape (N,), optional\n"
    "    Weights w_n >= 0; 1 by default.\n"
    "accumulate : bool, default False\n"
    "    Add to grad_W and grad_b instead of replacing them.\n"
    "copy : bool or None, default None\n"
    "    As for forward.\n"
    "method : {'matrices', 'vectors', 'loops'}, default 'matrices'\n"
    "    As for forward, whichever method that took.\n\n"
    "Returns\n"
    "-------\n"
    "float\n"
    "    C.\n\n"
    "Raises\n"
    "------\n"
    "RuntimeError\n"
    "    Without a forward since the last change of the weights by step or fit.\n"
    "ValueError, TypeError\n"
    "    If y or sample_weight does not fit.\n"
    "DivergenceError\n"
    "    If the loss or a gradient is NaN or infinite.\n\n"
    "Examples\n"
    "--------\n"
    ">>> import numpy as np, swiftbackprop as sb\n"
    ">>> net = sb.Network([1, 1], seed=0, dtype='float64')\n"
    ">>> net.layers[0].W = [[2.0]]\n"
    ">>> a = net.forward(np.array([[1.0], [3.0]]))\n"
    ">>> net.backward(np.array([1.0, 3.0]))\n"
    "2.5\n"
    ">>> net.layers[0].grad_W\n"
    "array([[5.]])\n");

PyDoc_STRVAR(
    step_doc,
    "step($self)\n--\n\n"
    "Update every W and b once from the gradients.\n\n"
    "In this order: clipping by the global norm, the l2 and l1 terms of W, the optimizer,\n"
    "its decoupled decay. The gradients stay as they are.\n\n"
    "Raises\n"
    "------\n"
    "RuntimeError\n"
    "    Before any backward.\n"
    "DivergenceError\n"
    "    If a gradient is NaN or infinite; then nothing is changed.\n");

PyDoc_STRVAR(
    predict_doc,
    "predict($self, X, *, copy=None)\n--\n\n"
    "Compute a(L) for the rows of X; nothing of X is kept.\n\n"
    "Parameters\n"
    "----------\n"
    "X : array_like, shape (N, D(0))\n"
    "    Any numeric dtype and strides; what needs a conversion is converted by blocks of\n"
    "    rows, never the whole.\n"
    "copy : bool or None, default None\n"
    "    As for forward.\n\n"
    "Returns\n"
    "-------\n"
    "ndarray, shape (N, D(L))\n"
    "    An array of its own.\n\n"
    "Raises\n"
    "------\n"
    "ValueError\n"
    "    If the shape does not fit, or X or a weight is NaN or infinite.\n"
    "TypeError\n"
    "    If X is not numeric.\n\n"
    "Examples\n"
    "--------\n"
    ">>> import numpy as np, swiftbackprop as sb\n"
    ">>> sb.Network([2, 3], seed=0).predict(np.zeros((1, 2)))\n"
    "array([[0., 0., 0.]], dtype=float32)\n");

PyDoc_STRVAR(release_doc,
             "release($self)\n--\n\n"
             "Let go of the X of the last forward; backward then needs a new forward.\n");

PyDoc_STRVAR(close_doc,
             "close($self)\n--\n\n"
             "Free the engine's memory now. Views of it stay valid; the network does not.\n");

// clang-format off
SB_GUARD(sb_net_forward_from, Net, self)
SB_GUARD(sb_net_step, Net, self)
SB_GUARD(sb_net_release, Net, self)
SB_GUARD(net_close, Net, self)
SB_GUARD(net_create, Net, self)
SB_GUARD(net_copy_from, Net, self)
SB_GUARD(sb_net_reset, Net, self)
SB_GUARD(sb_net_in_place, Net, self)
SB_GUARD(sb_net_input, Net, self)
SB_GUARD(sb_net_view, Net, self)
SB_GUARD(sb_net_option, Net, self)
SB_GUARD(sb_net_set_option, Net, self)
SB_GUARD(sb_net_generator, Net, self)
SB_GUARD(sb_net_set_generator, Net, self)
SB_GUARD(sb_net_draw_order, Net, self)
SB_GUARD(sb_net_work, Net, self)
SB_GUARD(sb_net_plan, Net, self)
SB_GUARD(sb_net_maker, Net, self)
SB_GUARD(sb_net_slot_count, Net, self)
SB_GUARD_FAST(sb_net_evaluate, Net, self)
SB_GUARD_FAST(sb_net_fit, Net, self)
SB_GUARD_FAST(sb_net_jacobian, Net, self)
SB_GUARD_FAST(sb_net_input_gradient, Net, self)
SB_GUARD_FAST(sb_net_gradient_norms, Net, self)
SB_GUARD_FAST(sb_net_hvp, Net, self)
SB_GUARD_KEYWORDS(sb_net_forward, Net, self)
SB_GUARD_KEYWORDS(sb_net_backward, Net, self)
SB_GUARD_KEYWORDS(sb_net_predict, Net, self)
// clang-format on
