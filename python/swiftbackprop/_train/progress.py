"""The progress bar of a training, in a terminal or in a notebook."""

from __future__ import annotations

import warnings

from swiftbackprop._train.history import History


class ProgressBar:
    """One progress bar over all batches, in a terminal or in a notebook."""

    def __init__(self, epochs: int, batches: int) -> None:
        with warnings.catch_warnings():
            # In a notebook without ipywidgets the bar is text; that is good enough.
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm
        self.epochs = epochs
        self.batches = batches  # of an epoch; 0 if that is not known: the bar counts epochs
        self.shown = -1
        self.bar = tqdm(total=epochs * (batches or 1), unit="batch" if batches else "epoch")

    def show(self, ended: int, batch: int, loss: float, history: History) -> None:
        if ended != self.shown:
            self.shown = ended
            running = min(ended + 1, self.epochs)
            self.bar.set_description(f"epoch {running}/{self.epochs}", refresh=False)
        if ended:
            self.bar.set_postfix_str(_postfix(history), refresh=False)
        elif loss == loss:
            self.bar.set_postfix_str(f"loss={loss:.4f}", refresh=False)
        position = ended * self.batches + batch if self.batches else ended
        self.bar.update(position - self.bar.n)

    def close(self, history: History) -> None:
        if history.epochs:
            self.bar.set_postfix_str(_postfix(history), refresh=False)
        self.bar.refresh()
        self.bar.close()


def _postfix(history: History) -> str:
    shown = [name for name in history if name not in ("seconds", "penalty")]
    return ", ".join(f"{name}={history[name][-1]:.4f}" for name in shown)
