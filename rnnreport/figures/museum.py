"""The gallery of the Bug Museum: each mistake's curve over the right one, and its label beside the fix."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure

from rnnreport import words
from rnnreport.bugs import Bug
from rnnreport.figures import GUIDE, RNN, chart, legend_below, new

VISIBLE = 0.1  # of a panel's height


@chart("Dashed: this library, solid: the mistake; one line per seed; each panel has a scale of its own")
def gallery(table: pd.DataFrame, bugs: Mapping[str, Bug], axes: Mapping[str, Any]) -> Figure:
    """A panel for each mistake: its curve and the right one.

    axes: by name of a symptom, what has ``x`` and ``y``, the names of its axes.
    """
    figure, panels = new(3, -(-len(bugs) // 3), figsize=(9, 2.3 * -(-len(bugs) // 3)), squeeze=False)
    for number, (ax, bug) in enumerate(zip(panels.flat, bugs.values()), start=1):
        for (version, _), curve in table[table["bug"] == bug.id].groupby(["version", "seed"]):
            look = {"color": GUIDE, "ls": "--", "zorder": 3} if version == "right" else {"color": RNN}
            ax.plot(curve["x"], curve["y"], label=version, **look)
        shown = axes[bug.symptom]
        ax.set_title("\n".join(textwrap.wrap(f"{number}. {bug.name}", 34)), fontsize=9, loc="left")
        ax.annotate(
            f"{shown.y}\nby {shown.x}", (0.5, -0.16), xycoords="axes fraction", ha="center", va="top", fontsize=8
        )
        ax.tick_params(labelsize=8)
    for ax in panels.flat[len(bugs) :]:
        ax.remove()
    legend_below(figure)
    return figure


def gaps(table: pd.DataFrame) -> pd.Series[Any]:
    """For each mistake the largest distance of its curve from the right one, as a share of the height of both."""
    by_version = table.pivot(index=["bug", "seed", "x"], columns="version", values="y")
    height = by_version.max(axis=1).groupby("bug").max() - by_version.min(axis=1).groupby("bug").min()
    return (by_version["wrong"] - by_version["right"]).abs().groupby("bug").max() / height


def told_apart(table: pd.DataFrame, bugs: Mapping[str, Bug], axes: Mapping[str, Any]) -> str:
    """How many curves leave the right one visibly, and which do not."""
    apart = gaps(table) > VISIBLE
    hidden = [bug.name for bug in bugs.values() if not apart[bug.id]]
    rest = f", not by {words.listed(hidden)}" if hidden else ""
    return f"{apart.sum()} of {len(apart)} mistakes move a curve by over {VISIBLE:.0%} of its panel{rest}."


def labels(bugs: Iterable[Bug]) -> Markdown:
    """A folded label for each mistake: what it is, what its curves show, the fix and the test that finds it."""
    return Markdown("\n\n".join(_label(number, bug) for number, bug in enumerate(bugs, start=1)))


def _label(number: int, bug: Bug) -> str:
    seen = f" Seen {bug.seen}." if bug.seen else " A mistake easily made."
    return (
        f"<details><summary>{number}. {bug.name}</summary>\n\n{bug.what}{seen}\n\n{bug.shows}\n\n"
        f"In `rnnreport/{bug.file}`:\n\n```diff\n{bug.fix}\n```\n\nFound by `{bug.test}`.\n\n</details>"
    )
