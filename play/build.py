"""Build the page in build/play/: the engine as WebAssembly, and the files of play/ beside it.

`make play` runs it, with the Swift toolchain's own compilers and nothing else. The page is plain
files: HTML, CSS, ES modules. Where a page may not load modules, which is so for file://, it takes
all of them from one classic script, offline.js, that is written here.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLAY = ROOT / "play"
OUT = ROOT / "build" / "play"
OBJECTS = ROOT / "build" / "wasm"
INCLUDE = ROOT / "Sources" / "CBridge" / "include"
CONTRACT = INCLUDE / "swift_backprop.h"

FEATURES = ("simd128", "bulk-memory", "nontrapping-fptoint", "sign-ext", "mutable-globals")
FOR_C = (
    *(f"-m{feature}" for feature in FEATURES),
    "-ffp-contract=off",  # the same bits as at every other level
    *("-isystem", str(PLAY / "engine" / "include")),
)
STACK = 1 << 20


def run(*command: str | Path) -> None:
    """Run a compiler; show what it says only if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stdout}")


def tool(name: str) -> str:
    """Return the program of that name: the Swift toolchain's, whatever else is on PATH."""
    swift = shutil.which("swiftc")
    beside = Path(swift).resolve().parent / name if swift else Path(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        sys.exit(f"`make play` needs {name}, which comes with the Swift toolchain of swift.org.")
    return found


def is_newer(target: Path, sources: list[Path]) -> bool:
    """Whether `target` was made after the last change of its sources."""
    changed = max(source.stat().st_mtime for source in sources)
    return target.exists() and target.stat().st_mtime > changed


def compile_swift(target: Path, headers: list[Path]) -> None:
    """Compile the engine, every file of its folder at once, if one changed."""
    sources = sorted((ROOT / "Sources" / "SwiftBackprop").rglob("*.swift"))
    if is_newer(target, [*sources, *headers, Path(__file__)]):
        return
    module_map = OBJECTS / "module.modulemap"
    module_map.write_text(f'module CBridge {{ umbrella "{INCLUDE}" export * }}\n', "utf-8")
    flags = [part for flag in FOR_C for part in ("-Xcc", flag)]
    run(
        *(tool("swiftc"), "-target", "wasm32-unknown-none-wasm"),
        *("-enable-experimental-feature", "Embedded", "-wmo", "-O", "-swift-version", "6"),
        *("-parse-as-library", "-module-name", "SwiftBackprop"),
        *("-Xfrontend", "-function-sections", "-Xfrontend", "-disable-stack-protector"),
        *("-Xcc", f"-fmodule-map-file={module_map}", *flags),
        *("-c", *sources, "-o", target),
    )


def build_engine(target: Path) -> None:
    """Compile what changed, and link it."""
    OBJECTS.mkdir(parents=True, exist_ok=True)
    headers = [*INCLUDE.glob("*.h"), *(PLAY / "engine" / "include").glob("*.h")]
    compile_swift(OBJECTS / "engine.o", headers)
    c = sorted((PLAY / "engine").glob("*.c"))
    if is_newer(target, [OBJECTS / "engine.o", *c, *headers]):
        return
    for source in c:
        run(
            *(tool("clang"), "--target=wasm32-unknown-unknown", "-O3", "-ffreestanding"),
            *("-Wall", "-Wextra", "-Werror", *FOR_C, "-I", INCLUDE),
            *("-c", source, "-o", OBJECTS / f"{source.stem}.o"),
        )
    names = set(re.findall(r"\bsb_[a-z_]+(?=\()", CONTRACT.read_text("utf-8")))
    target.parent.mkdir(parents=True, exist_ok=True)
    run(
        *(tool("wasm-ld"), "--no-entry", "--gc-sections", "--strip-all"),
        *(f"--export-if-defined={name}" for name in sorted(names)),
        *("--export=malloc", "--export=free", "-z", f"stack-size={STACK}", "--stack-first"),
        *(OBJECTS / "engine.o", *(OBJECTS / f"{source.stem}.o" for source in c)),
        *("-o", target),
    )


def digits() -> bytes:
    """Return the package's digits: how many are for training, then 64 pixels and a class each.

    Those for training come first, as in sb.datasets.load_digits.
    """
    arrays = {}
    with zipfile.ZipFile(ROOT / "python/swiftbackprop/datasets/digits.npz") as file:
        for name in ("images", "labels", "train", "test"):
            data = file.read(f"{name}.npy")
            arrays[name] = data[10 + int.from_bytes(data[8:10], "little") :]
    images, labels = arrays["images"], arrays["labels"]
    order = memoryview(arrays["train"] + arrays["test"]).cast("H")
    rows = (images[64 * n : 64 * n + 64] + labels[n : n + 1] for n in order)
    return (len(arrays["train"]) // 2).to_bytes(2, "little") + b"".join(rows)


def build_page() -> None:
    """Copy the page's files, and write offline.js with all that its modules are and load."""
    for source in [*PLAY.glob("*.html"), *PLAY.glob("*.css"), *PLAY.glob("*.js")]:
        shutil.copy2(source, OUT / source.name)
    (OUT / "digits.bin").write_bytes(digits())
    modules = {path.name: path.read_text("utf-8") for path in sorted(PLAY.glob("*.js"))}
    del modules["boot.js"]
    files = {
        name: base64.b64encode((OUT / name).read_bytes()).decode()
        for name in ("engine.wasm", "digits.bin")
    }
    text = json.dumps({"modules": modules, "files": files}, ensure_ascii=True)
    (OUT / "offline.js").write_text(f"window.offline = {text};\n", "ascii")


def main() -> None:
    """Build all of it."""
    OUT.mkdir(parents=True, exist_ok=True)
    engine = OUT / "engine.wasm"
    build_engine(engine)
    build_page()
    size = len(gzip.compress(engine.read_bytes(), 9)) // 1000
    print(f"build/play/index.html: the engine has {size} KB, compressed")


if __name__ == "__main__":
    main()
