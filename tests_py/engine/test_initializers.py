"""Initial weights: their distribution, their seeds, and the documented generator."""

from __future__ import annotations

import math

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import DTYPES, quiet_network
from reference import INITIALIZERS, initializer_bound, initializer_std

FAN_IN, FAN_OUT = 400, 250
RANDOM = [name for name in INITIALIZERS if initializer_std(name, FAN_IN, FAN_OUT)]


def weights(name: str | None, dtype: str = "float64", seed: int = 0, **keywords: str) -> np.ndarray:
    net = quiet_network([FAN_IN, FAN_OUT], dtype=dtype, seed=seed, initializer=name, **keywords)
    W: np.ndarray = net.layers[0].W.copy()
    assert np.all(net.layers[0].b == 0)
    return W


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", RANDOM)
def test_distribution(name: str, dtype: str) -> None:
    W = weights(name, dtype).astype("float64").ravel()
    count, std = W.size, initializer_std(name, FAN_IN, FAN_OUT)
    assert abs(W.mean()) < 5 * std / math.sqrt(count)
    assert W.std() == pytest.approx(std, rel=0.02)
    if INITIALIZERS[name].is_uniform:
        bound = initializer_bound(name, FAN_IN, FAN_OUT) * (1 + 1e-6)
        assert np.abs(W).max() <= bound
        assert np.abs(W).max() > 0.999 * bound
        share = np.histogram(W, 20, (-bound, bound))[0] / count
        assert np.abs(share - 0.05).max() < 0.004
    else:  # not truncated: three and four standard deviations occur as often as they should
        for limit in (1, 2, 3, 4):
            wanted = math.erfc(limit / math.sqrt(2))
            found = np.mean(np.abs(W) > limit * std)
            assert found == pytest.approx(wanted, abs=5 * math.sqrt(wanted / count))
        assert np.mean(W**3) == pytest.approx(0, abs=10 * std**3 / math.sqrt(count))
        assert np.mean(W**4) == pytest.approx(3 * std**4, rel=0.05)
    rows = W.reshape(FAN_OUT, FAN_IN)  # neighbours are independent
    assert abs(np.mean(rows[:, 1:] * rows[:, :-1])) < 6 * std**2 / math.sqrt(count)
    assert abs(np.mean(rows[1:] * rows[:-1])) < 6 * std**2 / math.sqrt(count)


def test_zeros() -> None:
    assert np.all(weights("zeros") == 0)


def test_defaults_follow_the_activation() -> None:
    for output in ("relu", "leaky_relu"):
        np.testing.assert_array_equal(
            weights(None, output=output), weights("he_normal", output=output)
        )
    for output in ("identity", "tanh", "sigmoid", "softmax", "exp", "softplus"):
        np.testing.assert_array_equal(
            weights(None, output=output), weights("glorot_uniform", output=output)
        )


def test_each_layer_has_its_own_default_and_its_own_numbers() -> None:
    net = quiet_network([300, 300, 300, 300], activation=["relu", "tanh"], output="relu", seed=0)
    stds = [layer.W.std() for layer in net.layers]
    he, glorot = initializer_std("he_normal", 300, 300), initializer_std("glorot_uniform", 300, 300)
    assert stds == pytest.approx([he, glorot, he], rel=0.02)
    assert abs(np.corrcoef(net.layers[0].W.ravel(), net.layers[2].W.ravel())[0, 1]) < 0.02


def test_seeds() -> None:
    assert not np.array_equal(weights("he_normal", seed=0), weights("he_normal", seed=1))
    np.testing.assert_array_equal(weights("he_normal", seed=3), weights("he_normal", seed=3))
    for seed in (0, 1, 2**31, 2**63 - 1):
        net = sb.Network([3, 4], seed=seed)
        assert net.seed == seed
        assert len(set(net.layers[0].W.ravel().tolist())) == 12


@pytest.mark.parametrize("name", RANDOM)
def test_float32_is_float64_rounded(name: str) -> None:
    """Values are computed in double: one stream for both types."""
    np.testing.assert_array_equal(weights(name, "float32"), weights(name).astype("float32"))


def test_no_seed_draws_one_and_shows_it() -> None:
    nets = [sb.Network([5, 6, 2]) for _ in range(3)]
    assert len({net.seed for net in nets}) == 3
    assert all(isinstance(net.seed, int) for net in nets)
    again = sb.Network([5, 6, 2], seed=nets[0].seed)
    np.testing.assert_array_equal(again.parameters, nets[0].parameters)


def test_numpy_integers_are_seeds() -> None:
    one, two = sb.Network([3, 4], seed=np.int64(7)), sb.Network([3, 4], seed=7)
    np.testing.assert_array_equal(one.parameters, two.parameters)


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_given_by_the_user(dtype: str) -> None:
    rng = np.random.default_rng(0)
    given = [(rng.normal(size=(4, 3)), rng.normal(size=4)), (rng.normal(size=(2, 4)), [1.0, 2.0])]
    net = sb.Network([3, 4, 2], initializer=given, dtype=dtype, seed=0)
    for layer, (W, b) in zip(net.layers, given, strict=True):
        np.testing.assert_array_equal(layer.W, np.asarray(W, dtype))
        np.testing.assert_array_equal(layer.b, np.asarray(b, dtype))
        assert not np.shares_memory(layer.W, W)
    other = sb.Network([3, 4, 2], initializer=[(p.W, p.b) for p in net.layers], dtype=dtype)
    np.testing.assert_array_equal(other.parameters, net.parameters)


# --- The documented generator, written again from its published description --------------

MASK = 2**64 - 1


def splitmix64(seed: int, count: int) -> list[int]:
    """Steele, Lea, Flood (2014): how a seed becomes a state."""
    words = []
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        words.append(z ^ (z >> 31))
    return words


def rotated(x: int, by: int) -> int:
    return ((x << by) | (x >> (64 - by))) & MASK


class Xoshiro256:
    """xoshiro256** (Blackman and Vigna, 2018)."""

    def __init__(self, seed: int) -> None:
        self.s = splitmix64(seed, 4)

    def next(self) -> int:
        s = self.s
        result = (rotated((s[1] * 5) & MASK, 7) * 9) & MASK
        t = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotated(s[3], 45)
        return result

    def uniform(self) -> float:
        """53 bits in [0, 1)."""
        return (self.next() >> 11) * 2.0**-53


def test_the_stream_is_the_documented_one() -> None:
    """glorot_uniform's weights are r (2u − 1), u the stream's uniforms, in the flat order."""
    net = sb.Network([3, 5, 2], initializer="glorot_uniform", dtype="float64", seed=42)
    generator = Xoshiro256(42)
    for layer in net.layers:
        out, into = layer.W.shape
        r = initializer_bound("glorot_uniform", into, out)
        u = np.array([generator.uniform() for _ in range(into * out)]).reshape(into, out)
        np.testing.assert_allclose(layer.W, (r * (2 * u - 1)).T, rtol=1e-15, atol=1e-16)
