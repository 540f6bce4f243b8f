"""A question with buttons and a field for an answer, by ipywidgets."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets


def widget(exercise: Any) -> Any:
    """Return the question with a button for each option, a field, and the last answer below."""
    said = widgets.HTML()
    field = widgets.Text(
        placeholder=f"np.sum({next(iter(exercise.quantities))})",
        description="or write",
        continuous_update=False,
    )

    def judge(text: str) -> None:
        said.value = exercise.answer(text)._repr_html_()

    buttons = []
    for letter, option in exercise.options.items():
        button = widgets.Button(description=f"({letter}) {option}")
        button.on_click(lambda _, letter=letter: judge(letter))
        buttons.append(button)

    def written(change: Any) -> None:
        if change["new"].strip():
            judge(change["new"])

    field.observe(written, names="value")
    row = widgets.HBox(buttons, layout=widgets.Layout(flex_flow="row wrap"))
    return widgets.VBox([widgets.HTML(exercise._repr_html_()), row, field, said])
