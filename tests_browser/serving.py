"""The page as a static server gives it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLAY = ROOT / "build" / "play"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def served() -> Iterator[str]:
    """Serve build/play/ while the block runs; its address."""
    assert (PLAY / "engine.wasm").exists(), "build the page first: make play"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(PLAY)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
