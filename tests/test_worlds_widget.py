"""The widget that draws recorded seeds: what it counts in node, held against Python, and its use in a browser."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from conftest import Shown, in_node, in_page
from traitlets import TraitError

from rnnreport.claims import uncertainty
from rnnreport.widgets.worlds import MAX_SEEDS, Worlds, at_chosen_rates

if TYPE_CHECKING:
    from playwright.sync_api import Page

CLAIMS = {"it learns": ("the accuracy", 0.9, True), "it lags": ("the lead", 0.0, False)}
CHOICES = {"digits": ["one number", "one-hot"], "rate": ["0.001", "0.003", "0.01"]}


class Unpacked:
    """The page's module, and its seeds from a widget's state."""

    _esm = f"""{Worlds._esm}
export const unpacked = (state, claim, world) =>
  seedsOf({{ ...state, values: decode(state.values, "int16") }}, claim, world);
export const steps = (...asked) => judged(...asked);
export const said = (seeds, asked, intervals, known) => describe(judged(seeds, asked, intervals), asked, known);"""


def table(seeds: int = 7) -> pd.DataFrame:
    """Leads may be negative; the last world of the second claim lacks its last seed."""
    rng = np.random.default_rng(0)
    cases = [*product(CLAIMS, *CHOICES.values(), range(seeds))]
    rows = pd.DataFrame(cases, columns=["claim", *CHOICES, "seed"])
    drawn = rng.integers(0, 2001, len(rows)) / 2000
    rows["value"] = np.where(rows["claim"] == "it lags", 2 * drawn - 1, drawn)
    return rows.iloc[:-1].sample(frac=1, random_state=1)


def widget(**traits: Any) -> Worlds:
    return Worlds(table(), CLAIMS, CHOICES, **traits)


# What it counts


def test_the_page_gets_every_seed_of_every_world_in_its_order(node: list[str]) -> None:
    state, rows = in_page(widget()), table().sort_values("seed")
    asked = [(claim, [digits, rate]) for claim, digits, rate in product(range(2), range(2), range(3))]
    found = in_node(node, Unpacked, "unpacked", [[state, *one] for one in asked])
    for (claim, (digits, rate)), seeds in zip(asked, found, strict=True):
        where = {"claim": [*CLAIMS][claim], "digits": CHOICES["digits"][digits], "rate": CHOICES["rate"][rate]}
        expected = rows[(rows[[*where]] == pd.Series(where)).all(axis=1)]["value"]
        assert [value / 10_000 for value in seeds] == pytest.approx(expected.tolist(), abs=1e-9)
    assert len(found[-1]) == 6  # one was not recorded
    assert [claim["least"] for claim in state["claims"]] == [0, -1]


@pytest.mark.parametrize("above", [True, False])
@pytest.mark.parametrize("margin", [0.5, 0.57, 0.95, 0.0])
def test_shares_and_intervals_are_those_of_the_verdicts(node: list[str], margin: float, above: bool) -> None:
    seeds = [margin, 0.1, 0.99, 0.96, round(margin + 0.0005, 4), 0.3, 1.0]
    asked = {"margin": margin, "above": above}
    whole = [round(10_000 * value) for value in seeds]
    (found,) = in_node(node, Unpacked, "steps", [[whole, asked, widget().intervals]])
    holds = [value > margin if above else value < margin for value in seeds]
    for drawn, step in enumerate(found, start=1):
        share = uncertainty.share(holds[:drawn])
        assert step["count"] == sum(holds[:drawn])
        assert [step["share"], step["low"], step["high"]] == pytest.approx(share[:3], abs=1e-4)
        verdict = "reproduced" if share.low > 0.5 else "contradicted" if share.high < 0.5 else "cannot tell"
        assert step["verdict"] == verdict


ASKED = {"what": "the accuracy", "margin": 0.9, "above": True}


ABOVE = "the accuracy is above 0.9. The 95% interval of this share is"


@pytest.mark.parametrize(
    ("seeds", "known", "says"),
    [
        ([1.0], 7, f"In 1 of 1 seed {ABOVE} 0.03 to 1.00. One half lies within: cannot tell."),
        ([1.0] * 6, 7, f"In 6 of 6 seeds {ABOVE} 0.54 to 1.00. All of it lies above one half: reproduced."),
        ([0.9] * 7, 7, f"In 0 of all 7 seeds {ABOVE} 0.00 to 0.41. All of it lies below one half: contradicted."),
        ([], 7, "No seed is drawn. Of 7 seeds, in how many is it so that the accuracy is above 0.9?"),
        ([], 0, "No seed of this world is recorded."),
    ],
)
def test_the_sentence_says_what_the_seeds_can_tell(node: list[str], seeds: list[float], known: int, says: str) -> None:
    whole = [round(10_000 * value) for value in seeds]
    (sentence,) = in_node(node, Unpacked, "said", [[whole, ASKED, widget().intervals, known]])
    assert sentence == says


def test_an_end_beside_one_half_is_not_rounded_to_it(node: list[str]) -> None:
    intervals = [[[0.0, 0.4962], [0.5038, 1.0]]]
    for seed, says in ((10_000, "0.504 to 1.00. All of it lies above"), (0, "0.00 to 0.496. All of it lies below")):
        assert says in in_node(node, Unpacked, "said", [[[seed], ASKED, intervals, 1]])[0]


# Python's half


def test_a_widget_starts_at_the_claim_s_own_margin_with_a_single_seed() -> None:
    for claim, margin in ((0, 0.9), (1, 0.0)):
        shown = widget(claim=claim)
        assert (shown.claim, shown.margin, shown.world, shown.drawn) == (claim, margin, [0, 0], 1)
    assert widget(margin=0.4, drawn=3, world=[1, 2]).margin == 0.4


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        *[("claim", value, "an integer from 0 to 1") for value in (-1, 2)],
        *[("world", value, "integers from 0, one below each of [2, 3]") for value in ([], [0], [2, 0], [0, -1])],
        *[("margin", value, "a finite number >= -1 and <= 1") for value in (-1.1, 2.0)],
        *[("drawn", value, f"an integer from 0 to {MAX_SEEDS}") for value in (-1, 101)],
    ],
)
def test_what_cannot_be_shown_is_one_clear_sentence(name: str, value: Any, allowed: str) -> None:
    shown = widget()
    before = getattr(shown, name)
    for attempt in (lambda: setattr(shown, name, value), lambda: widget(**{name: value})):
        with pytest.raises(TraitError) as refused:
            attempt()
        assert str(refused.value) == f"{name} must be {allowed}, not {value!r}."
    assert getattr(shown, name) == before


def test_values_that_the_page_cannot_take_are_refused() -> None:
    rows = table()
    for wrong, says in (
        (rows.assign(value=1.2), r"^values must have a value from -1 to 1 in each row\.$"),
        (rows.assign(value=np.nan), r"^values must have a value from -1 to 1 in each row\.$"),
        (rows[:0], r"^values must have 1 to 100 seeds in a world, not 0\.$"),
        (table(101), r"^values must have 1 to 100 seeds in a world, not 101\.$"),
        (rows.assign(rate="0.1"), r"^rate must be one of 0\.001, 0\.003, 0\.01 in each row of values, not '0\.1'\.$"),
        (rows.assign(claim="it flies"), r"^claim must be one of it learns, it lags in each row .*, not 'it flies'\.$"),
    ):
        with pytest.raises(TraitError, match=says):
            Worlds(wrong, CLAIMS, CHOICES)


def test_one_world_has_both_networks_at_each_length_and_the_rate_that_other_seeds_chose() -> None:
    cases = product(("lstm", "rnn"), (5, 20), (0.001, 0.01), range(7), (0, 50))
    rows = pd.DataFrame([*cases], columns=["model", "length", "learning_rate", "seed", "step"])
    best = rows["learning_rate"] == np.where(rows["length"] == 5, 0.01, 0.001)
    rows["test_accuracy"] = np.where(best & (rows["step"] > 0), 0.8 + rows["seed"] / 100, 0.1)
    values, asked = at_chosen_rates(rows)
    assert [*asked] == ["RNN, T = 5", "LSTM, T = 5", "RNN, T = 20", "LSTM, T = 20"]
    assert asked["LSTM, T = 20"] == ("the LSTM's accuracy at T = 20", 0.5, True)
    assert values.groupby("claim")["seed"].agg(list).tolist() == [[1, 2, 3, 4, 5, 6]] * 4
    assert values["value"].between(0.81, 0.861).all()
    assert Worlds(values, asked).world == []


# In a browser


def test_seeds_are_drawn_one_by_one_and_all_and_anew(shown: Shown, page: Page) -> None:
    drawing, keyboard = shown(widget()), page.keyboard
    says, dots = drawing.get_by_role("status"), drawing.locator("svg[role=img]").first.locator("circle")
    assert dots.count() == 1
    drawing.get_by_role("button", name="Draw a seed").focus()
    for drawn in (2, 3):
        keyboard.press("Enter")
        assert dots.count() == drawn
        assert f" of {drawn} seeds the accuracy is above 0.9. " in says.inner_text()
    drawing.get_by_role("button", name="Draw all").click()
    keyboard.press("Enter")
    assert dots.count() == 7
    drawing.get_by_role("button", name="Draw a seed").click()
    assert " of all 7 seeds" in says.inner_text()
    drawing.get_by_role("button", name="Start again").click()
    assert dots.count() == 0
    assert says.inner_text().startswith("No seed is drawn.")
    drawing.get_by_role("button", name="Reset").click()
    assert dots.count() == 1
    assert page.evaluate("window.saved.drawn") == 1


def test_claim_world_and_margin_change_the_count(shown: Shown, page: Page) -> None:
    drawing = shown(widget(drawn=7))
    says, margin = drawing.get_by_role("status"), drawing.get_by_role("slider", name="margin")
    margin.press("Home")
    assert re.match(r"In 7 of all 7 seeds the accuracy is above 0\. ", says.inner_text())
    margin.press("End")
    assert says.inner_text().startswith("In 0 of all 7 seeds the accuracy is above 1.")
    drawing.get_by_role("radiogroup", name="Which claim").get_by_role("radio", name="it lags").check()
    assert " seeds the lead is below 0. " in says.inner_text()
    drawing.get_by_role("radiogroup", name="digits").get_by_role("radio", name="one-hot").check()
    drawing.get_by_role("radiogroup", name="rate").get_by_role("radio", name="0.01").check()
    assert " of all 6 seeds the lead is below 0. " in says.inner_text()
    assert page.evaluate("[window.saved.world.join(), window.saved.claim, window.saved.margin]") == ["1,2", 1, 0]
    margin.press("Home")
    assert "is below -1. " in says.inner_text()


def test_a_single_world_with_a_single_claim_has_nothing_to_pick(shown: Shown) -> None:
    rows = pd.DataFrame({"claim": "it learns", "seed": [0, 1], "value": [1.0, 0.2]})
    drawing = shown(Worlds(rows, {"it learns": CLAIMS["it learns"]}))
    assert drawing.get_by_role("radio").count() == 0
    assert drawing.get_by_role("status").inner_text().startswith("In 1 of 1 seed the accuracy is above 0.9.")
