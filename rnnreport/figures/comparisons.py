"""Chapter 3b's figures: other cells, and two classic tests of a long memory."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rnnreport.figures import (
    GATED,
    GUIDE,
    LSTM,
    RNN,
    SEQUENCE,
    chart,
    curves,
    legend_below,
    level_line,
    log_ticks,
    median_and_range,
    new,
    panels,
    steps_by_length,
    ticks,
)
from rnnreport.words import NAMES, at_end, counted, first_solved, grouped, listed, share

CELL_COLOURS = {"lstm": LSTM, "gru": SEQUENCE[0], "min-lstm": SEQUENCE[3], "min-gru": GUIDE}
MEMORY_COLOURS = {
    "LSTM": LSTM,
    "chrono LSTM": SEQUENCE[3],
    "gated LSTM": GATED,
    "orthogonal RNN": RNN,
    "IRNN": SEQUENCE[0],
}
MEASURES = {
    "palindromes": "accuracy",
    "adding": "mean squared error",
    "text": "bits per character",
}


def held(table: pd.DataFrame, by: str, value: str) -> pd.DataFrame:
    """The values at every step of the table: a training that has ended keeps its last one. Columns: by, seed, step."""
    wide = table.pivot(index="step", columns=[by, "seed"], values=value).ffill()
    return wide.melt(value_name=value, ignore_index=False).reset_index()


def at_best_rate(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of every cell on every task at the learning rate that is best on the first seed.

    If there are others, only their rows: those that have not chosen.
    """
    chooses = table["seed"] == table["seed"].min()
    parts = []
    for (task, model), rows in grouped(table[chooses], "task", "model"):
        rates = {rate: _merit(task, part) for rate, part in grouped(rows, "learning_rate")}
        best = (
            (table["task"] == task)
            & (table["model"] == model)
            & (table["learning_rate"] == min(rates, key=lambda rate: rates[rate]))
        )
        parts.append(table[best & (~chooses if not chooses.all() else True)])
    return pd.concat(parts, ignore_index=True)


def _merit(task: str, rows: pd.DataFrame) -> tuple[float, float]:
    """How good a cell's runs on a task are, smaller is better: the median of the steps that solve it, then the end."""
    end = at_end(held(rows, "model", "value"))["value"].mean()
    return _steps_on(task, rows)["steps"].median(), -end if task == "palindromes" else end


@chart("Fresh data, each at its best rate; bands: 95% intervals of the mean")
def contenders(table: pd.DataFrame) -> Figure:
    """Four cells with equally many parameters on palindromes, the adding problem and text, over the training steps.

    table: columns task, model, learning_rate, seed, step, value and solved.
    """
    best = at_best_rate(table)
    figure, axes = new(best["task"].nunique(), figsize=(7.6, 3.1), squeeze=False)
    for ax, (task, rows) in zip(axes[0], grouped(best, "task")):
        finite = rows[np.isfinite(rows["value"])]
        least, most = finite["value"].min(), finite["value"].max()
        ylim = (0.0, 1.03) if task == "palindromes" else (0.8 * least, 1.1 * most)
        shown = held(finite, "model", "value")
        is_share = task == "palindromes"
        unnamed = dict.fromkeys(CELL_COLOURS, "")
        curves(shown, "model", "value", ax=ax, colours=CELL_COLOURS, names=unnamed, chance=None, ylim=ylim,
               share=is_share)  # fmt: skip
        for line, model in zip(ax.lines, dict.fromkeys(shown["model"])):
            line.set_label(NAMES[model])
        ax.set(ylabel=MEASURES[task], title=task)
        if task == "adding":
            ax.set_yscale("log")
            log_ticks(ax.yaxis)
    legend_below(figure, 4)
    return figure


def ahead(table: pd.DataFrame) -> str:
    """The cell that is ahead on every task: that solves it in the fewest steps or, if no seed of any does, ends best.

    Each of its seeds must be ahead of every seed of the others.
    """
    led: dict[str, list[str]] = {}
    for task, rows in grouped(at_best_rate(table), "task"):
        model, how = _leader(task, rows)
        led.setdefault(NAMES[model] if model else "none", []).append(f"{task} ({how})" if model else task)
    cells = "; ".join(f"{name} on {listed(tasks)}" for name, tasks in led.items())
    return f"Ahead in every seed, with equally many parameters: {cells}."


def _leader(task: str, rows: pd.DataFrame) -> tuple[str | None, str]:
    """The cell that is ahead on this task, or None, and by what."""
    steps, ends = _steps_on(task, rows), at_end(held(rows, "model", "value"))
    is_solved = bool(np.isfinite(steps["steps"]).any())
    sign = -1 if task == "palindromes" and not is_solved else 1  # smaller is better, but for accuracies
    values, column = (steps, "steps") if is_solved else (ends, "value")
    merits = {model: sign * part[column] for model, part in grouped(values, "model")}
    leader = min(merits, key=lambda model: merits[model].max())
    others = [merit.min() for model, merit in merits.items() if model != leader]
    if not others or merits[leader].max() >= min(others):
        return None, ""
    middle = values.loc[values["model"] == leader, column]
    return leader, f"solved at step {middle.median():,.0f}" if is_solved else _shown(task, middle.mean())


def _steps_on(task: str, rows: pd.DataFrame) -> pd.DataFrame:
    """The first step at which each cell and seed has the accuracy in the column ``solved``, or a lower loss than it."""
    solved = rows["value"] >= rows["solved"] if task == "palindromes" else rows["value"] < rows["solved"]
    return first_solved(rows, ["model"], solved)


def _shown(task: str, value: float) -> str:
    form = {"palindromes": "accuracy {}", "adding": "error {:.2g}", "text": "{:.2f} bits"}[task]
    return form.format(share(value) if task == "palindromes" else value)


def every_contender(table: pd.DataFrame) -> str:
    """Sizes, rates, the values at the end, and how many seeds have solved the task in how many steps."""
    said = []
    for (task, model), rows in grouped(at_best_rate(table), "task", "model"):
        steps = _steps_on(task, rows)["steps"]
        solved = steps[np.isfinite(steps)]
        when = f", solved by {len(solved)} of {counted(len(steps), 'seed')}" if rows["solved"].iloc[0] else ""
        when += f" (median step {solved.median():,.0f})" if len(solved) else ""
        end = at_end(held(rows, "model", "value"))["value"]
        lost = int(np.isinf(end).sum())
        when += f", {lost} diverged" * bool(lost)
        said.append(
            f"{NAMES[model]} on {task}: {rows['hidden_size'].iloc[0]} units a layer, "
            f"{rows['parameters'].iloc[0]:,} parameters, rate {rows['learning_rate'].iloc[0]:g}, "
            f"{_shown(task, end[np.isfinite(end)].mean())}{when}"
        )
    return f"{'; '.join(said)}."


@chart("Dots: seeds; lines: medians; crosses: not solved within the budget (dotted)")
def adding(table: pd.DataFrame) -> Figure:
    """Training steps until the adding problem is solved at a length, one line for each network.

    table: columns network, length, learning_rate, seed, step, test_loss, solved and steps (the budget).
    """
    figure, ax = new(figsize=(7.0, 3.4))
    budget = int(table["steps"].max())
    found = first_solved(table, ["network", "length"], table["test_loss"] < table["solved"])
    for network, rows in grouped(found, "network"):
        steps_by_length(ax, rows, MEMORY_COLOURS[network], top=1.35 * budget)
        ax.lines[-1].set_label(network)
    ax.axhline(budget, color=GUIDE, ls=":", lw=1)
    ax.set(xscale="log", yscale="log", xlabel="sequence length T", ylabel="training steps to solve")
    ticks(ax.xaxis, sorted(found["length"].unique()))
    log_ticks(ax.yaxis)
    legend_below(figure, 3)
    return figure


def solved_up_to(table: pd.DataFrame) -> str:
    """The longest adding problem that most seeds of every network solve."""
    found = first_solved(table, ["network", "length"], table["test_loss"] < table["solved"])
    longest: dict[int, list[str]] = {}
    for network, rows in grouped(found, "network"):
        solved = rows.groupby("length")["steps"].median()
        reached = int(solved.index[np.isfinite(solved)].max()) if np.isfinite(solved).any() else 0
        longest.setdefault(reached, []).append(network)
    parts = [f"{length} by {listed(longest[length])}" for length in sorted(longest, reverse=True) if length]
    never = [f"never by {listed(longest[0])}"] if 0 in longest else []
    if not parts:
        return "No network learns sums, at any T."
    return f"Sums are learned up to T = {'; '.join([*parts, *never])}."


def steps_to_add(table: pd.DataFrame) -> str:
    """How many seeds solve each length, and in how many steps."""
    said = []
    for network, rows in grouped(table, "network"):
        found = first_solved(rows, ["length"], rows["test_loss"] < rows["solved"])
        lengths, lost = [], rows[np.isinf(rows["test_loss"])].groupby("length")["seed"].nunique()
        for length, steps in found.groupby("length")["steps"]:
            solved = steps[np.isfinite(steps)]
            when = f" (median step {solved.median():,.0f})" if len(solved) else ""
            when += f", {lost[length]} diverged" if length in lost else ""
            lengths.append(f"T = {length} {len(solved)} of {counted(len(steps), 'seed')}{when}")
        said.append(f"{network}, learning rate {rows['learning_rate'].iloc[0]:g}: {', '.join(lengths)}")
    limit = table["solved"].iloc[0]
    return (
        f"Solved: a mean squared error below {limit:g} on fresh sequences, within {table['steps'].max():,} steps; a "
        f"network that no seed trains to solve a length is not trained at longer ones. {'; '.join(said)}."
    )


@chart("1: without memory; lines: medians of the seeds; bands: their range; one panel per delay")
def copying(table: pd.DataFrame) -> Figure:
    """Cross-entropy of the copying problem over that without memory, one line for each network.

    table: columns network, delay, seed, step and ratio.
    """
    width = 7.2 / table["delay"].nunique()
    figure, axes = panels(
        table.groupby("delay"), width, 2.9, 0.4, "delay {}".format, ylabel="cross-entropy /\nwithout memory"
    )
    ends = [end for *_, rows in axes for end in _copied_at_end(rows).values()]
    top = max([1.3, *(1.1 * end for end in ends if np.isfinite(end))])
    for ax, _, rows in axes:
        shown = held(rows[np.isfinite(rows["ratio"])], "network", "ratio")
        for network, part in grouped(shown, "network"):
            median_and_range(ax, part.groupby("step")["ratio"], MEMORY_COLOURS[network], label=network)
        ax.set(yscale="linear", xlabel="training step", xlim=(0, table["step"].max()), ylim=(0, top))
        level_line(ax, 1.0, "")
    legend_below(figure, 3)
    return figure


BELOW = 0.95  # of the cross-entropy without memory: something is remembered


def copied(table: pd.DataFrame) -> str:
    """Up to which delay each network ends below the cross-entropy without memory."""
    longest: dict[int, list[str]] = {}
    for network, rows in grouped(table, "network"):
        below = [delay for delay, part in grouped(rows, "delay") if _copied_at_end(part)[network] < BELOW]
        longest.setdefault(max(below, default=0), []).append(network)
    parts = [f"up to delay {delay} for {listed(longest[delay])}" for delay in sorted(longest, reverse=True) if delay]
    if not parts:
        return "No network ends better than without memory, at any delay."
    never = [f"never for {listed(longest[0])}"] if 0 in longest else []
    return f"Better than without memory {'; '.join([*parts, *never])}."


def _copied_at_end(rows: pd.DataFrame) -> dict[str, float]:
    ends = at_end(held(rows, "network", "ratio"))
    return {network: part["ratio"].mean() for network, part in grouped(ends, "network")}


def copied_in_full(table: pd.DataFrame) -> str:
    """Every network's cross-entropy at the end, over that without memory, at every delay."""
    said = []
    for delay, rows in table.groupby("delay"):
        ends = [
            f"{network} {share(end) if np.isfinite(end) else 'diverged with some of the seeds'}"
            for network, end in _copied_at_end(rows).items()
        ]
        said.append(f"delay {delay}: {', '.join(ends)}")
    return (
        f"Cross-entropy over that without memory after {table['steps'].max():,} steps, or where it was solved. "
        f"{'; '.join(said)}. The first sentence counts as better what is under {BELOW} of that level."
    )
