"""Names that users write: the nearest one allowed, and what others call it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

# What other libraries call a rule of ours; consulted when a name is not known.
_ELSEWHERE = {
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
        "poisson_nll_loss": "poisson",
    },
    "optimizer": {"nag": "nesterov", "adam_w": "adamw", "heavy_ball": "momentum"},
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
}


def unknown(kind: str, name: str, allowed: Collection[str]) -> str:
    """Return the sentence for a name that is not allowed.

    Examples
    --------
    >>> from swiftbackprop._names import unknown
    >>> unknown("activation", "swish", ["relu", "silu"])
    "unknown activation 'swish' (it is called 'silu' here); allowed: relu, silu"
    """
    other = translated(kind, name)
    if other in allowed:
        hint = f" (it is called {other!r} here)"
    else:
        near = nearest(name, allowed)
        hint = f"; did you mean {near!r}?" if near else ""
    listed = ", ".join(allowed) or "none"
    return f"unknown {kind} {name!r}{hint}{'' if hint[-1:] == '?' else ';'} allowed: {listed}"


def translated(kind: str, name: str) -> str:
    """Return what a name of another library is here; the same name if it is not known."""
    return _ELSEWHERE.get(kind, {}).get(_squash(name, "_"), name)


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
