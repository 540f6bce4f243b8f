"""Which of scikit-learn's models hold a network, and where."""

from __future__ import annotations

from typing import Any

# A class of scikit-learn -> where its instances hold what they fitted: attributes and places.
_ONE, _FIRST = ("estimator_",), ("estimators_", 0)
_HOLDERS: dict[str, tuple[str | int, ...]] = {
    "Pipeline": (-1,),
    "BaseSearchCV": ("best_estimator_",),
    "TransformedTargetRegressor": ("regressor_",),
    "CalibratedClassifierCV": ("calibrated_classifiers_", 0, "estimator"),
    "FrozenEstimator": ("estimator",),
    "BaseThresholdClassifier": _ONE,
    "RANSACRegressor": _ONE,
    "RFE": _ONE,
    "SelectFromModel": _ONE,
    "SelfTrainingClassifier": _ONE,
    "BaseEnsemble": _FIRST,
    "OneVsOneClassifier": _FIRST,
    "OneVsRestClassifier": _FIRST,
    "OutputCodeClassifier": _FIRST,
    "_BaseChain": _FIRST,
    "_BaseHeterogeneousEnsemble": _FIRST,
    "_MultiOutputEstimator": _FIRST,
}
_CALLED = {"Pipeline": "pipeline", "BaseSearchCV": "search"}


def holder(model: Any) -> str | None:
    """Return a sentence for a model that holds the network somewhere inside; None for others."""
    name, path = "", ""
    while not hasattr(model, "hidden_layer_sizes"):
        kind = _kind(model)
        if kind is None:
            return None
        name = name or _CALLED.get(kind, "model")
        path += "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in _HOLDERS[kind])
        model = _fitted(model, _HOLDERS[kind]) or _to_fit(model)
    fit = "" if hasattr(model, "coefs_") else f" after {name}.fit(X, y)"
    return f"pass what it holds, {name}{path}{fit}"


def _kind(model: Any) -> str | None:
    for each in type(model).__mro__:
        if each.__module__.partition(".")[0] == "sklearn" and each.__name__ in _HOLDERS:
            return each.__name__
    return None


def _fitted(model: Any, keys: tuple[str | int, ...]) -> Any:
    try:
        for key in keys:
            model = model[key] if isinstance(key, int) else getattr(model, key)
    except (AttributeError, IndexError):
        return None
    return model


def _to_fit(model: Any) -> Any:
    """Return what a model that is not fitted was made with."""
    for name in ("estimator", "regressor"):
        if getattr(model, name, None) is not None:
            return getattr(model, name)
    listed = getattr(model, "estimators", None)
    return listed[0][-1] if listed else None
