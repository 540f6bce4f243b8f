"""Streams of data sets of Hugging Face, beside the same rows as arrays."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np

import swiftbackprop as sb
from helpers import refused
from test_stream_files import trained
from test_streams import ROWS, data


def test_a_saved_data_set_of_hugging_face(tmp_path: Path) -> None:
    X, y = data()
    rows = datasets.Dataset.from_dict({"image": X.reshape(-1, 2, 2).tolist(), "label": y.tolist()})
    rows.save_to_disk(tmp_path / "set")
    datasets.DatasetDict({"train": rows}).save_to_disk(tmp_path / "dict")
    wanted = trained(X, y)
    for given in (tmp_path / "set", rows, rows.select(range(ROWS))):
        stream = sb.data.stream(given, target="label", batch_rows=17, window=40)
        assert np.array_equal(trained(stream), wanted)
    refused(lambda: sb.data.stream(tmp_path / "dict"), ValueError, "splits train", "dict/train")
    words = np.array(["no", "yes", "perhaps"])[y].tolist()
    labelled = datasets.Dataset.from_dict({"x": X.tolist(), "label": words})
    labels = datasets.ClassLabel(names=["no", "yes", "perhaps"])
    numbered = labelled.cast_column("label", labels)
    assert np.array_equal(trained(sb.data.stream(numbered, target="label")), wanted)
    assert sb.data.stream(labelled, target="label").labels() == ["no", "perhaps", "yes"]
    refused(lambda: sb.data.stream(labelled, target="z"), ValueError, "no column 'z'")
