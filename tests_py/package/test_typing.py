"""The types that users see: mypy on a small program, and the stub against the module."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import swiftbackprop as sb
from optimizer_stub import STUB, stub

pytest.importorskip("mypy")

PACKAGE = Path(sb.__file__).parent

PROGRAM = """
import numpy as np
import swiftbackprop as sb

X = np.zeros((4, 3), np.float32)
net = sb.Network([3, 5, 2], activation="tanh", output="softmax", optimizer=sb.Adam(1e-3), seed=0)
a = net.forward(X, copy=False)
loss: float = net.backward([0, 1, 0, 1], sample_weight=[1.0, 1.0, 2.0, 0.0])
a = net.forward(X, method="loops")
loss = net.backward([0, 1, 0, 1], method="vectors")
net.step()
history: sb.History = net.fit(
    X, np.zeros(4, int), epochs=1, batch_size=2, validation_data=(X, np.zeros(4, int)),
    progress=False,
)
losses: list[float] = history["loss"]
reason: str = history.stop_reason
score: dict[str, float] = net.evaluate(X, [0, 1, 0, 1])
W: np.ndarray = net.layers[0].W
net.layers[0].W = np.zeros((5, 3))
m: int = net.layer(1).m
count: int = net.n_parameters
seed: int = net.seed
twin: sb.Network = net.copy()
net.optimizer.lr = 0.1
rule = sb.activation("leaky_relu", slope=0.1)
z = rule.derivative(rule(X))
text: str = sb.explain_copy(X, net)
pairs: list[tuple[np.ndarray, np.ndarray]] = net.unflatten(net.parameters)
flat: np.ndarray = net.flatten(pairs)
rate: float = sb.AdamW(1e-3, weight_decay=0.1).weight_decay
keep: sb.EarlyStopping = sb.EarlyStopping(patience=3)
step: sb.schedules.Step = sb.schedules.Step(2)
picture: sb.Picture = net.diagram()


class Enough(sb.Callback):
    def on_epoch_end(self, net: sb.Network, epoch: int, logs: dict[str, float]) -> bool:
        return logs["loss"] < 0.1


def enough(net: sb.Network, epoch: int, logs: dict[str, float]) -> bool:
    return logs["loss"] < 0.1


net.fit(X, np.zeros(4, int), epochs=1, callbacks=[Enough(), enough], progress=False)
"""
# Beside it, for scikit-learn has no types: what `fit` returns is known all the same.
ESTIMATORS = """
import numpy as np
from swiftbackprop.sklearn import MLPClassifier, MLPRegressor

X, y = np.zeros((4, 3)), np.array([0, 1, 0, 1])
model: MLPClassifier = MLPClassifier((2,), max_iter=1).fit(X, y)
sizes: tuple[int, ...] = MLPRegressor(hidden_layer_sizes=2, max_iter=1).fit(X, y).network_.sizes
again: MLPClassifier = model.partial_fit(X, y)
"""

MISTAKES = [
    "sb.Network([3, 2], 'tanh')",
    "sb.Network([3, 2], activations='tanh')",
    "sb.Network('32')",
    "sb.Network([3, 2]).fit(None)",
    "sb.Network([3, 2]).forward(np.zeros((1, 3)), np.zeros(1))",
    "sb.Network([3, 2]).fit(np.zeros((1, 3)), [0], epoch=3)",
    "x: str = sb.Network([3, 2]).backward([0])",
    "sb.Network([3, 2]).forward(np.zeros((1, 3)), method='loop')",
    "sb.Adam('fast')",
    "sb.Adam(speed=0.1)",
    "sb.Adan()",
    "sb.lab.check_gradients()",
    "sb.Network([3, 2]).no_such_method()",
    "sb.sklearn.MLPClassifier().fit(np.zeros((1, 3)), [0]).network_.no_such_method()",
    "sb.sklearn.MLPClassifier().fit(np.zeros((1, 3)))",
    "sb.sklearn.MLPClassifier().partial_fit(np.zeros((1, 3)), [0], labels=[0])",
]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a tool of mypy there; it finds the package where it is installed."""
    environment = dict(os.environ)
    if not {"site-packages", "dist-packages"} & set(PACKAGE.parts):  # an editable install
        environment["MYPYPATH"] = str(PACKAGE.parent)
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=300,
        check=False,
    )


def test_the_package_is_marked_as_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
    assert (PACKAGE / "_core.pyi").exists()


def test_a_users_program_type_checks_and_mistakes_are_found(tmp_path: Path) -> None:
    # By one run, for mypy spends its time on NumPy and the package.
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "mistakes.py").write_text(
        "import numpy as np\nimport swiftbackprop as sb\nimport swiftbackprop.sklearn\n"
        + "\n".join(MISTAKES)
        + "\n"
    )
    (tmp_path / "estimators.py").write_text(ESTIMATORS)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull]
    command += ["--config-file", os.devnull, "--disable-error-code", "type-arg"]
    done = run([*command, "program.py", "estimators.py", "mistakes.py"], tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    *found, _ = done.stdout.splitlines()
    assert [line for line in found if not line.startswith("mistakes.py:")] == []
    for line, mistake in enumerate(MISTAKES, start=4):
        assert any(said.startswith(f"mistakes.py:{line}: error") for said in found), mistake


def test_a_users_program_runs() -> None:
    exec(compile(PROGRAM, "program.py", "exec"), {})


def test_the_stub_is_the_modules(tmp_path: Path) -> None:
    # The names and arguments of one module are compared, for which no import matters.
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nfollow_imports = skip\n")
    command = [sys.executable, "-m", "mypy.stubtest", "swiftbackprop._core"]
    options = ["--ignore-disjoint-bases", "--mypy-config-file", str(config)]
    done = run([*command, *options], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stub_of_the_optimizers_is_the_engines_list() -> None:
    assert STUB.read_text("utf-8") == stub(), "run python tests_py/optimizer_stub.py"
