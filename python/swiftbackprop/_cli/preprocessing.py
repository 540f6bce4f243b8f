"""From the columns of a table to the inputs of a network, by scikit-learn, and back to its target.

In a model's file a preparation is JSON: means, scales, texts. From those scikit-learn's
transformers are made again, whatever its version; a pickle could run code.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from swiftbackprop._cli.columns import (
    DATE,
    NUMBER,
    TEXT,
    as_days,
    as_numbers,
    as_texts,
    kind_of,
    why_none,
)
from swiftbackprop._cli.table import Table
from swiftbackprop._cli.target import Target, spread
from swiftbackprop._export.json_checks import check, entries, parse, take
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.checks import listed

if TYPE_CHECKING:
    from swiftbackprop.network import Network


_VERSION = 2
_MOST_CATEGORIES = 100


@dataclass(frozen=True)
class Feature:
    """A column: numbers or days, standardised, or texts, one input for each."""

    name: str
    kind: str
    form: str  # of dates
    mean: float = 0.0
    scale: float = 1.0
    categories: tuple[str, ...] = ()

    def values(self, table: Table) -> pandas.Series:
        """Return the column as numbers, or as texts, "" where one is missing."""
        if self.kind == NUMBER:
            return as_numbers(table, self.name, "holds numbers in what the model was trained on")
        if self.kind == DATE:
            return as_days(table, self.name, self.form)
        return as_texts(table, self.name).fillna("")


@dataclass(frozen=True)
class Preparation:
    """What is done with every column; it goes into the model's file."""

    features: tuple[Feature, ...]  # numbers and dates first, as in the network's inputs
    target: Target

    @classmethod
    def learn(
        cls,
        table: Table,
        names: Sequence[str],
        target: Target,
        train: npt.NDArray[np.int64],
        numeric: Sequence[str] = (),
        text: Sequence[str] = (),
    ) -> Preparation:
        """Look at the columns `names`; `train` are the rows to train on.

        What is left out, and why, goes into ``table.left_out``.
        """
        features, identifiers = [], []
        reasons = {}
        for name in names:
            kind, form = (NUMBER, "") if name in numeric else kind_of(table, name, name in text)
            feature = Feature(name, kind, form)
            read = {NUMBER: as_numbers, TEXT: as_texts}.get(kind)
            column = read(table, name) if read else feature.values(table)
            why = why_none(name, column, kind, train)
            told = name in numeric or name in text
            if not why or (told and column[train].notna().any()):
                features.append(_learnt(feature, column[train], table))
                continue
            reasons[name] = why
            if why.startswith("identifies") and kind == NUMBER:
                identifiers.append(_learnt(feature, column[train], table))
        if not features and identifiers:  # a time, perhaps: better than nothing
            features, reasons = identifiers, {}
        table.left_out.update(reasons)
        if not features:
            raise ValueError(
                f"{table.path} has no column to predict {target.name!r} from"
                + "".join(f"; {name} {why}" for name, why in list(reasons.items())[:5])
            )
        return cls(tuple(sorted(features, key=lambda each: each.kind == TEXT)), target)

    @property
    def inputs(self) -> int:
        """D(0) of the network."""
        return sum(len(each.categories) if each.kind == TEXT else 1 for each in self.features)

    @property
    def outputs(self) -> int:
        """D(L) of the network."""
        return len(self.target.classes) or 1

    def names(self, kind: str) -> list[str]:
        """Return the columns of a kind."""
        return [each.name for each in self.features if each.kind == kind]

    def transformer(self) -> ColumnTransformer:
        """Return scikit-learn's transformer from a frame to the inputs, fitted."""
        texts = [each for each in self.features if each.kind == TEXT]
        numbers = [each for each in self.features if each.kind != TEXT]
        parts = []
        if numbers:
            # Scaled before: the mean, 0 by then, does not make the scale smaller.
            missing = SimpleImputer(strategy="constant", fill_value=0.0)
            pipeline = Pipeline([("scale", StandardScaler()), ("missing", missing)])
            parts.append(("numbers", pipeline, [each.name for each in numbers]))
        if texts:
            encoder = OneHotEncoder(
                categories=[np.array(each.categories, object) for each in texts],
                handle_unknown="ignore",
                sparse_output=False,
            )
            parts.append(("texts", encoder, [each.name for each in texts]))
        made = ColumnTransformer(parts, verbose_feature_names_out=False).fit(self.example())
        if numbers:
            _set_scale(made.named_transformers_["numbers"][0], numbers)
        return made

    def pipeline(self, net: Network) -> Pipeline:
        """Return what is done with the columns, and the network behind it, as a fitted pipeline."""
        from skl2onnx.sklapi import CastTransformer

        from swiftbackprop.sklearn import MLPClassifier, MLPRegressor
        from swiftbackprop.sklearn._labels import Labels

        target = self.target
        model: Any
        if target.classes:
            model = MLPClassifier()
            model._learn_labels(Labels("multiclass", np.array(target.classes, object)))
            model._show(net)
        else:
            model = TransformedTargetRegressor()
            model.regressor_, model.transformer_ = MLPRegressor(), StandardScaler().fit([[0.0]])
            model.regressor_.n_outputs_ = 1
            model.regressor_._show(net)
            _set_scale(model.transformer_, [target])
        cast = CastTransformer(dtype=net.dtype.type)  # days need double, the network may not
        return Pipeline([("columns", self.transformer()), ("cast", cast), ("network", model)])

    def example(self) -> pandas.DataFrame:
        """Return a row of such columns as `frame` returns."""
        cells = {f.name: f.categories[0] if f.kind == TEXT else 0.0 for f in self.features}
        return pandas.DataFrame([cells])

    def frame(self, table: Table) -> pandas.DataFrame:
        """Return the columns that the transformer takes."""
        return pandas.DataFrame({each.name: each.values(table) for each in self.features})

    def unknown(self, frame: pandas.DataFrame) -> list[str]:
        """Return a sentence for each column with texts for which there is no input."""
        said = []
        for each in self.features:
            if each.kind == TEXT:
                column = frame[each.name]
                new = column[~column.isin([*each.categories, ""])]
                if len(new):
                    several = listed((repr(text) for text in new.drop_duplicates()), 3)
                    said.append(
                        f"column {each.name!r} has texts that the model does not know, in "
                        f"{len(new)} of {len(column)} rows: {several}; they count as missing"
                    )
        return said

    def matrix(self, frame: pandas.DataFrame, dtype: npt.DTypeLike) -> FloatArray:
        """Return X of shape (N, D(0))."""
        with np.errstate(over="ignore"):
            X = np.ascontiguousarray(self.transformer().transform(frame), dtype)
        if not np.isfinite(X).all():
            place = int(np.argmin(np.isfinite(X).all(axis=0)))  # among the numbers, which lead
            raise ValueError(
                f"column {self.features[place].name!r} holds a number that is too far from those "
                f"the model was trained on for {X.dtype}"
            )
        return X

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps({"version": _VERSION, **asdict(self)}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Preparation:
        """Read what `to_json` returned, and refuse anything else."""
        data = parse(text)
        if data.pop("version", None) != _VERSION:
            raise ValueError(
                "another version of swiftbackprop wrote its preparation of columns: train it again"
            )
        features = tuple(_read_feature(each) for each in entries(data, "features", "a dict"))
        names = Counter(each.name for each in features)
        if not features or max(names.values()) > 1:
            raise ValueError("it has no columns, or two of one name")
        target = take(data, "target", "a dict")
        classes = tuple(entries(target, "classes", "a str"))
        return cls(features, Target(*_standard(target), classes))


def _set_scale(scaler: StandardScaler, columns: Sequence[Feature | Target]) -> None:
    scaler.mean_ = np.array([each.mean for each in columns])
    scaler.scale_ = np.array([each.scale for each in columns])
    scaler.var_ = scaler.scale_**2


def _learnt(feature: Feature, seen: pandas.Series, table: Table) -> Feature:
    """Return a feature with what its rows to train on tell."""
    name = feature.name
    if feature.kind != TEXT:
        mean, scale = spread(seen, f"column {name!r}")
        return replace(feature, mean=mean, scale=scale)
    counts = Counter(seen.dropna())
    if len(counts) > _MOST_CATEGORIES:
        table.notes.append(
            f"of the {len(counts)} texts in column {name!r} the {_MOST_CATEGORIES} most frequent "
            "are inputs; the others count as missing"
        )
    frequent = [text for text, _ in counts.most_common(_MOST_CATEGORIES)]
    return replace(feature, categories=tuple(sorted(frequent)))


def _read_feature(data: dict[str, Any]) -> Feature:
    kind, form = take(data, "kind", "a str"), take(data, "form", "a str")
    categories = tuple(entries(data, "categories", "a str"))
    if kind not in (NUMBER, TEXT, DATE) or bool(categories) != (kind == TEXT):
        raise ValueError(f"a column of kind {kind!r} has {len(categories)} categories")
    if len(set(categories)) != len(categories):
        raise ValueError("a category stands twice in one column")
    name, mean, scale = _standard(data)
    return Feature(name, kind, form, mean, scale, categories)


def _standard(data: dict[str, Any]) -> tuple[str, float, float]:
    name: str = take(data, "name", "a str")
    mean, scale = take(data, "mean", "a number"), take(data, "scale", "a number")
    if not check(scale, "scale", "a number") > 0:
        raise ValueError(f"scale is {scale}")
    return name, mean, scale
