"""What other libraries call things: the one table of it, and the nearest name that is allowed.

A word is looked up here only when it is not known, so that the error can say what is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import ParamSpec, TypeVar

from swiftbackprop._net.checks import short

P = ParamSpec("P")
R = TypeVar("R")

_RATE = "the learning rate is the optimizer's: Network(..., optimizer=sb.Adam(lr=1e-3))"
_STOP = "write callbacks=[sb.EarlyStopping(patience=10)]"
_MADE = "Network"
_FIT = "Network.fit"
_GRADIENTS = {"dw": "grad_W", "db": "grad_b", "dz": "grad_z", "da": "grad_a", "delta": "grad_z"}

# Kind of name -> what others say -> what it is called here.
_OTHER_LIBRARIES = {
    "activation": {
        "logistic": "sigmoid",
        "linear": "identity",
        "none": "identity",
        "swish": "silu",
        "leaky": "leaky_relu",
        "exponential": "exp",
        "gelu_new": "gelu_tanh",
        "log_softmax": "softmax",
    },
    "loss": {
        "mse": "squared_error",
        "mean_squared_error": "squared_error",
        "l2": "squared_error",
        "mae": "absolute_error",
        "mean_absolute_error": "absolute_error",
        "l1": "absolute_error",
        "smooth_l1": "huber",
        "log_loss": "cross_entropy",
        "nll": "cross_entropy",
        "nll_loss": "cross_entropy",
        "categorical_crossentropy": "cross_entropy",
        "sparse_categorical_crossentropy": "cross_entropy",
        "softmax_cross_entropy": "cross_entropy",
        "bce": "binary_cross_entropy",
        "poisson_nll": "poisson",
        "crossentropy": "cross_entropy",
        "binary_crossentropy": "binary_cross_entropy",
        "squared_loss": "squared_error",
        "poisson_nll_loss": "poisson",
    },
    "optimizer": {
        "nag": "nesterov",
        "adam_w": "adamw",
        "heavy_ball": "momentum",
        "sgdm": "momentum",
    },
    "initializer": {
        "xavier": "glorot_uniform",
        "xavier_uniform": "glorot_uniform",
        "xavier_normal": "glorot_normal",
        "glorot": "glorot_uniform",
        "kaiming": "he_normal",
        "kaiming_uniform": "he_uniform",
        "kaiming_normal": "he_normal",
        "he": "he_normal",
        "lecun": "lecun_normal",
        "zero": "zeros",
    },
    "dtype": {"float": "float32", "double": "float64", "single": "float32"},
    "parameter": {
        "learning_rate": "lr",
        "learning_rate_init": "lr",
        "beta1": "beta_1",
        "beta2": "beta_2",
        "eps": "epsilon",
        "alpha": "slope",
        "negative_slope": "slope",
        "beta": "delta",
    },
    "metric": {
        "acc": "accuracy",
        "accuracy_score": "accuracy",
        "binary_accuracy": "accuracy",
        "categorical_accuracy": "accuracy",
        "sparse_categorical_accuracy": "accuracy",
        "balanced_acc": "balanced_accuracy",
        "balanced_accuracy_score": "balanced_accuracy",
        "mean_squared_error": "mse",
        "squared_error": "mse",
        "root_mean_squared_error": "rmse",
        "mean_absolute_error": "mae",
        "absolute_error": "mae",
        "r2_score": "r2",
        "roc_auc": "auc",
        "roc_auc_score": "auc",
        "auroc": "auc",
        "auc_roc": "auc",
        "f1_score": "f1",
        "f1_macro": "f1",
        "confusion_matrix": "confusion",
        "precision_score": "precision",
        "precision_macro": "precision",
        "recall_score": "recall",
        "recall_macro": "recall",
        "sensitivity": "recall",
        "cross_entropy": "log_loss",
        "crossentropy": "log_loss",
        "neg_log_loss": "log_loss",
        "nll": "log_loss",
        "top_k_categorical_accuracy": "top_3",
        "top_k_accuracy": "top_3",
    },
    _FIT: {
        "nb_epoch": "epochs",
        "n_epochs": "epochs",
        "num_epochs": "epochs",
        "n_epoch": "epochs",
        "epoch": "epochs",
        "max_iter": "epochs",
        "n_iter": "epochs",
        "bs": "batch_size",
        "batchsize": "batch_size",
        "mini_batch_size": "batch_size",
        "eval_set": "validation_data",
        "validation": "validation_data",
        "valid_data": "validation_data",
        "val_data": "validation_data",
        "validation_set": "validation_data",
        "validation_fraction": "validation_split",
        "test_size": "validation_split",
        "weights": "sample_weight",
        "sample_weights": "sample_weight",
        "class_weights": "class_weight",
        "callback": "callbacks",
        "metric": "metrics",
        "scoring": "metrics",
        "target": "y",
        "targets": "y",
        "labels": "y",
        "data": "X",
        "inputs": "X",
        "steps": "steps_per_epoch",
        "verbosity": "verbose",
    },
    _MADE: {
        "hidden_layer_sizes": "sizes",
        "layer_sizes": "sizes",
        "layers": "sizes",
        "hidden_sizes": "sizes",
        "units": "sizes",
        "activations": "activation",
        "hidden_activation": "activation",
        "nonlinearity": "activation",
        "out_activation": "output",
        "output_activation": "output",
        "final_activation": "output",
        "criterion": "loss",
        "cost": "loss",
        "loss_function": "loss",
        "solver": "optimizer",
        "random_state": "seed",
        "random_seed": "seed",
        "init": "initializer",
        "kernel_initializer": "initializer",
        "weight_init": "initializer",
        "alpha": "l2",
        "l2_reg": "l2",
        "regularization": "l2",
        "kernel_regularizer": "l2",
        "clipnorm": "clip_norm",
        "global_clipnorm": "clip_norm",
        "max_grad_norm": "clip_norm",
        "dropout_rate": "dropout",
        "drop_rate": "dropout",
        "p_dropout": "dropout",
        "normalization": "norm",
    },
    "attribute": {
        "decision_function": "predict",
        "transform": "predict",
        "predict_on_batch": "predict",
        "test_on_batch": "evaluate",
        "losses": "loss",
        "criterion": "loss",
        "classes": "classes_",
        "weights": "parameters",
        "trainable_weights": "parameters",
        "trainable_variables": "parameters",
        "count_params": "n_parameters",
        "num_parameters": "n_parameters",
        "save_weights": "save",
        "fit_generator": "fit",
        "partial_fit": "fit",
        "train": "fit",
        "layer_sizes": "sizes",
        "random_state": "seed",
        "plot_model": "diagram",
        "clone": "copy",
        "reset_states": "reset",
        "reset_parameters": "reset",
    },
    "attribute of a layer": {
        "weight": "W",
        "weights": "W",
        "kernel": "W",
        "bias": "b",
        "biases": "b",
        **_GRADIENTS,
        "output": "a",
        "input": "a",
    },
    "quantity": _GRADIENTS,
}

# Kind of name -> what others say -> what to write here, where no single name stands for it.
_ADVICE = {
    "parameter": {
        "betas": "write beta_1 and beta_2",
        "nesterov": "it is sb.Nesterov(...)",
        "amsgrad": "the engine has no AMSGrad",
        "clipnorm": "write Network(..., clip_norm=...)",
        "decay": "write callbacks=[sb.LearningRateScheduler(...)] in fit",
    },
    _FIT: {
        "lr": f"{_RATE}; of a network that is made, net.optimizer.lr = 1e-3",
        "learning_rate": f"{_RATE}; of a network that is made, net.optimizer.lr = 1e-3",
        "learning_rate_init": _RATE,
        "optimizer": "it is an argument of Network",
        "loss": "it is an argument of Network",
        "seed": "it is an argument of Network; net.reset(seed) begins anew",
        "random_state": "write Network(..., seed=...); net.reset(seed) begins anew",
        "early_stopping": _STOP,
        "patience": _STOP,
        "early_stopping_rounds": _STOP,
        "initial_epoch": "fit goes on where the last one ended",
    },
    _MADE: {
        "lr": _RATE,
        "learning_rate": _RATE,
        "learning_rate_init": _RATE,
        "momentum": "write optimizer=sb.Momentum(lr=0.01, momentum=0.9)",
        "weight_decay": "write optimizer=sb.AdamW(weight_decay=0.01), or l2=0.01 for a penalty",
        "batch_norm": 'write norm="batch"',
        "batchnorm": 'write norm="batch"',
        "layer_norm": 'write norm="layer"',
        "epochs": "it is an argument of fit",
        "max_iter": "write epochs=... in fit",
        "batch_size": "it is an argument of fit",
        "metrics": "it is an argument of fit and evaluate",
        "callbacks": "it is an argument of fit",
        "verbose": "it is an argument of fit",
        "early_stopping": f"{_STOP} in fit",
        "device": "networks run on the CPU",
        "bias": "every layer has one",
        "use_bias": "every layer has one",
    },
    "method": {
        "batch_size": "leave it out: the engine takes the rows in blocks",
        "verbose": "leave it out: only fit shows progress",
        "progress": "leave it out: only fit shows progress",
        "training": "leave it out: only fit, and forward with training=True, use dropout",
    },
    "attribute": {
        "compile": "a network is ready once it is made; loss and optimizer are arguments of "
        "Network, metrics one of fit",
        "add": "all layers are given at once, as in Network([4, 16, 3])",
        "build": "a network is ready once it is made",
        "coefs_": "write [layer.W.T for layer in net.layers]",
        "coef_": "write net.layers[0].W",
        "intercepts_": "write [layer.b for layer in net.layers]",
        "intercept_": "write net.layers[0].b",
        "get_params": "write net.sizes, net.optimizer and so on; estimators are in "
        "swiftbackprop.sklearn",
        "set_params": "estimators are in swiftbackprop.sklearn",
        "load_weights": "write net.load_state_dict(...), net.set_weights(...) or sb.load(path)",
        "load": "write sb.load(path)",
        "eval": "predict and evaluate use no dropout; forward only with training=True",
        "zero_grad": "backward writes gradients anew, unless accumulate=True",
        "train_on_batch": "write net.forward(X); net.backward(y); net.step()",
        "to": "networks run on the CPU; dtype is an argument of Network",
        "cuda": "networks run on the CPU",
        "cpu": "networks run on the CPU",
        "grad": "write net.gradients, or net.layer(m).grad_W",
        "lr": "write net.optimizer.lr",
        "learning_rate": "write net.optimizer.lr",
        "predict_log_proba": "write np.log(net.predict_proba(X))",
        "loss_curve_": 'write net.history["loss"]',
        "loss_": 'write net.history["loss"][-1]',
        "fit_transform": "write net.fit(X, y); net.predict(X)",
        "named_parameters": "write net.state_dict()",
    },
}


def unknown(kind: str, name: str, allowed: Collection[str]) -> str:
    """Return the sentence for a name that is not allowed.

    Examples
    --------
    >>> from swiftbackprop._net.names import unknown
    >>> unknown("activation", "swish", ["relu", "silu"])
    "unknown activation 'swish' (it is called 'silu' here); allowed: relu, silu"
    """
    hint = meant(kind, name, allowed)
    words = f"unknown {kind} {short(name)}"
    if hint.endswith("?"):
        words += f"; {hint}"
    else:
        words += f" ({hint});" if hint else ";"
    return f"{words} allowed: {', '.join(allowed) or 'none'}"


def meant(kind: str, name: str, allowed: Collection[str]) -> str:
    """Return what to write instead of a name, as a clause; "" if nothing is like it."""
    word = _squash(name, "_")
    if word in _ADVICE.get(kind, {}):
        return _ADVICE[kind][word]
    other = translated(kind, name)
    if other in allowed and other != name:
        return f"it is called {other!r} here"
    near = nearest(name, allowed)
    return f"did you mean {near!r}?" if near else ""


def known_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function say of a keyword that it does not have what it is called here."""
    from functools import wraps

    code = function.__code__
    names = [
        n for n in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if n != "self"
    ]
    title = function.__qualname__.removesuffix(".__init__")

    @wraps(function)
    def call(*args: P.args, **keywords: P.kwargs) -> R:
        for name in keywords:
            if name not in names:
                raise TypeError(unknown_keyword(title, name, names))
        return function(*args, **keywords)

    return call


def unknown_keyword(function: str, name: str, allowed: Collection[str]) -> str:
    """Return the sentence for a keyword that a function does not have.

    Examples
    --------
    >>> from swiftbackprop._net.names import unknown_keyword
    >>> unknown_keyword("Network.fit", "nb_epoch", ["epochs"])
    "Network.fit() got an unexpected keyword argument 'nb_epoch': it is called 'epochs' here"
    """
    if function in _OTHER_LIBRARIES:
        hint = meant(function, name, allowed)
    else:  # a name that others use means the same in every method
        hint = _ADVICE["method"].get(_squash(name, "_")) or meant(_FIT, name, allowed)
    sentence = f"{function}() got an unexpected keyword argument {short(name)}"
    return f"{sentence}: {hint}" if hint else sentence


def translated(kind: str, name: str) -> str:
    """Return what a name of another library is here; the same name if it is not known."""
    return _OTHER_LIBRARIES.get(kind, {}).get(_squash(name, "_"), name)


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed name that is most like this one, if any is."""
    import difflib  # rarely needed

    squashed = {_squash(word): word for word in allowed}
    found = difflib.get_close_matches(_squash(name), squashed, n=1, cutoff=0.6)
    return squashed[found[0]] if found else None


def _squash(name: str, between: str = "") -> str:
    for sign in "-_ ":
        name = name.replace(sign, between)
    return name.lower()
