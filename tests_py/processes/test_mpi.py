"""Training by several processes, under mpirun: beside one process with the rows of all."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from cases import CASES

HERE = Path(__file__).resolve().parent
LIMIT = 300  # seconds; whatever hangs is ended
# Seconds; ten on a machine that does nothing else.
SOON = 60
# The modules of checks by three processes.
CHECKED = ("together", "memory", "pieces", "estimators", "streaming")
# What a cheap run has of the cases by 3 and 4 processes.
FEW = (
    *("sgd", "float32", "adam", "clipping", "weights", "dropout", "batch_norm", "validation"),
    *("own_activation", "own_activation_first", "own_loss", "own_float32"),
)


def mpirun(
    processes: int, script: str, *arguments: str, wait: bool = True, folder: Path | None = None
) -> Any:
    """Start a script in several processes, each of one thread."""
    tool = Path(sys.executable).with_name("mpirun")
    command = [str(tool if tool.exists() else "mpirun"), "-n", str(processes), "--oversubscribe"]
    what = script if script == "-m" else str(HERE / script)
    command += ["--allow-run-as-root", sys.executable, "-u", what, *arguments]
    path = os.pathsep.join([str(HERE), str(Path(sb.__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}
    # Sockets on every interface, and the root of a container, are not what is tested.
    environment |= {"OMPI_MCA_btl": "self,sm", "PRTE_MCA_plm_ssh_agent": "false"}
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    return finish(process) if wait else process


def finish(process: subprocess.Popen[str], limit: float = LIMIT) -> tuple[int, str, str]:
    """Wait for the end; the exit status, stdout and stderr."""
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        pytest.fail(f"mpirun has not ended after {limit} s:\n{out}\n{err}")
    return process.returncode, out, err


def reports(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


@lru_cache(maxsize=3)
def results(processes: int) -> dict[tuple[str, str], dict[str, Any]]:
    """What the worker says of every case and way; all of them in one start of mpirun."""
    names = list(CASES) if processes == 2 else FEW
    status, out, err = mpirun(processes, "worker.py", *names)
    assert status == 0, f"{out}\n{err}"
    return {(report["name"], report["way"]): report for report in reports(out)}


@pytest.mark.parametrize("way", ["memory", "messages"])
@pytest.mark.parametrize(
    ("processes", "name"), [(n, name) for n in (2, 3, 4) for name in (CASES if n == 2 else FEW)]
)
def test_processes_equal_one(processes: int, name: str, way: str) -> None:
    found = results(processes)[name, way]
    assert found["sent"] == (way == "messages" or not CASES[name].may_share_memory)
    assert found["same_gradients"]
    tolerance = 1e-6 if CASES[name].dtype == "float32" else 1e-12
    assert found["same_bits"]
    assert found["same_history"]
    assert found["moved"] > 100 * tolerance, "nothing was learnt"
    assert found["difference"] < tolerance
    assert found["history"] < (1e-5 if CASES[name].dtype == "float32" else 1e-11)
    assert found["generator"]


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The checks by three processes that passed: one start of mpirun."""
    folder = str(tmp_path_factory.mktemp("checks"))
    status, out, err = mpirun(3, "run_checks.py", folder, *CHECKED)
    assert status == 0, f"{out}\n{err}"
    return [report["passed"] for report in reports(out)]


@pytest.mark.parametrize("module", CHECKED)
def test_what_surrounds_the_training(module: str, passed: list[str]) -> None:
    text = (HERE / f"{module}.py").read_text()
    wanted = re.findall(r"^@check\ndef (\w+)", text, re.MULTILINE)
    assert wanted
    assert [name for name in passed if name in wanted] == wanted


@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="no large pages here"
)
def test_gradients_that_are_sent_may_lie_on_large_pages() -> None:
    net = sb.Network([1024, 1024], seed=0)
    X = np.zeros((4, 1024))
    middle = net.gradients.ctypes.data + net.gradients.nbytes // 2

    def flags() -> list[str]:
        within = False
        for line in Path("/proc/self/smaps").read_text().splitlines():
            if span := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
                within = int(span[1], 16) <= middle < int(span[2], 16)
            elif within and line.startswith("VmFlags:"):
                return line.split()[1:]
        raise AssertionError("the gradients are nowhere")

    net.fit(X, X, epochs=1, progress=False)
    assert "hg" not in flags()
    settings = 1, 4, True, 0, 4, 0, lambda *question: None  # as of several processes
    net._fit(X, X, None, None, None, None, *settings).end()
    assert "hg" in flags()


def test_the_command_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 3))
    lines = [f"{a:.4f},{b:.4f},{c:.4f},{'yes' if a > b else 'no'}" for a, b, c in X]
    (tmp_path / "data.csv").write_text("\n".join(["a,b,c,y", *lines]) + "\n")
    arguments = ["train", "data.csv", "--target", "y", "--epochs", "8", "--dtype", "float64"]
    status, out, err = mpirun(2, "-m", "swiftbackprop", *arguments, folder=tmp_path)
    assert status == 0, err
    assert out.count("saved") == 1
    assert "72 rows in 2 processes, 8 epochs" in out
    alone = [sys.executable, "-m", "swiftbackprop", *arguments, "--model", "alone.safetensors"]
    subprocess.run(alone, cwd=tmp_path, check=True, capture_output=True)
    found, wanted = (sb.load(tmp_path / f"{name}.safetensors") for name in ("data", "alone"))
    np.testing.assert_allclose(found.parameters, wanted.parameters, rtol=1e-12, atol=1e-12)


def test_the_command_line_ends_on_every_process(tmp_path: Path) -> None:
    status, _, err = mpirun(2, "-m", "swiftbackprop", "train", "missing.csv", folder=tmp_path)
    assert status == 1
    assert "swiftbackprop: missing.csv" in err


# --- How it ends before its time -----------------------------------------------------------------

# What every process of three reports where process 2 does something: an error, or why it stopped.
ENDINGS: dict[str, tuple[str, str]] = {
    "data": ("ValueError", "X contains NaN or infinity"),
    "shape": ("ValueError", "expected shape (N, D(0)) = (N, 8), got (200, 5)"),
    "epochs": ("ValueError", "process 2 of 3 has epochs = 31, but process 0 has 30"),
    "shuffle": ("ValueError", "process 2 of 3 has shuffle = even, but process 0 has True"),
    "diverges": ("DivergenceError", "epoch 1, batch 1 of 30: z of layer 1 overflowed"),
    "callback": ("OSError", "the disk is full"),
    "batch": ("LookupError", "in the midst of an epoch"),
    "own_fails": ("LookupError", "no such table"),
    "own_nan": ("DivergenceError", "the activation of layer 1, a function of your own, gave NaN"),
    "changes": ("RuntimeError", "the weights of process 2 are not those of process 0"),
    "interrupt": ("KeyboardInterrupt", "process 2 of 3 was interrupted"),
    "stop": ("", "stopped"),
    "returns": ("", "stopped"),
    "batch_returns": ("", "stopped"),
}
# Errors that other processes raise as they are; of others they say the name.
SHARED = ("ValueError", "DivergenceError", "RuntimeError", "KeyboardInterrupt")


@lru_cache(maxsize=1)
def endings() -> list[dict[str, Any]]:
    """The reports of all processes: one start of mpirun, for what ends leaves them usable."""
    status, out, err = mpirun(3, "ending.py", *ENDINGS)
    assert status == 0, f"{out}\n{err}"
    return reports(out)


@pytest.mark.parametrize("how", ENDINGS)
def test_one_ends_all(how: str) -> None:
    kind, words = ENDINGS[how]
    found = [report for report in endings() if report["how"] == how]
    assert sorted(report["rank"] for report in found) == [0, 1, 2]
    assert all(report["finite"] and report["seconds"] < SOON for report in found)
    if how != "changes":
        assert len({report["bits"] for report in found}) == 1, "the weights differ"
    for report in found:
        if not kind:
            assert report["reason"] == words
            continue
        own = report["rank"] == 2 or kind in SHARED
        assert report["error"] == (kind if own else "RuntimeError")
        assert words in report["words"]
        # What diverges may be found by whoever works on that row.
        if how != "diverges" and (report["rank"] != 2 or how in ("epochs", "changes", "interrupt")):
            assert "process 2" in report["words"]
        if not own:
            assert f"process 2 of 3 failed: {kind}: " in report["words"]


def test_a_killed_process_ends_the_others() -> None:
    begin = time.monotonic()
    status, _, err = mpirun(3, "ending.py", "killed")
    assert status != 0
    assert "rank 2" in err
    assert "Killed" in err
    assert time.monotonic() - begin < LIMIT


def test_a_process_that_exits_ends_the_others() -> None:
    status, out, _ = mpirun(3, "ending.py", "exit")
    assert status == 7
    found = reports(out)
    assert sorted(report["rank"] for report in found) == [0, 1, 2]
    assert all("7" in report["words"] for report in found)


def running() -> tuple[subprocess.Popen[str], list[int]]:
    """A training without an end, and the numbers of its processes."""
    process = mpirun(3, "ending.py", "slow", wait=False)
    assert process.stdout is not None
    while "ready" not in (line := process.stdout.readline()):
        assert process.poll() is None
    return process, json.loads(line)["ready"]


@pytest.mark.parametrize("to_mpirun", [False, True])
def test_an_interrupt_for_all_leaves_usable_networks(to_mpirun: bool) -> None:
    process, processes = running()
    if to_mpirun:
        process.send_signal(signal.SIGUSR1)  # which passes it on, and kills nobody
    else:
        for number in processes:
            os.kill(number, signal.SIGINT)
    status, out, err = finish(process)
    assert status == 0, err
    found = [report for report in reports(out) if "error" in report]
    assert sorted(report["rank"] for report in found) == [0, 1, 2]
    assert {report["error"] for report in found} == {"KeyboardInterrupt"}
    assert len({report["bits"] for report in found}) == 1
    assert all(report["finite"] for report in found)


def test_ctrl_c_for_mpirun_ends_all() -> None:
    process, processes = running()
    process.send_signal(signal.SIGINT)
    assert finish(process)[0] != 0
    end = time.monotonic() + LIMIT
    while any(Path(f"/proc/{number}").exists() for number in processes):
        assert time.monotonic() < end
        time.sleep(0.05)
