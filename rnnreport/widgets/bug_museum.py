"""A mistake to be guessed from its curve."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anywidget
from traitlets import Dict, Int, List, validate

from rnnreport.bugs import Bug
from rnnreport.widgets.page import CSS, checked, module

if TYPE_CHECKING:
    import pandas as pd

OPTIONS = 4  # names to choose from


class BugMuseum(anywidget.AnyWidget):
    """Exhibits one by one: a curve with a mistake and the right one, four names to choose from, then the answer.

    bugs: the mistakes by their id; table: their curves, of which the first seed's are shown, as
    :func:`rnnreport.experiments.museum.exhibits` returns them; axes: by name of a symptom what has ``x`` and ``y``.

    exhibit: which is shown, from 0; picked: for each exhibit the place of the chosen name among its four, -1 for none.
    Any other value raises a TraitError with a clear message.

    >>> BugMuseum(bugs(), exhibits([0], 200), SYMPTOMS)
    """

    _esm = module("bug_museum.js")
    _css = CSS

    exhibits = List(Dict(), read_only=True).tag(sync=True)
    exhibit = Int(0).tag(sync=True)
    picked = List(Int()).tag(sync=True)

    def __init__(self, bugs: Mapping[str, Bug], table: pd.DataFrame, axes: Mapping[str, Any], **traits: Any) -> None:
        super().__init__()
        curves = table[table["seed"] == table["seed"].iloc[0]].set_index(["bug", "version"])[["x", "y"]].round(5)
        exhibits = [
            {
                **{name: getattr(bug, name) for name in ("name", "what", "shows", "seen", "file", "fix", "test")},
                **{name: getattr(axes[bug.symptom], name) for name in ("x", "y")},
                **{name: curves.loc[[(id, name)]].to_numpy().tolist() for name in ("right", "wrong")},
                "options": _options(id, bugs),
            }
            for id, bug in bugs.items()
        ]
        self.set_trait("exhibits", exhibits)
        for name, value in {"picked": [-1] * len(bugs), **traits}.items():
            self.set_trait(name, value)

    @validate("exhibit")
    def _check_exhibit(self, proposal: Any) -> int:
        last = len(self.exhibits) - 1
        return checked(proposal, f"an integer from 0 to {last}", lambda value: 0 <= value <= last)

    @validate("picked")
    def _check_picked(self, proposal: Any) -> list[int]:
        sizes = [len(exhibit["options"]) for exhibit in self.exhibits]
        allowed = f"{len(sizes)} integers from -1 to {OPTIONS - 1}"
        return checked(
            proposal,
            allowed,
            lambda value: len(value) == len(sizes) and all(-1 <= one < size for one, size in zip(value, sizes)),
        )


def _options(id: str, bugs: Mapping[str, Bug]) -> list[str]:
    """The mistake's name among those of others, always the same ones in the same order."""
    drawn = random.Random(id)
    others = drawn.sample([bug.name for bug in bugs.values() if bug.id != id], min(OPTIONS, len(bugs)) - 1)
    return drawn.sample([bugs[id].name, *others], len(others) + 1)
