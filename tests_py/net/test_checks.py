"""The checks of arguments: one wording for all of them, and what is let through."""

from __future__ import annotations

import argparse
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused
from swiftbackprop._net.checks import as_bool, as_int, as_number, from_text, listed


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: as_int(0, "n", min_=1), ValueError, "n must be an int >= 1, got 0"),
        (lambda: as_int(9, "n", min_=1, max_=8), ValueError, "n must be an int in 1..8, got 9"),
        (lambda: as_int(2.0, "n", min_=1), TypeError, "n must be an int >= 1, got 2.0 (float)"),
        (lambda: as_int(True, "n"), TypeError, "n must be an int, got True (bool)"),
        (lambda: as_int(10**5000, "n", min_=0), ValueError,
         "n must be an int in 0..9223372036854775807, got an int of too many digits"),
        (lambda: as_int("3", "n", min_=0, also=" or None"), TypeError,
         "n must be an int >= 0 or None, got '3' (str)"),
        (lambda: as_number(-1, "x", min_=0), ValueError, "x must be a finite number >= 0, got -1"),
        (lambda: as_number(0, "x", above=0), ValueError, "x must be a finite number > 0, got 0"),
        (lambda: as_number(np.inf, "x", min_=0), ValueError,
         "x must be a finite number >= 0, got inf"),
        (lambda: as_number(np.nan, "x", min_=0, below=1), ValueError,
         "x must be a number in [0, 1), got nan"),
        (lambda: as_number(0, "x", above=0, max_=1), ValueError,
         "x must be a number in (0, 1], got 0"),
        (lambda: as_number(10**400, "x", min_=0), ValueError,
         "x must be a finite number >= 0, got inf"),
        (lambda: as_number("0.5", "x"), TypeError, "x must be a number, got '0.5' (str)"),
        (lambda: as_number(1j, "x"), TypeError, "x must be a number, got 1j (complex)"),
        (lambda: as_bool(1, "b"), TypeError, "b must be True or False, got 1 (int)"),
        (lambda: sb.Network([2, 1]).fit([[1.0, 2.0]], [1.0], epochs=-1), ValueError,
         "epochs must be an int >= 0, got -1"),
    ],
)  # fmt: skip
def test_messages(call: Any, kind: type[Exception], message: str) -> None:
    assert refused(call, kind) == message


def test_numbers_that_are_let_through() -> None:
    assert as_int(np.int8(3), "n", min_=3, max_=3) == 3
    assert as_int(-5, "n") == -5
    assert as_number(np.float32(0.5), "x", min_=0.5, max_=0.5) == 0.5
    assert as_number(Fraction(1, 4), "x") == 0.25
    assert as_number(np.inf, "x") == np.inf
    assert as_bool(np.True_, "b") is True


def test_numbers_from_text() -> None:
    share = from_text(float, above=0, below=1)
    assert share("0.25") == 0.25
    for wrong in ("1", "nan", "0_1", "x", ""):
        with pytest.raises(argparse.ArgumentTypeError) as error:
            share(wrong)
        assert str(error.value) == f"must be a number in (0, 1), got {wrong!r}"


def test_long_lists_are_cut() -> None:
    assert listed("abc", 3) == "a, b, c"
    assert listed(range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    labels = [f"c{n}" for n in range(40)]
    net = sb.Network([2, 3], loss="cross_entropy", seed=0)
    message = refused(lambda: setattr(net, "classes_", labels), ValueError, "40 labels of text")
    assert "'c4' and 35 more" in message
