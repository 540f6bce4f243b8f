"""Training by several processes, under mpirun: beside one process with the rows of all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

import swiftbackprop as sb
from cases import CASES

pytest.importorskip("mpi4py")

HERE = Path(__file__).resolve().parent
LIMIT = 120  # seconds; whatever hangs is ended
# What a cheap run has of the cases by 3 and 4 processes.
FEW = ("sgd", "float32", "adam", "clipping", "weights", "dropout", "batch_norm", "validation")


def mpirun(processes: int, script: str, *arguments: str, wait: bool = True) -> Any:
    """Start a script in several processes, each of one thread."""
    tool = Path(sys.executable).with_name("mpirun")
    command = [str(tool if tool.exists() else "mpirun"), "-n", str(processes), "--oversubscribe"]
    command += ["--allow-run-as-root", sys.executable, "-u", str(HERE / script), *arguments]
    path = os.pathsep.join([str(HERE), str(Path(sb.__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}
    # Sockets on every interface, and the root of a container, are not what is tested.
    environment |= {"OMPI_MCA_btl": "self,sm", "PRTE_MCA_plm_ssh_agent": "false"}
    process = subprocess.Popen(
        command,
        env=environment,
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


@lru_cache(maxsize=3)
def results(processes: int) -> dict[str, dict[str, Any]]:
    """What the worker says of every case; all of them in one start of mpirun."""
    names = list(CASES) if processes == 2 else FEW
    status, out, err = mpirun(processes, "worker.py", *names)
    assert status == 0, f"{out}\n{err}"
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return {line["name"]: line for line in lines}


@pytest.mark.xdist_group("mpi")
@pytest.mark.parametrize(
    ("processes", "name"), [(n, name) for n in (2, 3, 4) for name in (CASES if n == 2 else FEW)]
)
def test_processes_equal_one(processes: int, name: str) -> None:
    found = results(processes)[name]
    tolerance = 1e-6 if CASES[name].dtype == "float32" else 1e-12
    assert found["same_bits"]
    assert found["same_history"]
    assert found["moved"] > 100 * tolerance, "nothing was learnt"
    assert found["difference"] < tolerance
    assert found["history"] < (1e-5 if CASES[name].dtype == "float32" else 1e-11)
    assert found["generator"]
