"""Chapter 2: the memory horizon, the longest palindrome that a network solves within a budget of steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from rnnreport import words
from rnnreport.backends import Backend
from rnnreport.configuration import ModelName
from rnnreport.experiments.palindromes import PalindromeRun, train_palindromes
from rnnreport.runs import Run, run_all, tabulate

SOLVED = 0.99  # of at least 2,000 fresh palindromes …
IN_SEEDS = 0.8  # … in this share of the seeds: 4 of 5

BaseName = Literal["report", "better start"]

# Two settings to start from, and the factors that are changed one at a time.
BASES: dict[BaseName, dict[ModelName, dict[str, Any]]] = {
    "report": {
        "rnn": {"encoding": "scalar", "initialisation": "normal", "learning_rate": 1e-3, "clip_norm": 10.0},
        "lstm": {"encoding": "scalar", "initialisation": "normal", "learning_rate": 1e-3, "clip_norm": 10.0},
    },
    "better start": {
        "rnn": {"encoding": "one-hot", "initialisation": "orthogonal", "learning_rate": 3e-4, "clip_norm": 10.0},
        "lstm": {
            "encoding": "one-hot",
            "initialisation": "uniform",
            "chrono": True,
            "learning_rate": 2e-3,
            "clip_norm": 10.0,
        },
    },
}
GATES_BIASES = "gates' biases"
FACTORS: dict[str, dict[str, dict[str, Any]]] = {
    "digits": {"one number": {"encoding": "scalar"}, "one-hot": {"encoding": "one-hot"}},
    "initial weights": {
        "N(0, 0.1), deviation": {"initialisation": "normal"},
        "N(0, 0.1), variance": {"initialisation": "normal-variance"},
        "uniform": {"initialisation": "uniform"},
        "orthogonal": {"initialisation": "orthogonal"},
        "identity": {"initialisation": "identity"},
    },
    GATES_BIASES: {
        "as drawn": {"forget_bias": 0.0, "chrono": False},
        "forget bias 1": {"forget_bias": 1.0, "chrono": False},
        "chrono": {"forget_bias": 0.0, "chrono": True},
    },
    "gradient clipped at": {f"{norm:g}": {"clip_norm": norm} for norm in (1.0, 10.0, 100.0)},
    "learning rate": {f"{rate:g}": {"learning_rate": rate} for rate in (3e-4, 1e-3, 3e-3)},
}


SETTING = ["base", "factor", "value", "model"]


class Setting(NamedTuple):
    """A network's settings: those of a base, or with one factor moved to another value."""

    base: str
    factor: str  # "" for the base itself
    value: str
    model: ModelName
    settings: dict[str, Any]  # of PalindromeRun and of its Recipe

    @property
    def name(self) -> tuple[str, str, str, str]:
        """What distinguishes it from other settings: the columns of ``SETTING``."""
        return self.base, self.factor, self.value, self.model


# The better start again, for a larger budget of steps.
FARTHER = [Setting("farther", "", "", model, settings) for model, settings in BASES["better start"].items()]

Climbed = tuple[Setting, Run]


def bases(models: Sequence[ModelName] = ("rnn", "lstm")) -> list[Setting]:
    """The two bases themselves, of these models."""
    return [
        Setting(name, "", "", model, of_base[model])
        for name, of_base in BASES.items()
        for model in models
        if model in of_base
    ]


def one_factor_at_a_time(models: Sequence[ModelName] = ("rnn", "lstm")) -> list[Setting]:
    """The bases, and all settings that differ from one in a single factor; the RNN has no gates' biases to set."""
    return [setting for base in bases(models) for setting in (base, *_moved(base))]


def _moved(base: Setting) -> Iterator[Setting]:
    for factor, values in FACTORS.items():
        if factor == GATES_BIASES and base.model == "rnn":
            continue
        for value, change in values.items():
            settings = {**base.settings, **change}
            if PalindromeRun.of(base.model, 5, 0, **settings) != PalindromeRun.of(base.model, 5, 0, **base.settings):
                yield Setting(base.base, factor, value, base.model, settings)


def climb(
    settings: Sequence[Setting],
    ladder: Sequence[int],
    seeds: Sequence[int],
    budget: int,
    backend: Backend = "torch",
    **common: Any,
) -> list[Climbed]:
    """Train every setting at ever longer palindromes until one is not solved within the budget of steps.

    A training ends as soon as it has solved its length. At each length the first seeds to run are just enough to show
    that too many fail. If all of them fail, the other seeds cannot help and are not run. backend: what runs the
    networks. common: settings of all runs, such as hidden_size. Returns the runs, each with its setting.
    """
    spare = len(seeds) - needed(len(seeds))  # seeds that may fail
    climbing, climbed = list(settings), []
    for length in sorted(ladder):
        failed: Counter[tuple[str, ...]] = Counter()
        for some in (seeds[: spare + 1], seeds[spare + 1 :]):
            asked = [(setting, seed) for setting in climbing for seed in some]
            runs = [
                PalindromeRun.of(setting.model, length, seed, budget, backend, SOLVED, **common, **setting.settings)
                for setting, seed in asked
            ]
            for (setting, _), run in zip(asked, run_all(train_palindromes, runs, f"horizon, T = {length}")):
                failed[setting.name] += run.table["test_accuracy"].iloc[-1] < SOLVED
                climbed.append((setting, run))
            climbing = [setting for setting in climbing if failed[setting.name] <= spare]
    return climbed


def tabulated(climbed: Sequence[Climbed]) -> pd.DataFrame:
    """The runs' tables joined, with the columns of ``SETTING`` and those of their configurations."""
    tables = [tabulate([run]).assign(**dict(zip(SETTING, setting.name))) for setting, run in climbed]
    return pd.concat(tables, ignore_index=True)


def needed(seeds: int) -> int:
    """How many of this number of seeds must have solved a length: 4 of 5."""
    return int(np.ceil(IN_SEEDS * seeds))


def steps_to_solve(table: pd.DataFrame) -> pd.DataFrame:
    """The first recorded step at which each setting and seed solved each length, ``steps``; infinity if none."""
    return words.first_solved(table, [*SETTING, "length"], table["test_accuracy"] >= SOLVED)


def horizons(table: pd.DataFrame, budgets: Sequence[float] = (np.inf,)) -> pd.DataFrame:
    """The longest T that each setting solved within each budget in 4 of 5 ``seeds``, ``horizon``; 0 if none."""
    steps = steps_to_solve(table)
    wanted = needed(count := table["seed"].nunique())
    rows = []
    for setting, of_setting in steps.groupby(SETTING, sort=False):
        for budget in budgets:
            enough = of_setting[np.isfinite(of_setting["steps"]) & (of_setting["steps"] <= budget)]
            seeds = enough.groupby("length")["seed"].nunique()
            rows.append((*setting, budget, int(seeds.index[seeds >= wanted].max() if (seeds >= wanted).any() else 0)))
    return pd.DataFrame(rows, columns=[*SETTING, "budget", "horizon"]).assign(seeds=count)


def in_words(horizon: int, ladder: Sequence[int]) -> str:
    """A horizon on this ladder of lengths, for a sentence: for the last rung, where the climb ends, "at least"."""
    if not horizon:
        return f"less than T = {min(ladder)}"
    return f"at least T = {horizon}" if horizon == max(ladder) else f"T = {horizon}"


def budgets(table: pd.DataFrame) -> list[float]:
    """The budgets of steps at which a horizon may change: 0, those at which a seed solved a length, and the largest."""
    steps = steps_to_solve(table)["steps"]
    return sorted({0.0, *steps[np.isfinite(steps)], float(table["steps"].max())})


def by_budget(climbs: pd.DataFrame, far: pd.DataFrame) -> pd.DataFrame:
    """The horizon of both starts, and of the climb that goes farther, at every budget at which it may change.

    climbs, far: of :func:`tabulated`. Without rows in far there are none.
    """
    parts = [horizons(part, budgets(part)) for part in (climbs[climbs["factor"] == ""], far) if len(far)]
    return pd.concat(parts, ignore_index=True) if parts else far


def reached(table: pd.DataFrame) -> str:
    """How far each network of this table gets, and by which step enough seeds have solved that length."""
    ladder = sorted(table["length"].unique())
    wanted, steps, parts = needed(table["seed"].nunique()), steps_to_solve(table), []
    for model, horizon in horizons(table).set_index("model")["horizon"].items():
        if horizon:
            taken = sorted(steps.loc[(steps["model"] == model) & (steps["length"] == horizon), "steps"])
            how = f"gets to {in_words(horizon, ladder)} (step {taken[wanted - 1]:,.0f})"
        else:
            how = f"does not solve T = {min(ladder)}"
        parts.append(f"the {words.called('model', model)} {how}")
    return f"Within {int(table['steps'].max()):,} steps {words.listed(parts)}."


def longest(climbs: pd.DataFrame, far: pd.DataFrame) -> pd.DataFrame:
    """The longest T that each network solves from each start.

    Columns: base, steps (the budget), model, horizon, words (the horizon in words) and others of :func:`horizons`.
    climbs, far: of :func:`tabulated`; far is the better start with a larger budget and may be empty.
    """
    parts = []
    for table in (part for part in (climbs, far) if len(part)):
        own, ladder = horizons(table[table["factor"] == ""]), sorted(table["length"].unique())
        said = [_digits(horizon, ladder) for horizon in own["horizon"]]
        start = own["base"].where(own["base"] != "farther", "better start")
        parts.append(own.assign(base=start, steps=int(table["steps"].max()), words=said))
    return pd.concat(parts, ignore_index=True)


def _digits(horizon: int, ladder: Sequence[int]) -> str:
    if not horizon:
        return f"of fewer than {min(ladder)} digits"
    return f"of {'at least' if horizon == max(ladder) else 'up to'} {horizon} digits"


def solved_at_best_rate(table: pd.DataFrame) -> str:
    """The longest T that each model has solved at some learning rate, by the mean over the seeds."""
    longest: dict[str, int] = {}
    for (model, length, _), rows in words.grouped(words.at_end(table), "model", "length", "learning_rate"):
        solved = rows["test_accuracy"].mean() >= SOLVED
        longest[model] = max(longest.get(model, 0), length if solved else 0)
    found = [
        f"{f'T = {length}' if length else 'no T'} for the {words.NAMES[model]}" for model, length in longest.items()
    ]
    return (
        f"At the best rate, accuracy after {table['step'].max():,} steps reaches {SOLVED} up to {words.listed(found)}."
    )


def one_factor_moved(table: pd.DataFrame) -> str:
    """How far a single factor takes each network from the report's start, and which. table: of :func:`horizons`."""
    return _farthest(table[table["base"] == "report"], "The report's", "its") + "."


def what_decides(table: pd.DataFrame) -> str:
    """The same from the better start; what takes most from it; and which of its own values do nothing alone."""
    report, better = (table[table["base"] == base] for base in BASES)
    said = [_farthest(better, "From the better start the", "the")]
    for model, rows in words.grouped(better, "model"):
        if (least := rows["horizon"].min()) < _own(rows):
            said.append(f"The {words.NAMES[model]} falls to {least} with {_ways(rows, least)}")
    for model, rows in words.grouped(report, "model"):
        start = {"forget_bias": 0.0, **BASES["better start"][model]}.items()
        parts = [bool(name) and FACTORS[name][value].items() <= start for name, value in zip(rows.factor, rows.value)]
        idle = _ways(rows[parts], _own(rows), "and")
        said.append(f"Alone, {idle} leave the report's {words.NAMES[model]} at T = {_own(rows)}")
    return f"{'. '.join(said)}."


def _own(rows: pd.DataFrame) -> int:
    """The start's own horizon. rows: one model's, from one start."""
    return int(rows.loc[rows["factor"] == "", "horizon"].item())


def _farthest(rows: pd.DataFrame, whose: str, others: str) -> str:
    """How far the networks get with the best single factor: "The report's RNN gets to … with …, its LSTM …"."""
    found: list[str] = []
    for model, of_model in words.grouped(rows, "model"):
        best = of_model["horizon"].max()
        far = f"to T = {best} with {_ways(of_model, best)}" if best > _own(of_model) else f"no farther than T = {best}"
        found.append(f"{words.NAMES[model]} {far if found else f'gets {far}'}")
    return f"{whose} {f', {others} '.join(found)}"


def _ways(rows: pd.DataFrame, horizon: int, last: str = "or") -> str:
    """The factors that lead to this horizon, in words."""
    moved = rows[(rows["horizon"] == horizon) & (rows["factor"] != "")]
    return words.listed([_as_words(*move) for move in zip(moved["factor"], moved["value"])], last=last)


def _as_words(factor: str, value: str) -> str:
    """One value of a factor, as a sentence names it: "a rate of 0.003", "one-hot digits"."""
    if value.startswith("N("):
        return f"weight {value.rpartition(' ')[2]} 0.1"
    whole = {"one number": "digits as one number", "as drawn": "biases as drawn", "forget bias 1": "forget bias 1"}
    before = {"gradient clipped at": "clipping at", "learning rate": "a rate of"}
    if factor in before:
        return f"{before[factor]} {value}"
    return whole.get(value, f"{value} {factor.rpartition(' ')[2]}")


def moves(table: pd.DataFrame) -> str:
    """The seeds, and all single factors that change the longest T, from each start. table: of :func:`horizons`."""
    found = []
    for (base, model), rows in words.grouped(table, "base", "model"):
        own = _own(rows)
        changed = rows.loc[rows["horizon"] != own, ["factor", "value", "horizon"]].to_numpy()
        ends = [f"{factor} {value}: T = {end}" if end else f"{factor} {value}: none" for factor, value, end in changed]
        found.append(f"{words.called('model', model)}, {base} (T = {own}): {', '.join(ends) or 'nothing changes it'}")
    return f"{solved_by(table)} What changes the longest T solved. {'; '.join(found)}."


def solved_by(table: pd.DataFrame) -> str:
    """How many seeds must have solved a length. table: of :func:`horizons`."""
    seeds = table["seeds"].iloc[0]
    return f"Solved: by {needed(seeds)} of {seeds} seeds."
