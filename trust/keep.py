"""The corpus: a small file for everything that can be said of a model."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import swiftbackprop as sb
from swiftbackprop._export import files
from trust.files import CORPUS, corpus, damaged, outcome

OUTCOMES = CORPUS / "outcomes.json"
_LARGEST = 2500  # bytes of those that are refused


def _begin() -> None:
    """Write the good models, of every kind that a file can say."""
    X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    options: dict[str, dict[str, Any]] = {
        "plain": {},
        "classes": {"output": "softmax"},
        "norms": {"norm": ["batch", sb.LayerNorm(1e-4, after=True)], "dropout": 0.2},
        "double": {"dtype": "float64", "optimizer": sb.AdamW(0.01), "l1": 0.1, "clip_norm": 2.0},
        "rules": {
            "activation": [sb.activation("elu", alpha=0.5)],
            "loss": "huber",
            "max_norm": 3.0,
        },
        "start": {"initializer": [(np.ones((2, 3)), np.zeros(2)), (np.ones((2, 2)), np.ones(2))]},
    }
    for name, given in options.items():
        path = CORPUS / f"good-{name}.safetensors"
        if path.exists():
            continue
        net = sb.Network([3, 2, 2], seed=1, **given)
        y: Any = X[:, :2]
        if name == "classes":
            y = np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)]
        net.fit(X, y, epochs=1, progress=False)
        files.save(net, path, name != "start", name != "rules", {"table": "notes"})


def keep(seed: int, cases: int) -> int:
    """Damage what is kept, and keep what meets a sentence that nothing has met."""
    _begin()
    rng = random.Random(f"keep {seed}")
    outcomes = {path.name: outcome(path) for path in corpus()}
    new = 0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(cases):
            content, told = damaged(rng.choice(corpus()).read_bytes(), rng)
            if len(content) > _LARGEST:
                continue
            path = Path(folder) / "file"
            path.write_bytes(content)
            found = outcome(path)
            if found in outcomes.values():
                continue
            new += 1
            kept = CORPUS / f"refused-{len(outcomes):03d}.safetensors"
            kept.write_bytes(content)
            outcomes[kept.name] = found
            print(f"{kept.name}, {told}: {found}")
    OUTCOMES.write_text(json.dumps(outcomes, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"{new} new, {len(outcomes)} in all")
    return 0
