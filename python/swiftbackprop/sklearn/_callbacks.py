"""scikit-learn's own callbacks (version 1.9 and later): a task for each epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from swiftbackprop._train.callback import Callback, as_callbacks
from swiftbackprop.network import Network

_F = TypeVar("_F", bound=Callable[..., Any])

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as _with_callbacks
except ImportError:  # an earlier scikit-learn: there is nothing to support

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands for scikit-learn's class of this name."""

    _with_callbacks = None


__all__ = ["CallbackSupportMixin", "FitTask", "with_callbacks"]


def with_callbacks(method: _F) -> _F:
    """Return a method with scikit-learn's decorator of this name, if it has one, and its type."""
    decorated: _F = method if _with_callbacks is None else _with_callbacks(method)
    return decorated


class FitTask:
    """A whole fit, and those who are told of it.

    scikit-learn's callbacks know nothing of `partial_fit`.
    """

    def __init__(
        self, estimator: Any, X: Any, y: Any, sample_weight: Any, is_partial: bool
    ) -> None:
        self.estimator = estimator
        self.context: Any = None
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self.data = {"X": X, "y": y, "metadata": metadata}
        if hasattr(estimator, "_init_callback_context") and not is_partial:
            self.context = estimator._init_callback_context(max_subtasks=estimator.max_iter)
            self.context.call_on_fit_task_begin(estimator=estimator, **self.data)

    def callbacks(self) -> list[Any]:
        """Return the estimator's callbacks, and one for all of scikit-learn's."""
        given = self.estimator.callbacks
        found = as_callbacks(() if given is None else given)
        if self.context is not None and getattr(self.estimator, "_skl_callbacks", None):
            bridge = Bridge(self.estimator, self.context, self.estimator.max_iter, self.data)
            found.append(bridge)
        return found

    def end(self) -> None:
        """Say that the fit has ended."""
        if self.context is not None:
            self.context.call_on_fit_task_end(
                estimator=self.estimator, reconstruction_attributes={}, **self.data
            )


class Bridge(Callback):
    """Tells scikit-learn's callbacks of each epoch (or iteration of lbfgs), of so many at most.

    The epochs are subtasks of `context`, that of the whole fit.
    """

    def __init__(self, estimator: Any, context: Any, epochs: int, data: Mapping[str, Any]) -> None:
        self.estimator, self.context, self.epochs, self.data = estimator, context, epochs, data
        self.task: Any = None

    def on_train_begin(self, net: Network) -> None:
        """Begin the first task."""
        self._begin()

    def on_epoch_end(self, net: Network, epoch: int, logs: Mapping[str, float]) -> bool:
        """End the task; return whether a callback wants to stop."""
        stops = self.task.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes={}, **self.data
        )
        self.task = None
        if epoch + 1 < self.epochs and not stops:
            self._begin()
        return bool(stops)

    def on_train_end(self, net: Network) -> None:
        """End a task that was begun and did not come to its end."""
        if self.task is not None:
            self.task.call_on_fit_task_end(estimator=self.estimator)
            self.task = None

    def _begin(self) -> None:
        self.task = self.context.subcontext(task_name="epoch")
        self.task.call_on_fit_task_begin(
            estimator=self.estimator, reconstruction_attributes={}, **self.data
        )
