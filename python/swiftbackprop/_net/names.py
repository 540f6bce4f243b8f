"""What is meant by a name that is not known: a word of another library, or the nearest name.

A word is looked up here only when it is not known, so that the error can say what is meant; the
tables are imported then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, ParamSpec, TypeVar

from swiftbackprop._net.checks import short

# What people set on a network to change its training.
_SETTINGS = ("lr", "learning_rate", "learning_rate_init", "momentum", "weight_decay", "trainable")

P = ParamSpec("P")
R = TypeVar("R")


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
    hint = told(kind, name, allowed)
    if hint:
        return hint
    near = nearest(name, allowed)
    return f"did you mean {near!r}?" if near else ""


def told(kind: str, name: str, allowed: Collection[str]) -> str:
    """Return what the tables alone say of a name, as a clause."""
    from swiftbackprop._net.advice import ADVICE

    advice = ADVICE.get(kind, {}).get(_squash(name, "_"))
    if advice:
        return advice
    other = translated(kind, name)
    return f"it is called {other!r} here" if other in allowed and other != name else ""


def no_attribute(module: str, kind: str, name: str, names: Collection[str]) -> AttributeError:
    """Return the error for a name that a public module does not have."""
    # Python itself has a look at names that are spelled alike.
    hint = "" if name.startswith("_") else told(kind, name, names)
    return AttributeError(f"module {module!r} has no attribute {name!r}{hint and f': {hint}'}")


def known_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function say of a keyword that it does not have what it is called here."""
    from functools import wraps

    names = _arguments(function)

    @wraps(function)
    def call(*args: P.args, **keywords: P.kwargs) -> R:
        for name in keywords:
            if name not in names:
                owner = type(args[0]) if args else None
                title = function.__qualname__.removesuffix(".__init__")
                raise TypeError(unknown_keyword(title, name, names, owner))
        return function(*args, **keywords)

    return call


def _arguments(function: Any) -> list[str]:
    code = getattr(getattr(function, "__wrapped__", function), "__code__", None)
    if code is None:  # none of Python's
        return []
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return [name for name in names if name != "self"]


def unknown_keyword(function: str, name: str, allowed: Collection[str], owner: Any = None) -> str:
    """Return the sentence for a keyword that a function does not have.

    A method is "Class.method", as it was defined. Of `owner`, whose method it is, what its
    constructor has is said too.

    Examples
    --------
    >>> from swiftbackprop._net.names import unknown_keyword
    >>> unknown_keyword("Network.fit", "nb_epoch", ["epochs"])
    "Network.fit() got an unexpected keyword argument 'nb_epoch': it is called 'epochs' here"
    """
    from swiftbackprop._net.advice import ADVICE
    from swiftbackprop._net.other_words import FIT

    base, _, method = function.partition(".")
    title = function if owner is None or not method else f"{owner.__name__}.{method}"
    kind = function.replace("MLPRegressor", "MLPClassifier")
    hint = told(kind, name, allowed)
    if not hint and method and base.startswith("Network") and kind != FIT:
        # A name that others use means the same in every method.
        hint = ADVICE["method"].get(_squash(name, "_")) or told(FIT, name, allowed)
    if not hint and method and owner is not None and name in _arguments(owner.__init__):
        hint = f"it is an argument of {owner.__name__}"
    hint = hint or meant("", name, allowed)
    sentence = f"{title}() got an unexpected keyword argument {short(name)}"
    return f"{sentence}: {hint}" if hint else sentence


def without_effect(name: str, kind: type) -> str:
    """Return why to set an attribute of a network would change nothing, as a clause; else ""."""
    found = getattr(kind, name, None)
    if isinstance(found, property) and found.fset is not None:
        return ""
    given = _arguments(getattr(kind, "__init__", None))
    if name in given:
        more = "; net.optimizer.lr and its other settings can be" if name == "optimizer" else ""
        return f"it is an argument of {kind.__name__}, which makes another network{more}"
    if found is not None:
        return ""  # Python says that it cannot be set
    from swiftbackprop._net.advice import ADVICE
    from swiftbackprop._net.other_words import MADE

    if name in _SETTINGS:
        return ADVICE["attribute"].get(name) or ADVICE[MADE].get(name, "")
    settable = [
        each for each in dir(kind) if getattr(getattr(kind, each), "fset", None) is not None
    ]
    other = translated(MADE, name)
    if other == name:
        other = nearest(name, settable, 0.8) or name
    return f"it is called {other!r} here" if other in settable and other != name else ""


def translated(kind: str, name: str) -> str:
    """Return what a name of another library is here; the same name if it is not known."""
    if kind == "column":  # of the history
        head = "val_" if name.startswith("val_") else ""
        return head + translated("metric", name.removeprefix(head))
    from swiftbackprop._net.other_words import OTHER_LIBRARIES

    word = _squash(name)
    table = {_squash(other): own for other, own in OTHER_LIBRARIES.get(kind, {}).items()}
    return table.get(word) or (kind == "loss" and table.get(word.removesuffix("loss"))) or name


def nearest(name: str, allowed: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the allowed name that is most like this one, if any is."""
    import difflib  # rarely needed

    squashed = {_squash(word): word for word in allowed}
    found = difflib.get_close_matches(_squash(name), squashed, n=1, cutoff=likeness)
    return squashed[found[0]] if found else None


def _squash(name: str, between: str = "") -> str:
    for sign in "-_ ":
        name = name.replace(sign, between)
    return name.lower()
