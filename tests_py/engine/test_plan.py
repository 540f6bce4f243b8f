"""How a step is shared among threads, and that it changes no more than bits."""

from __future__ import annotations

import platform
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import swiftbackprop as sb
from helpers import compiler, refused, run_python_ok

WIDE = [784, 256, 10]


@pytest.fixture
def wide_data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((300, 784), dtype=np.float32), rng.integers(0, 10, 300)


def classifier(sizes: list[int], dtype: str = "float32") -> sb.Network:
    return sb.Network(sizes, output="softmax", loss="cross_entropy", dtype=dtype, seed=0)


def test_small_steps_stay_on_one_thread() -> None:
    with threadpool_limits(2):
        assert classifier([4, 10, 3])._plan(16, 2) == 1
        said = classifier([4, 10, 3]).plan(batch_size=16)
    assert "1 of 2 threads" in said


def test_large_steps_are_shared(wide_data: tuple[np.ndarray, np.ndarray]) -> None:
    net = classifier(WIDE)
    with threadpool_limits(2):
        assert net._plan(128, 2) == 2
        said = net.plan(wide_data[0], batch_size=128)
    assert "2 of 2 threads: each takes 64 rows" in said
    assert "gathered" in said
    assert "where they lie" in net.plan(wide_data[0], shuffle=False)
    assert "dtype" in net.plan(wide_data[0].astype(float))


PLANS = """
from threadpoolctl import threadpool_limits

import swiftbackprop as sb

with threadpool_limits(1):
    for sizes, dtype, rows in (
        ([784, 128, 10], "float32", 128),
        ([784, 128, 10], "float32", 2),
        ([64, 16, 10], "float32", 64),
        ([64, 512, 513, 513, 10], "float32", 64),
        ([64, 512, 5], "float64", 64),
        ([4096, 300], "float32", 64),
    ):
        net = sb.Network(sizes, dtype=dtype, seed=0)
        print(*net.plan(batch_size=rows).splitlines()[2:], sep="\\n")
"""

# With 32 registers of 64 bytes the engine multiplies whatever is about as large as a tile; those of
# aarch64 have 16 bytes.
IN_WORDS = {
    "aarch64": """\
Tiles of the engine's own make z(1..2) and grad_W(1..2): they multiply in place.
BLAS makes grad_a(1): W lies the other way round there.
Tiles of the engine's own make grad_W(1..2): they multiply in place.
BLAS makes z(1..2) and grad_a(1): a tile has more rows.
Tiles of the engine's own make z(1..2) and grad_W(1..2): they multiply in place.
Tiles of the engine's own make grad_a(1): W, which lies the other way round there, is copied first.
Tiles of the engine's own make z(1), z(4), grad_W(1) and grad_W(4): they multiply in place.
BLAS makes grad_a(1..3): W lies the other way round there.
BLAS makes z(2..3) and grad_W(2..3): the layer's rows, more than 2 KB each, lie too far apart for \
tiles.
Tiles of the engine's own make z(2) and grad_W(2): they multiply in place.
BLAS makes grad_a(1): W lies the other way round there.
BLAS makes z(1) and grad_W(1): the layer's rows, more than 2 KB each, lie too far apart for tiles.
Tiles of the engine's own make grad_W(1): they multiply in place.
BLAS makes z(1): more than 4 MB do not stay in the cache.
""",
    "v3": """\
Tiles of the engine's own make z(1..2) and grad_W(1..2): they multiply in place.
BLAS makes grad_a(1): W lies the other way round there.
Tiles of the engine's own make grad_W(1..2): they multiply in place.
BLAS makes z(1..2) and grad_a(1): a tile has more rows.
Tiles of the engine's own make z(1..2) and grad_W(1..2): they multiply in place.
Tiles of the engine's own make grad_a(1): W, which lies the other way round there, is copied first.
Tiles of the engine's own make z(1) and grad_W(1): they multiply in place.
BLAS makes grad_a(1..3): W lies the other way round there.
BLAS makes z(4) and grad_W(4): a tile is much wider than the layer.
BLAS makes z(2..3) and grad_W(2..3): the layer's rows, more than 2 KB each, lie too far apart for \
tiles.
BLAS makes grad_a(1): W lies the other way round there.
BLAS makes z(2) and grad_W(2): a tile is much wider than the layer.
BLAS makes z(1) and grad_W(1): the layer's rows, more than 2 KB each, lie too far apart for tiles.
Tiles of the engine's own make grad_W(1): they multiply in place.
BLAS makes z(1): more than 4 MB do not stay in the cache.
""",
    "v4": """\
Tiles of the engine's own make z(1): they multiply in place.
Tiles of the engine's own make grad_a(1) and grad_W(1): both factors are brought into their order \
first, a block at a time.
BLAS makes z(2) and grad_W(2): a tile is much wider than the layer.
Tiles of the engine's own make grad_W(1): they multiply in place.
BLAS makes z(1..2) and grad_a(1): a tile has more rows.
BLAS makes grad_W(2): a tile is much wider than the layer.
BLAS makes z(1..2), grad_a(1) and grad_W(1..2): a tile is much wider than the layer.
Tiles of the engine's own make z(1..3), grad_a(1..3) and grad_W(1..3): both factors are brought \
into their order first, a block at a time.
BLAS makes z(4) and grad_W(4): a tile is much wider than the layer.
Tiles of the engine's own make z(1), grad_a(1) and grad_W(1): both factors are brought into their \
order first, a block at a time.
BLAS makes z(2) and grad_W(2): a tile is much wider than the layer.
Tiles of the engine's own make z(1) and grad_W(1): both factors are brought into their order \
first, a block at a time.
""",
}


def tiles_of(level: str) -> str:
    return "aarch64" if platform.machine() == "aarch64" else level


def test_who_multiplies_at_each_level(level: str) -> None:
    said = run_python_ok(PLANS, env={"SWIFTBACKPROP_ISA": level})
    if tiles_of(level) == "baseline":
        assert "Tiles" not in said
        assert "BLAS makes z(1..2), grad_a(1) and grad_W(1..2): this build" in said
    else:
        assert said == IN_WORDS[tiles_of(level)]


# A BLAS that says which products it is asked for.
TELLING_BLAS = """
#include <stdio.h>

#define GEMM(name, T)                                                                        \\
  void name(int order, int ta, int tb, int m, int n, int k, T alpha, const T *a, int lda,    \\
            const T *b, int ldb, T beta, T *c, int ldc) {                                    \\
    (void)order;                                                                             \\
    for (int i = 0; i < m; i++) {                                                            \\
      for (int j = 0; j < n; j++) {                                                          \\
        T sum = 0;                                                                           \\
        for (int l = 0; l < k; l++) {                                                        \\
          sum += a[ta == 111 ? i * lda + l : l * lda + i] *                                  \\
                 b[tb == 111 ? l * ldb + j : j * ldb + l];                                   \\
        }                                                                                    \\
        c[i * ldc + j] = alpha * sum + (beta == 0 ? 0 : beta * c[i * ldc + j]);              \\
      }                                                                                      \\
    }                                                                                        \\
    printf("%d %d %d\\n", m, n, k);                                                         \\
    fflush(stdout);                                                                          \\
  }
GEMM(cblas_sgemm, float)
GEMM(cblas_dgemm, double)
int openblas_get_num_threads(void) { return 1; }
void openblas_set_num_threads(int n) { (void)n; }
"""

STEP = """
import sys

import numpy as np
import swiftbackprop as sb

net = sb.Network([40, 600, 48, 3], optimizer=sys.argv[1], seed=0)
X, y = np.ones((16, 40), np.float32), np.ones((16, 3), np.float32)
print(net.plan(batch_size=16), flush=True)
net.fit(X, y, epochs=2, batch_size=16, progress=False)
"""


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_blas_makes_what_the_plan_says(level: str, optimizer: str, tmp_path: Path) -> None:
    source, library = tmp_path / "telling.c", tmp_path / "libtelling.so"
    source.write_text(TELLING_BLAS)
    command = [compiler("cc", "gcc", "clang"), "-shared", "-fPIC", str(source), "-o", str(library)]
    subprocess.run(command, check=True)
    env = {"SWIFTBACKPROP_ISA": level, "SWIFTBACKPROP_BLAS": str(library)}
    said = run_python_ok(STEP, optimizer, env=env)
    D, N = [40, 600, 48, 3], 16
    shapes = {
        **{f"z({m})": (N, D[m], D[m - 1]) for m in (1, 2, 3)},
        **{f"grad_a({m})": (N, D[m], D[m + 1]) for m in (1, 2)},
        **{f"grad_W({m})": (D[m - 1], D[m], N) for m in (1, 2, 3)},
    }
    promised = set()
    for names in re.findall(r"BLAS makes (.*):", said):
        for name, first, last in re.findall(r"(\w+)\((\d)(?:\.\.(\d))?\)", names):
            promised |= {shapes[f"{name}({m})"] for m in range(int(first), int(last or first) + 1)}
    lines = [line.split() for line in said.splitlines() if re.fullmatch(r"\d+ \d+ \d+", line)]
    made = {(int(m), int(n), int(k)) for m, n, k in lines}
    assert made & set(shapes.values()) == promised
    assert len(promised) == {"baseline": 8, "v3": 3, "v4": 2, "aarch64": 3}[tiles_of(level)]


def test_every_product_of_a_shared_step_has_a_maker() -> None:
    """Also where threads share X by its columns, and where a share is narrower than a tile."""
    for sizes, rows in (([784, 64, 10], 128), ([2, 300, 300, 1], 2**40), ([5, 1], 16)):
        with threadpool_limits(2):
            said = sb.Network(sizes, seed=0).plan(batch_size=rows)
        last = len(sizes) - 1
        named = re.findall(r"(\w+)\((\d)(?:\.\.(\d))?\)", said)
        for name, layers in (("z", last), ("grad_a", last - 1), ("grad_W", last)):
            runs = [(int(first), int(end or first)) for word, first, end in named if word == name]
            assert sorted(m for a, b in runs for m in range(a, b + 1)) == [*range(1, layers + 1)]


def test_the_limit_is_obeyed() -> None:
    net = classifier(WIDE)
    with threadpool_limits(1):
        assert "One thread is allowed" in net.plan(batch_size=128)
        assert sb.get_num_threads() == 1


def test_wider_nets_never_get_fewer_threads() -> None:
    parts = [classifier([64, width, 10])._plan(64, 8) for width in range(16, 513, 16)]
    assert parts == sorted(parts)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_one_thread_and_several_agree(
    wide_data: tuple[np.ndarray, np.ndarray], optimizer: str
) -> None:
    X, y = wide_data[0].astype(np.float64), wide_data[1]
    results = []
    for threads in (1, 2, 3):
        net = sb.Network(
            WIDE, output="softmax", loss="cross_entropy", dtype="float64", seed=0,
            optimizer=optimizer, l2=1e-3,
        )  # fmt: skip
        with threadpool_limits(threads):
            net.fit(X, y, epochs=2, batch_size=128, progress=False)
        results.append(net.parameters.copy())
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], rtol=0, atol=1e-12)


def test_the_same_threads_give_the_same_bits(wide_data: tuple[np.ndarray, np.ndarray]) -> None:
    results = []
    for _ in range(3):
        net = classifier(WIDE)
        with threadpool_limits(2):
            net.fit(*wide_data, epochs=2, batch_size=64, progress=False)
        results.append(net.parameters.copy())
    assert all(np.array_equal(results[0], other) for other in results[1:])


def test_blas_gets_its_threads_back(wide_data: tuple[np.ndarray, np.ndarray]) -> None:
    with threadpool_limits(2):
        classifier(WIDE).fit(*wide_data, epochs=1, progress=False)
        assert sb.get_num_threads() == 2


def test_no_rows_make_no_plan() -> None:
    net = sb.Network([4, 10, 3], seed=0)
    refused(lambda: net.plan(np.empty((0, 4))), ValueError, "X has no rows")
