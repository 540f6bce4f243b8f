"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused, run_python, run_python_ok
from model_files import make, train

pytest.importorskip("safetensors")


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net"
    make().save(path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused(lambda: train(make()).save(path), OSError, f"No space.*{path}")
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["net"]


def test_the_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    real_sync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (done.append("sync"), real_sync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda *a: (done.append("replace"), real_replace(*a))[1])
    make().save(tmp_path / "net")
    assert done == ["sync", "replace", "sync"]


# Files grow to 4096 bytes at most, as if the disk were full.
FULL_DISK = """
import os, resource, sys
import numpy as np
import swiftbackprop as sb

net = sb.Network([4, 400, 3], loss="cross_entropy", seed=0)
X, y = np.ones((4, 4), np.float32), np.zeros(4, int)
writers = {
    "net.safetensors": net.save,
    "net.onnx": net.to_onnx,
    "net.svg": net.diagram().save,
    "best.safetensors": lambda path: net.fit(
        X, y, epochs=1, callbacks=[sb.Checkpoint(path)], progress=False
    ),
    "log.csv": lambda path: net.fit(
        X, y, epochs=1000, callbacks=[sb.CSVLogger(path)], progress=False
    ),
}
for name, write in writers.items():
    path = os.path.join(sys.argv[1], name)
    with open(path, "w") as file:
        file.write("old")
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    try:
        write(path)
    except OSError as error:
        print(name, error.errno, error.filename or "", open(path).read(3))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    net.predict(X)
"""


def test_a_full_disk_is_an_oserror_of_every_writer(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    said = run_python_ok(FULL_DISK, str(tmp_path)).splitlines()
    whole = ["net.safetensors", "net.onnx", "net.svg", "best.safetensors"]
    assert said[:-1] == [f"{name} {errno.EFBIG} {tmp_path / name} old" for name in whole]
    assert said[-1] == f"log.csv {errno.EFBIG} {tmp_path / 'log.csv'} epo"
    lines = (tmp_path / "log.csv").read_bytes().decode().split("\r\n")
    assert lines.pop() == ""  # what did not find room is not there in part
    assert {line.count(",") for line in lines} == {lines[0].count(",")}
    assert sorted(found.name for found in tmp_path.iterdir()) == sorted([*whole, "log.csv"])


# Ctrl-C where Python looks for it: when a function begins, and when a call has ended.
INTERRUPTED = """
import gc, os, sys
import swiftbackprop as sb
from swiftbackprop._export import atomic_file

gc.disable()
folder, place = sys.argv[1], os.path.join(sys.argv[1], "net.safetensors")
one, two = sb.Network([2, 1], seed=0), sb.Network([2, 1], seed=1)
two.save(place)
new = open(place, "rb").read()
one.save(place)
old = open(place, "rb").read()
descriptors = os.listdir("/proc/self/fd")
interrupted, moment = 0, 0
while True:
    moment += 1
    count, inside = 0, False

    def look(frame, event, arg):
        global count, inside
        inside |= frame.f_code is atomic_file.write_whole.__code__
        if event not in ("call", "c_return") or not inside:
            return
        count += 1
        if count == moment:
            sys.setprofile(None)
            raise KeyboardInterrupt

    caught = None
    sys.setprofile(look)
    try:
        two.save(place)
    except KeyboardInterrupt as error:
        caught = error
    finally:
        sys.setprofile(None)
    # The exception, and with it every frame, is still there.
    assert os.listdir(folder) == ["net.safetensors"], (moment, os.listdir(folder))
    assert os.listdir("/proc/self/fd") == descriptors, moment
    assert open(place, "rb").read() in (old, new)
    if caught is None:
        break
    interrupted += 1
    one.save(place)
assert open(place, "rb").read() == new
print(interrupted)
"""


def test_ctrl_c_at_any_moment_leaves_no_file_and_no_descriptor(tmp_path: Path) -> None:
    assert int(run_python_ok(INTERRUPTED, str(tmp_path))) > 40


WRITER = """
import os, signal, sys
from swiftbackprop._export.atomic_file import write_whole

def write(file):
    file.write(b"half")
    file.flush()
    print("begun", flush=True)
    if sys.argv[2] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()

write_whole(sys.argv[1], write)
"""


def test_the_next_file_clears_what_a_dead_process_left(tmp_path: Path) -> None:
    done = run_python(WRITER, str(tmp_path / "net"), "die")
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    others = [".swiftbackprop-1-0123456789abcdef.tmp", ".swiftbackprop-x.tmp", "mine.tmp"]
    for name in others:  # of a process that lives, and names that are not ours
        (tmp_path / name).write_bytes(b"")
    make().save(tmp_path / "other")
    assert sorted(found.name for found in tmp_path.iterdir()) == sorted([*others, "other"])
    assert not left.exists()


def test_the_next_file_leaves_alone_what_is_being_written(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "net"), "live"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"begun\n"
        (part,) = tmp_path.iterdir()
        # As it looks from another container, where the number is that of nobody.
        far = part.rename(tmp_path / ".swiftbackprop-999999999-0123456789abcdef.tmp")
        make().save(tmp_path / "other")
        assert far.exists()
        far.rename(part)
        make().save(tmp_path / "other")
        assert part.exists()
        writer.communicate(b"")
    assert writer.returncode == 0
    assert (tmp_path / "net").read_bytes() == b"half"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["net", "other"]


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "net", tmp_path / "link"
    path.write_bytes(b"")
    path.chmod(0o640)
    link.symlink_to("net")
    make().save(link)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    new = tmp_path / "new"
    mask = os.umask(0o027)
    try:
        make().save(new)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(new.stat().st_mode) == 0o640


def test_what_cannot_be_written(tmp_path: Path) -> None:
    net = make()
    refused(lambda: net.save(tmp_path), OSError, "is a folder")
    refused(lambda: net.save(tmp_path / "no" / "net"), OSError, "no folder")
    refused(lambda: net.save(3), TypeError, "path|str")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("pipe", "null"):
        refused(lambda name=name: net.save(tmp_path / name), OSError, "no regular file")
        (tmp_path / name).unlink()
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    net.layers[0].b[2] = np.nan
    refused(lambda: net.save(tmp_path / "net"), ValueError, r"layers\.1\.b.*NaN")
    assert list(tmp_path.iterdir()) == []


def test_without_safetensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    refused(lambda: make().save(tmp_path / "net"), ImportError, "pip install safetensors")
    refused(lambda: sb.load(tmp_path / "net"), ImportError, "pip install safetensors")


def test_optional_packages_are_not_imported_with_the_package() -> None:
    said = run_python_ok(
        """
        import sys, swiftbackprop as sb, pickle
        pickle.dumps(sb.Network([2, 1], seed=0))
        wanted = {"safetensors", "torch", "onnx", "sklearn", "pandas"}
        print(sorted(wanted & set(sys.modules)))
        """
    )
    assert said == "[]\n"


@pytest.mark.parametrize(
    ("path", "kind", "pattern"),
    [
        (io.BytesIO(), TypeError, r"^path must be a str or a Path, got .* \(BytesIO\): files are"),
        (None, TypeError, r"^path must be a str or a Path, got None \(NoneType\)$"),
        (b"a\0b", ValueError, r"^path must be the name of a file, got 'a\\x00b'"),
        ("", ValueError, "^path must be the name of a file, got ''"),
        ("~/net.svg", FileNotFoundError, r"write os\.path\.expanduser\(path\)|No such file"),
    ],
)
def test_paths_that_are_none(path: Any, kind: type[Exception], pattern: str) -> None:
    net = make()
    svg = net.diagram()
    for call in (net.save, sb.load, net.to_onnx, svg.save, sb.Checkpoint, sb.CSVLogger):
        if call in (sb.Checkpoint, sb.CSVLogger) and kind is FileNotFoundError:
            continue  # these write later
        refused(lambda call=call: call(path), kind, pattern)  # type: ignore[misc]
