"""Recorded seeds, drawn one by one, in a world that the reader picks."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
from traitlets import Dict, Int, List, TraitError, Unicode, validate

from rnnreport.widgets.page import CSS, Integer, Number, checked, module
from rnnreport.words import NAMES

if TYPE_CHECKING:
    import pandas as pd

MAX_SEEDS = 100  # the page has an interval for each count up to here
PARTS = 10_000  # of one: values travel as whole ten-thousandths, in which an accuracy on 2,000 palindromes is exact
MISSING = -(2**15)

Asked = tuple[str, float, bool]  # what is measured, the margin, and whether it must lie above it or below


class Worlds(anywidget.AnyWidget):
    """Recorded seeds of one world, drawn one by one: what was measured, in how many a claim holds, how sure that is.

    A claim holds in a seed where its value is beyond the margin. The share of such seeds comes with the interval of
    :func:`rnnreport.claims.uncertainty.share`; it reproduces the claim if it is above one half, contradicts it below.

    values: a table with the columns claim, seed, value (from -1 to 1) and one per choice; claims: by name what is
    measured, the margin, and whether the value must lie above it; choices: by name its values, in order; none by
    default, for a single world.

    claim, from 0: which is asked; world: for each choice which of its values, from 0; margin: from -1 to 1; drawn: how
    many seeds. Any other value raises a TraitError with a clear message, here and on assignment.

    >>> import pandas as pd
    >>> values = pd.DataFrame({"claim": "it learns", "rate": ["low", "high"], "seed": 0, "value": [0.4, 0.9]})
    >>> Worlds(values, {"it learns": ("the accuracy", 0.5, True)}, {"rate": ["low", "high"]}).world = [1]
    """

    _esm = module("worlds.js")
    _css = CSS

    claims = List(Dict(), read_only=True).tag(sync=True)  # name, what, margin, above, least
    choices = List(Dict(), read_only=True).tag(sync=True)  # name, values
    values = Unicode(read_only=True).tag(sync=True)  # int16 by claim, world and seed, in base64
    intervals = List(List(), read_only=True).tag(
        sync=True
    )  # [low, high] for each number of seeds and of those where it holds
    claim = Int(0).tag(sync=True)
    world = List(Int()).tag(sync=True)
    margin = Number(0.0, min=-1, max=1).tag(sync=True)
    drawn = Integer(1, min=0, max=MAX_SEEDS).tag(sync=True)

    def __init__(
        self,
        values: pd.DataFrame,
        claims: Mapping[str, Asked],
        choices: Mapping[str, Sequence[str]] | None = None,
        **kwargs: Any,
    ) -> None:
        choices = {name: list(of_choice) for name, of_choice in (choices or {}).items()}
        found = _by_world(values, {"claim": list(claims), **choices})
        super().__init__()
        parts = np.where(np.isnan(found), MISSING, np.round(found * PARTS)).astype("<i2")
        least = [-1 if (of_claim < 0).any() else 0 for of_claim in found]
        names = ("name", "what", "margin", "above", "least")
        asked = [dict(zip(names, (name, *what, low))) for (name, what), low in zip(claims.items(), least)]
        self.set_trait("claims", asked)
        self.set_trait("choices", [{"name": name, "values": of_choice} for name, of_choice in choices.items()])
        self.set_trait("values", base64.b64encode(parts.tobytes()).decode("ascii"))
        self.set_trait("intervals", [_intervals(seeds) for seeds in range(1, found.shape[-1] + 1)])
        self.set_trait("claim", kwargs.pop("claim", 0))
        start = {"world": [0] * len(choices), "margin": asked[self.claim]["margin"]}
        for name, value in {**start, **kwargs}.items():
            self.set_trait(name, value)

    @validate("claim")
    def _check_claim(self, proposal: Any) -> int:
        last = len(self.claims) - 1
        return checked(proposal, f"an integer from 0 to {last}", lambda value: 0 <= value <= last)

    @validate("world")
    def _check_world(self, proposal: Any) -> list[int]:
        sizes = [len(choice["values"]) for choice in self.choices]
        allowed = f"integers from 0, one below each of {sizes}"
        return checked(
            proposal,
            allowed,
            lambda value: len(value) == len(sizes) and all(0 <= one < size for one, size in zip(value, sizes)),
        )


def _by_world(values: pd.DataFrame, names: Mapping[str, Sequence[str]]) -> np.ndarray:
    """The values by claim, world and seed, in the order of the names and of the seeds; NaN where there are fewer seeds.

    Raises TraitError.
    """
    import pandas as pd  # which no other widget needs

    rows = values.sort_values("seed").astype(dict.fromkeys(names, str))
    if not rows["value"].between(-1, 1).all():
        raise TraitError("values must have a value from -1 to 1 in each row.")
    place = rows.groupby([*names]).cumcount()
    seeds = int(place.max()) + 1 if len(rows) else 0
    if not 1 <= seeds <= MAX_SEEDS:
        raise TraitError(f"values must have 1 to {MAX_SEEDS} seeds in a world, not {seeds}.")
    for name, known in names.items():
        if unknown := sorted(set(rows[name]) - set(known)):
            raise TraitError(f"{name} must be one of {', '.join(known)} in each row of values, not {unknown[0]!r}.")
    index = pd.MultiIndex.from_product([*names.values(), range(seeds)])
    keyed = rows["value"].set_axis(pd.MultiIndex.from_frame(rows[[*names]].assign(place=place)))
    return keyed.reindex(index).to_numpy().reshape(len(names["claim"]), -1, seeds)


@cache
def _intervals(seeds: int) -> list[list[float]]:
    """The interval of the share for each count of this many seeds, from none to all."""
    from rnnreport.claims import uncertainty

    shares = [uncertainty.share([1] * count + [0] * (seeds - count)) for count in range(seeds + 1)]
    return [[round(share.low, 4), round(share.high, 4)] for share in shares]


def at_chosen_rates(rates: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Asked]]:
    """The arguments for a widget of one world: both networks at each T, the longest first, at the chosen rate.

    rates: recorded runs at several lengths and learning rates, as the claims on figures 2a and 2b take them.
    """
    from rnnreport.claims.evidence import at_chosen, at_last_step

    rows = at_chosen(at_last_step(rates)[1], ["model", "length"]).sort_values(
        ["length", "model"], ascending=[False, True]
    )
    names = [f"{NAMES[model]}, T = {length}" for model, length in zip(rows["model"], rows["length"])]
    asked = {
        name: (f"the {NAMES[model]}'s accuracy at T = {length}", 0.5, True)
        for name, model, length in zip(names, rows["model"], rows["length"])
    }
    return rows[["seed"]].assign(claim=names, value=rows["test_accuracy"]), asked
