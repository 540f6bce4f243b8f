"""A player's buttons and slider, by ipywidgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import numpy as np

_MOST = 4096  # weights to choose from


def widget(player: Any) -> Any:
    """Return next and back, the weights to choose from, a slider, and the picture below."""
    shown = widgets.HTML(player._repr_html_())
    place = widgets.IntSlider(
        player.position, 1, len(player.trace.steps), description="step", continuous_update=True
    )

    def show() -> None:
        shown.value = player._repr_html_()

    def button(name: str, go: Callable[[], Any]) -> Any:
        made = widgets.Button(description=name)

        def clicked(_: Any) -> None:
            go()
            place.value = player.position
            show()

        made.on_click(clicked)
        return made

    def moved(change: Any) -> None:
        player.to(change["new"])
        show()

    place.observe(moved, names="value")
    choice = widgets.Dropdown(options=_weights(player), description="weight")
    slider = widgets.FloatSlider(step=0.01, description="value", readout_format=".2f")

    def chosen(_: Any = None) -> None:
        name, index = choice.value
        value = float(player._parameter(name)[index])
        reach = max(2.0, 2 * abs(value))
        slider.unobserve(turned, names="value")
        slider.min, slider.max = min(-reach, slider.max), max(reach, slider.min)
        slider.min, slider.max, slider.value = -reach, reach, value
        slider.observe(turned, names="value")

    def turned(change: Any) -> None:
        name, index = choice.value
        player.set(name, *index, change["new"])
        show()

    def reset() -> None:
        player.reset()
        chosen()

    choice.observe(chosen, names="value")
    chosen()
    steps = [button("back", player.back), button("next", player.next), place]
    weights = [choice, slider, button("reset weights", reset)]
    wrap = widgets.Layout(flex_flow="row wrap")
    return widgets.VBox(
        [widgets.HBox(steps, layout=wrap), widgets.HBox(weights, layout=wrap), shown]
    )


def _weights(player: Any) -> list[tuple[str, tuple[str, tuple[int, ...]]]]:
    """Return the names of all weights, up to some thousand, with what they stand for."""
    found: list[tuple[str, tuple[str, tuple[int, ...]]]] = []
    for layer in player.trace._parts.layers:
        for letter in ("W", "b"):
            name = f"{letter}({layer.m})"
            for index in np.ndindex(getattr(layer, letter).shape):
                if len(found) < _MOST:
                    place = ", ".join(map(str, index))
                    found.append((f"{player._letters(name)}[{place}]", (name, index)))
    return found
