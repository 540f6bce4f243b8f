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
import zipfile
from pathlib import Path

from building.compile import BRIDGE, ENGINE, INCLUDE, ROOT, compile_engine, is_newer, run, tool

PLAY = ROOT / "play"
OUT = ROOT / "build" / "play"
OBJECTS = ROOT / "build" / "wasm"
CONTRACT = INCLUDE / "swift_backprop.h"

FEATURES = ("simd128", "bulk-memory", "nontrapping-fptoint", "sign-ext", "mutable-globals")
FOR_C = (
    *(f"-m{feature}" for feature in FEATURES),
    "-ffp-contract=off",  # the same bits as at every other level
    *("-isystem", str(PLAY / "engine" / "include")),
)
STACK = 1 << 20


def build_engine(target: Path) -> None:
    """Compile what changed, and link it."""
    OBJECTS.mkdir(parents=True, exist_ok=True)
    headers = [*BRIDGE.rglob("*.h"), *(PLAY / "engine" / "include").glob("*.h")]
    ours = (Path(__file__), ROOT / "building" / "compile.py")
    if not is_newer(OBJECTS / "engine.o", [*ENGINE.rglob("*.swift"), *headers, *ours]):
        compile_engine(
            OBJECTS / "engine.o",
            "wasm32-unknown-none-wasm",
            FOR_C,
            *("-Xfrontend", "-disable-stack-protector"),
        )
    c = [*sorted((PLAY / "engine").glob("*.c")), BRIDGE / "bf16.c", BRIDGE / "pages.c"]
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
