"""Chapter 3's figures of trained networks, with a temporal gate and without."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from rnnreport import words
from rnnreport.figures import (
    COLOURS,
    GATED,
    GUIDE,
    LSTM,
    NAMES,
    SEQUENCE,
    chart,
    curves,
    end_labels,
    legend_below,
    level_line,
    new,
    panels,
    steps_by_length,
    thinned,
    ticks,
)
from rnnreport.intervals import in_words, interval
from rnnreport.words import at_end, grouped, percent, spread

# What the gates on the noise bursts are called on the page, and their colours: the LSTM's for none.
BURST_NAMES = {
    "none": "LSTM",
    "open in the quiet": "set to quiet",
    "drawn, learned": "drawn, learned",
    "burst, learned": "bursts, learned",
    "open in the burst": "set to bursts",
}
BURST_COLOURS = dict(zip(BURST_NAMES, (LSTM, GATED, SEQUENCE[0], SEQUENCE[3], GUIDE)))
# Neil et al. (2016), figure 3: accuracy after 70 epochs of 5,000 waves in batches of 32, mean of five seeds; and the
# standard deviation of the LSTM's, which their code's notebook A_Freq_Task prints. Two waves are drawn there, not told.
PUBLISHED = {
    "standard": {"LSTM": 0.8934, "gated": 0.9926},
    "high-resolution": {"LSTM": 0.5172, "gated": 0.9961},
    "asynchronous": {"LSTM": 0.6902, "gated": 0.9789},
    "two-waves": {},
}
PUBLISHED_SPREAD = {"standard": 0.1889, "high-resolution": 0.0071, "asynchronous": 0.1333}
PUBLISHED_SEEDS = 5
PUBLISHED_UPDATES = {**dict.fromkeys(PUBLISHED, 70 * math.ceil(5_000 / 32)), "two-waves": 47_000}
NETWORK = ("sampling", "network")  # what tells the networks of this task apart


@chart("One panel per T; bands: 95% intervals of the mean; dotted: chance")
def race(table: pd.DataFrame) -> Figure:
    """Accuracy over the training steps, with and without the temporal gate."""
    figure, axes = panels(
        table.groupby("length"), 2.8, 2.7, 1.4, "T = {}".format, ylabel="accuracy on fresh palindromes"
    )
    for ax, _, rows in axes:
        curves(rows, "model", colours=COLOURS, names=NAMES, ax=ax)
    return figure


def raced(table: pd.DataFrame) -> str:
    """The accuracy of both networks at the longest T after the last step."""
    last = at_end(table, length=table["length"].max())
    found = [f"{spread(rows['test_accuracy'])} for the {NAMES[model]}" for model, rows in grouped(last, "model")]
    return f"After {last['step'].iloc[0]:,} steps at T = {last['length'].iloc[0]}, accuracy is {words.listed(found)}."


@chart("Dots: seeds; lines: medians; crosses: not solved within the budget (dotted)")
def steps_to_solve(steps: pd.DataFrame, budget: int) -> Figure:
    """Training steps until a palindrome length is solved, one line for each network.

    steps: columns model, value (its start, "" for none), length, seed and steps, infinite where the budget was not
    enough. The start of the first row has a colour of its own, the others have their model's.
    """
    figure, ax = new(figsize=(7.0, 3.5))
    plain = steps["value"].iloc[0]
    for (model, start), rows in grouped(steps, "model", "value"):
        steps_by_length(ax, rows, SEQUENCE[0] if start == plain else COLOURS[model], top=1.35 * budget)
        ax.lines[-1].set_label(f"{NAMES[model]}, {start}" if start else NAMES[model])
    ax.axhline(budget, color=GUIDE, ls=":", lw=1)
    ax.annotate(
        f"budget: {budget:,}", (1, budget), xycoords=("axes fraction", "data"), xytext=(4, 0),
        textcoords="offset points", va="center", fontsize=8, color=GUIDE,
    )  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="palindrome length T", ylabel="training steps to solve")
    ticks(ax.xaxis, sorted(steps["length"].unique()))
    round_numbers, least = (50, 100, 200, 500, 1000, 2000, 5000), steps["steps"].min() / 2
    ticks(ax.yaxis, [number for number in round_numbers if least <= number <= 1.4 * budget], "{:,}")
    legend_below(figure)
    return figure


SILENCED = {
    "none": "none",
    "first": "open at\nstep 1",
    "first, by the output": "open at\nstep 1, for the\noutput alone",
    "others": "as many\nothers",
}


@chart("Dots: units; bars: means over the seeds; dotted: chance")
def carriers(units: pd.DataFrame, silenced: pd.DataFrame) -> Figure:
    """What each unit adds to the right digit's logit, by when it first opens; and the accuracy without some units.

    units: columns first_open (0: never) and margin; silenced: columns which, of ``SILENCED``, and accuracy.
    """
    figure, (ax, bars) = new(2, figsize=(7.0, 3.2), width_ratios=[3, 2])
    units = thinned(units, 5_000)
    opened, dead = units[units["first_open"] > 0], units[units["first_open"] == 0]
    first = opened[opened["first_open"] == 1]
    later = opened[opened["first_open"] > 1]
    ax.axhline(0, color=GUIDE, lw=0.7)
    spread = 1.12 ** (np.arange(len(first)) % 9 / 8 - 0.5)  # side by side, else they stand on one line
    kinds = (
        ("open at step 1", first, GATED, spread),
        ("open later", later, LSTM, later["first_open"]),
        ("never open", dead, GUIDE, 0.4),
    )
    for name, rows, colour, x in kinds:
        ax.plot(np.broadcast_to(x, len(rows)), rows["margin"], "o", color=colour, ms=3.5, alpha=0.55, mew=0, label=name)
    there = [step for step in (1, 3, 10, 30, 100, 300, 1000) if step <= opened["first_open"].max() * 1.2]
    ax.set(xscale="log", xlabel="first step open", ylabel="added to the right\ndigit's logit")
    ax.set_xticks([0.4, *there], ["never", *map(str, there)])
    ax.xaxis.set_minor_locator(NullLocator())
    left = silenced.groupby("which")["accuracy"].mean().reindex([*SILENCED])
    bars.barh([*SILENCED.values()], left, color=[GUIDE, GATED, GATED, LSTM], alpha=0.8)
    bars.axvline(0.1, color=GUIDE, ls=":", lw=1)
    bars.set(xlabel="accuracy", ylabel="units silenced", xlim=(0, 1.03))
    bars.invert_yaxis()
    legend_below(figure, len(kinds))
    return figure


def hangs_on_few(units: pd.DataFrame, silenced: pd.DataFrame) -> str:
    """How much of the right digit's logit the units open at the first step give, and what is right without them.

    units: columns seed, first_open and margin; silenced: columns which and accuracy.
    """
    left = silenced.groupby("which")["accuracy"].mean()
    given = _given(units, units["first_open"] == 1).mean()
    keep = given < 0.5 and left["first"] < left["none"] / 2 < left["first, by the output"]
    who, but = ("Few units keep the digit, others pass it on: those", "yet") if keep else ("Units", "and")
    return (
        f"{who} open at step 1 give {percent(given)} of the logit, {but} without them accuracy is "
        f"{words.share(left['first'])}."
    )


def _given(units: pd.DataFrame, there: pd.Series) -> pd.Series:
    """The share of the right digit's logit that these units give, by seed."""
    margins = units["margin"].groupby(units["seed"])
    return units["margin"].where(there, 0.0).groupby(units["seed"]).sum() / margins.sum()


def who_answers(units: pd.DataFrame, silenced: pd.DataFrame) -> str:
    """What share of the right digit's logit comes from units that open at the first step, later or never.

    And what is left of the accuracy with units silenced, with intervals. Tables: see :func:`hangs_on_few`.
    """
    groups = {"at the first step": units["first_open"] == 1, "later": units["first_open"] > 1}
    groups["never"] = units["first_open"] == 0
    found = [
        f"{name}, {percent(there.mean())} of the units: {in_words(_given(units, there))}"
        for name, there in groups.items()
        if there.any()
    ]
    left = silenced.groupby("which")["accuracy"].apply(spread)
    return (
        f"Shares of what all units add to the right digit's logit at T = {units['length'].iloc[0]}, by when a unit "
        f"first opens: {'; '.join(found)}. Accuracy: {left['none']}; without the "
        f"{words.from_to(silenced['units'], 'd')} units open at the first step {left['first']}, silenced for the "
        f"output alone {left['first, by the output']}; without as many others {left['others']}."
    )


@chart("One line per kind of gate; bands: 95% intervals of the mean; dotted: chance; dashed: bounds")
def bursts(table: pd.DataFrame, bounds: Mapping[str, float]) -> Figure:
    """Accuracy over the training steps on noise bursts, for the LSTM and four kinds of gates.

    table: columns gate (of ``BURST_NAMES``), step, seed and test_accuracy; bounds: accuracies by their names.
    """
    figure, ax = new(figsize=(7.0, 3.5))
    present = [gate for gate in BURST_NAMES if gate in set(table["gate"])]
    ordered = pd.concat([table[table["gate"] == gate] for gate in present])
    unnamed = dict.fromkeys(BURST_NAMES, "")
    curves(ordered, "gate", ax=ax, colours=BURST_COLOURS, names=unnamed, chance=None, ylim=(0.45, 1.03))
    ax.axhline(0.5, color=GUIDE, ls=":", lw=1)
    for name, level in bounds.items():
        level_line(ax, level, name, until=0.5)  # later the LSTM is near its bound
    ax.set(ylabel="accuracy on fresh sequences")
    ends = at_end(ordered).groupby("gate")["test_accuracy"].mean()
    labels = [(ends[gate], BURST_NAMES[gate], BURST_COLOURS[gate]) for gate in present]
    end_labels(ax, table["step"].max(), labels, gap=0.05)  # close, so that each stands beside its line
    return figure


def heard_in_the_quiet(table: pd.DataFrame, bounds: Mapping[str, float]) -> str:
    """How often learned gates, the LSTM, and gates set to the bursts and to the quiet are right at the end."""
    ends = at_end(table).groupby("gate")["test_accuracy"].mean().map(percent)
    return (
        f"On noise bursts, learned gates are right {ends['drawn, learned']} of the time, an ungated LSTM "
        f"{ends['none']}, gates set to the bursts {ends['open in the burst']}, to the quiet "
        f"{ends['open in the quiet']}."
    )


def answer_noise(table: pd.DataFrame, in_noise: float, by_chance: float) -> str:
    """How often learned gates and the LSTM are right, and whether such gates skip the noise.

    in_noise: the share of a network's openings that is in the noise at the end; by_chance: that of the steps.
    """
    ends = at_end(table).groupby("gate")["test_accuracy"].mean().map(percent)
    skips = "does not skip" if in_noise > by_chance else "hardly skips" if in_noise > by_chance / 2 else "skips"
    return (
        f"With learned gates, networks are right {ends['drawn, learned']} of the time (without gates {ends['none']}). "
        f"The one whose gates were kept {skips} the noise: {percent(in_noise)} of its openings are there, by chance "
        f"{percent(by_chance)}."
    )


def bursts_in_full(table: pd.DataFrame, bounds: Mapping[str, float]) -> str:
    """The same with intervals, and the bounds."""
    found = [f"{BURST_NAMES[gate]} {spread(rows['test_accuracy'])}" for gate, rows in grouped(at_end(table), "gate")]
    known = [f"{name} {level:.3f}" for name, level in bounds.items()]
    return f"{'; '.join(found)}. {words.listed(known).capitalize()}."


@chart("Dots, lines: seeds; green: within 2% of the true period")
def seeking(final: pd.DataFrame, gates: pd.DataFrame, period: float, bounds: Mapping[str, float]) -> Figure:
    """Where gates that start at another period end: accuracy against the start, and their periods over training.

    final: columns start (the period at first), seed, found (whether it ends there) and test_accuracy at the end; gates:
    start, seed, step and tau, one row per unit; bounds: names of accuracies to draw as lines.
    """
    figure, (left, right) = new(2, figsize=(7.0, 3.0))
    means = final.groupby("start")["test_accuracy"].mean()
    left.plot(means.index / period, means, color=GUIDE, lw=1)
    for found, rows in final.groupby("found"):
        colour = GATED if found else SEQUENCE[0]
        left.plot(rows["start"] / period, rows["test_accuracy"], "o", color=colour, mfc=colour if found else "none")
    for name, level in bounds.items():
        level_line(left, level, name, inset=0)
    least = min([final["test_accuracy"].min(), *bounds.values()])
    left.set(xlabel="initial / true period", ylabel="final accuracy", ylim=(least - 0.05, 1.01))
    medians = gates.groupby(["start", "seed", "step"])["tau"].median().reset_index()
    for _, way in medians.groupby(["start", "seed"]):
        colour = GATED if abs(way["tau"].iloc[-1] / period - 1) < 0.02 else SEQUENCE[0]
        right.plot(way["step"], way["tau"] / period, color=colour, lw=0.9, alpha=0.8)
    right.axhline(1, color=GUIDE, ls="--", lw=1)
    right.set(xlabel="training step", ylabel="median / true period", yscale="log")
    least = gates["tau"].min() / (1.05 * period)
    ticks(right.yaxis, [periods for periods in (0.5, 0.7, 1.0, 1.5, 2.0) if least < periods], "{:g}")
    return figure


def periods_found(arrived: pd.DataFrame, period: float) -> str:
    """From which starts the period is found, and how well the task is solved from any.

    arrived: columns start, found and test_accuracy.
    """
    starts = arrived.groupby("start")
    found = starts["found"].mean() > 0.5
    off = (found.index[found] / period - 1).to_series().abs().max()
    near = f"only from starts at most {percent(off)} off" if found.any() else "from no start tried"
    return (
        f"Most networks find the noise's period {'from every start tried' if found.all() else near}; whatever the "
        "start, accuracy ends at "
        f"{words.from_to(starts['test_accuracy'].mean(), '.2f')}."
    )


def found_by_start(arrived: pd.DataFrame, period: float) -> str:
    """How many seeds find the period from each start."""
    found = [
        f"{start / period:g}: {rows['found'].sum()}" for start, rows in grouped(arrived.sort_values("start"), "start")
    ]
    return f"Seeds that end within 2% of the true period, by the start in true periods: {', '.join(found)}."


@chart("Dots: seeds; lines: their means; open diamonds: the paper's; dotted: chance; one panel per way of sampling")
def frequency(table: pd.DataFrame) -> Figure:
    """Accuracy of each network at the end on sine waves, beside the published one.

    table: columns sampling, network, model, step, seed, test_accuracy and chance.
    """
    groups = grouped(at_end(table, *NETWORK), "sampling")
    figure, found = panels(groups, 2.3, 2.9, beside=1.2, title="{}".format)
    names = list(dict.fromkeys(table["network"]))[::-1]
    for ax, sampling, rows in found:
        for network, part in grouped(rows, "network"):
            model, place = part["model"].iloc[0], names.index(network)
            ax.plot(part["test_accuracy"], [place] * len(part), "o", color=COLOURS[model], ms=4, alpha=0.6)
            ax.plot([part["test_accuracy"].mean()] * 2, [place - 0.3, place + 0.3], color=COLOURS[model], lw=1.6)
            ax.plot(_published(sampling, network), place, "D", color=GUIDE, mfc="none", ms=6)
        ax.axvline(rows["chance"].iloc[0], color=GUIDE, ls=":", lw=1)
        ax.set(xlabel="accuracy on fresh waves", xlim=(0.45, 1.02), ylim=(-0.6, len(names) - 0.4))
        ax.set_yticks(range(len(names)), names)
    return figure


def _published(sampling: str, network: str) -> float:
    """The accuracy that is published for such a network, NaN for none."""
    return PUBLISHED[sampling].get(network.partition(",")[0], math.nan)


AS_PUBLISHED = ("LSTM, as published", "gated, as published")


def told_apart(table: pd.DataFrame) -> str:
    """Over which LSTM the gate as published, or ours if that has not been trained, leads with which way of sampling.

    A lead takes intervals of the means that do not overlap.
    """
    gate, whose, said = "gated", "Our", []
    if (table["network"] == AS_PUBLISHED[1]).any():
        gate, whose = AS_PUBLISHED[1], "The published"
    for network, name in ((AS_PUBLISHED[0], "the published LSTM"), ("LSTM", "our LSTM")):
        found: dict[int, list[str]] = {1: [], 0: [], -1: []}
        for sampling, gated, plain, lead in _compared(table, gate, network):
            found[lead].append(f"{sampling} ({words.share(gated)} to {words.share(plain)})")
        if any(found.values()):
            loses = f", but loses with {words.listed(found[-1])}" * bool(found[-1])
            said.append(f"over {name} with {words.listed(found[1], 'no sampling')}{loses}")
    return f"{whose} gate leads {words.listed(said)}." if said else "No gated network stands beside an LSTM here."


def _compared(table: pd.DataFrame, one: str, other: str) -> Iterator[tuple[str, float, float, int]]:
    """For every sampling that both networks have: their mean accuracies at the end, and 1 if the first leads.

    -1 if the other does, else 0: a lead takes intervals that do not overlap.
    """
    for sampling, rows in grouped(at_end(table, *NETWORK), "sampling"):
        of = {network: part["test_accuracy"].tolist() for network, part in grouped(rows, "network")}
        if one in of and other in of:
            (first, least, most), (second, low, high) = (interval(of[name], share=True) for name in (one, other))
            yield sampling, first, second, int(least > high) - int(most < low)


POINT = 0.01  # as near to the published accuracy as the question asks for


def beside_the_paper(table: pd.DataFrame) -> pd.DataFrame:
    """The accuracies at the end with their intervals, the published ones, and when 90% were right for the first time.

    Rows: sampling and network. "above", "below" and "within a point" are said of the whole interval.
    """
    first = _first_good(table, *NETWORK)
    lines = {}
    for (sampling, network), rows in grouped(at_end(table, *NETWORK), *NETWORK):
        published = _published(sampling, network)
        mean, low, high = interval(rows["test_accuracy"].tolist(), share=True)
        range_ = f" ({percent(low, 1).rstrip('%')} to {percent(high, 1)})" if math.isfinite(low) else ""
        right = first[sampling, network]
        lines[sampling, network] = {
            "accuracy": f"{percent(mean, 1)}{range_}",
            "published": "–" if math.isnan(published) else percent(published, 1),
            "ours is": (
                "–" if math.isnan(published)
                else "above" if low > published + POINT
                else "below" if high < published - POINT
                else "within a point" if published - POINT <= low and high <= published + POINT
                else "not told apart"
            ),
            "90% at step": f"{right:,.0f}" if math.isfinite(right) else "never",
        }  # fmt: skip
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis(["sampling", "network"])


def against_the_paper(table: pd.DataFrame) -> str:
    """Where the two networks as published end: above what is published, below, within a point, or not told apart."""
    places, found = beside_the_paper(table)["ours is"], []
    for network in AS_PUBLISHED:
        ours = places[(places.index.get_level_values("network") == network) & (places != "–")]
        where = [
            f"{place} ({', '.join(part.index.get_level_values(0))})" for place, part in ours.groupby(ours, sort=False)
        ]
        if where:
            found.append(f"{network.removesuffix(', as published')} {words.listed(where)}")
    return f"As published: {'; '.join(found)}." if found else "None of these has a published accuracy beside it."


def still_at_chance(table: pd.DataFrame) -> str:
    """Whether some of the paper's five LSTMs, at chance at the end, would explain what it gives; how many of ours are.

    It gives mean and standard deviation. "" if there is nothing to say.
    """
    if_stuck, stuck = [], []
    ends = at_end(table, *NETWORK, network=AS_PUBLISHED[0])
    for sampling, rows in grouped(ends[np.isfinite(ends["test_loss"])], "sampling"):
        accuracies, published = rows["test_accuracy"], _published(sampling, "LSTM")
        ours, chance, deviation = accuracies.mean(), rows["chance"].iloc[0], PUBLISHED_SPREAD.get(sampling, math.nan)
        given = f"published {percent(published, 1)} and {percent(deviation, 1)}" if deviation > 0 else "not published"
        if lost := int((accuracies < chance + 0.02).sum()):
            found = f"{percent(ours, 1)} and {percent(accuracies.std(ddof=0), 1)}"
            stuck.append(f"{lost} of {len(rows)}, {sampling} ({found}; {given})")
        elif ours > published + POINT:
            lost = round(PUBLISHED_SEEDS * (ours - published) / (ours - chance))
            fallen = lost / PUBLISHED_SEEDS
            mean, spread = ours - fallen * (ours - chance), math.sqrt(fallen * (1 - fallen)) * (ours - chance)
            fits = abs(mean - published) <= POINT and abs(spread - deviation) <= 2 * POINT
            found = f"{percent(mean, 1)} and {percent(spread, 1)}; {given}{'' if fits else ', too far off'}"
            if_stuck.append(f"{lost} of {PUBLISHED_SEEDS}, {sampling} ({found})")
    said = []
    if if_stuck:
        said.append(
            "Would networks still at chance explain why the paper's LSTM does worse than ours? Mean and standard "
            f"deviation with the number that comes nearest: {'; '.join(if_stuck)}."
        )
    if stuck:
        said.append(f"Of our LSTMs as published, some end at chance (mean and deviation): {'; '.join(stuck)}.")
    return " ".join(said)


def how_compared(table: pd.DataFrame) -> str:
    """What the columns of :func:`beside_the_paper` mean."""
    ends, updates = at_end(table, *NETWORK), []
    for sampling, rows in grouped(ends, "sampling"):
        ours = words.from_to(rows["steps"], ",.0f")
        updates.append(f"{sampling} {ours} ({PUBLISHED_UPDATES[sampling]:,})")
    lost = int(np.isinf(ends["test_loss"]).sum())
    measured = table.groupby(["sampling", "network"])["step"].nunique().max()
    diverged = f" {words.counted(lost, 'network')} diverged, with an accuracy of 0." * bool(lost)
    return (
        f"Updates, and the paper's: {', '.join(updates)}. In brackets: 95% interval of the mean. Above, below: all of "
        "it is more than a point off; within a point: all of it is; not told apart: neither. 90% at step: where 90% "
        f"are right for the first time, median of the seeds, measured {measured:,} times.{diverged}"
    )


def gates_kept(gates: pd.DataFrame, table: pd.DataFrame) -> str:
    """What training does to the open ratios, by how they are learned, and what that does to the accuracy.

    gates: of :func:`rnnreport.experiments.temporal_gate.gates_in_frequency`; table: as of :func:`frequency`.
    """
    if gates.empty:
        return ""
    start, lost = gates.loc[gates["step"] == 0, "r_on"].median(), int((gates["finite"] < 1).sum())
    ends, found = at_end(gates, *NETWORK).dropna(subset=["r_on"]), []
    for directly, rows in grouped(ends.assign(directly=ends["network"] == AS_PUBLISHED[1]), "directly"):
        how = "it is learned directly, as in the authors' code" if directly else "its logit is learned, as we do"
        found.append(
            f"{words.from_to(rows['r_on'], '.2f')} where {how} (nine units in ten below {rows['r_on_high'].max():.2f})"
        )
    number = f"{lost or 'None'} of {len(gates):,} snapshots {'has' if lost < 2 else 'have'}"
    return (
        "Public implementations report open ratios that drift to 1 and gates that become NaN. Ours start at "
        f"$r_\\mathrm{{on}}$ = {start:.2f}; at the end the networks' medians are {words.listed(found)}. {number} a "
        f"number that is not finite.{_learned_directly(table)}"
    )


def _learned_directly(table: pd.DataFrame) -> str:
    """What it brings to learn the gate's open ratio directly; a difference takes intervals that do not overlap."""
    said = [
        f"{percent(directly, 1)} instead of {percent(logit, 1)}, {sampling}{', which are not told apart' * (not lead)}"
        for sampling, directly, logit, lead in _compared(table, AS_PUBLISHED[1], f"{AS_PUBLISHED[1]}, logits")
    ]
    return f" Accuracy with the gate learned directly, all else equal: {'; '.join(said)}." * bool(said)


@chart("Bands: 95% intervals of the mean; dotted: always answering 1")
def adding(table: pd.DataFrame) -> Figure:
    """Mean squared error of the sums over the training steps, with and without the gate.

    table: columns model, step, seed and test_loss.
    """
    figure, ax = new(figsize=(7.0, 2.9))
    curves(table, "model", "test_loss", ax=ax, colours=COLOURS, names=NAMES, chance=None, ylim=(0, 0.22), share=False)
    ax.axhline(1 / 6, color=GUIDE, ls=":", lw=1)
    ax.set(ylabel="mean squared error")
    return figure


def off_by(table: pd.DataFrame) -> str:
    """The mean squared error at the end, mean and range over the seeds."""
    found = [
        f"{rows['test_loss'].mean():.3f} ({words.from_to(rows['test_loss'], '.3f')}) for the {NAMES[model]}"
        for model, rows in grouped(at_end(table), "model")
    ]
    return f"The final error is {words.listed(found)}; always answering 1 gives {1 / 6:.3f}."


@chart("Bands: 95% intervals of the mean; dotted: chance")
def marked_digit(table: pd.DataFrame) -> Figure:
    """Accuracy over the training steps, one line for each open ratio and one for the LSTM.

    table: columns r_on (missing for the LSTM), step, seed and test_accuracy.
    """
    names = table["r_on"].map(_network)
    gates = [name for name in dict.fromkeys(names) if name != "LSTM"]
    colours = {**dict(zip(gates, (GATED, *SEQUENCE[:1], SEQUENCE[3], GUIDE))), "LSTM": LSTM}
    figure, ax = new(figsize=(7.0, 2.9))
    symbols = {name: name.replace("r_on", "$r_\\mathrm{on}$") for name in colours}
    curves(table.assign(gate=names), "gate", ax=ax, colours=colours, names=symbols)
    ax.set(ylabel="accuracy on fresh sequences")
    return figure


def slowed_down(table: pd.DataFrame) -> str:
    """When the LSTM has 90% right for the first time, and when the gate that opens least often has."""
    steps = _first_good(table.assign(gate=table["r_on"].map(_network)), "gate")
    lstm, name = steps["LSTM"], next(name for name in steps.index if name != "LSTM")
    late = f" ({steps[name] / lstm:.1f} times as late)" if np.isfinite(steps[name]) and np.isfinite(lstm) else ""
    return f"The LSTM first gets 90% right at {_at(lstm)}, the network with {name} at {_at(steps[name])}{late}."


def slowed_in_full(table: pd.DataFrame) -> str:
    """The same for every open ratio, and the accuracies at the end."""
    table = table.assign(gate=table["r_on"].map(_network))
    steps = _first_good(table, "gate")
    found = [
        f"{name} {spread(rows['test_accuracy'])}, 90% at {_at(steps[name])}"
        for name, rows in grouped(at_end(table), "gate")
    ]
    return f"Accuracy at the end, and the step of the first 90%, median of the seeds: {'; '.join(found)}."


def _network(r_on: float) -> str:
    """What a network is called: by its open ratio, or the LSTM."""
    return "LSTM" if pd.isna(r_on) else f"r_on = {r_on:g}"


def _first_good(table: pd.DataFrame, *by: str) -> pd.Series[float]:
    """For each group the step at which 90% are right for the first time, median of the seeds; infinite if at none."""
    first = words.first_solved(table, by, table["test_accuracy"] >= 0.9)
    return first.groupby([*by], sort=False)["steps"].median()


def _at(step: float) -> str:
    return f"step {step:,.0f}" if np.isfinite(step) else "no step"
