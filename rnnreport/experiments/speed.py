"""Reads the record of ``make bench``, computes ratios and aims, and tests whether both backends learn the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from rnnreport import checksums, corpora
from rnnreport.backends import Backend, kernels
from rnnreport.experiments.text_run import TextRun
from rnnreport.experiments.text_training import train_text
from rnnreport.parameters import ParameterError
from rnnreport.parameters.speed import Comparison, Record, read
from rnnreport.runs import RunError, provenance, run_all, tabulate
from rnnreport.words import NAMES, counted, listed

# A record's names for the timed parts of a training, and for the contenders.
FORWARD_BACKWARD, FULL_STEP, SAMPLING = "forward + backward", "full step", "sampling"
OURS, MEDIUM, NATIVE, NATIVE_BF16 = "ours", "ours, medium", "ours, native", "ours, native-bf16"
TORCH_NN, BFLOAT16, NAIVE, JAX, FLOOR = "torch.nn", "torch.nn, bfloat16", "naive", "JAX", "matrix products"
DENSE, SPARSE, SPARSE_NATIVE = "dense", "sparse", "sparse, native"
PAGE = "page"
# The page's names for contenders, where they are not the record's.
CALLED = {
    OURS: "our torch code",
    MEDIUM: "our torch code, medium",
    NATIVE: "our C++",
    NATIVE_BF16: "our C++ with bfloat16",
    BFLOAT16: "torch.nn with bfloat16",
    NAIVE: "naive code",
    DENSE: "dense torch code",
    SPARSE: "sparse torch code",
    SPARSE_NATIVE: "sparse C++",
    PAGE: "the page",
}
TASKS = {
    "C": "characters",
    "P": "palindromes",
    "gate": "temporal gate",
    "sampling": "sampling",
    "page": "palindromes in the page",
}
PRODUCTS = ("aten::mm", "aten::addmm")  # their operations
VERDICTS = ("✓ met", "✗ missed at T = ", "✗ missed", "not measured")  # on an aim
BACKENDS: tuple[Backend, ...] = ("torch", "native-bf16")


class Spread(NamedTuple):
    """The median over the rounds, and the quartiles."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        digits = ",.0f" if self.median >= 1_000 else ".2f"
        return f"{self.median:{digits}} ({self.low:{digits}}–{self.high:{digits}})"


@dataclass(frozen=True)
class Aim:
    """A contender should be ``least`` times as fast as another at a task, or write that many characters per second.

    shortest: the aim holds from this T on. open_ratio: for the gate, the aim holds at this r_on. hidden_size: it holds
    for this many units.
    """

    contender: str
    least: float
    against: str  # "" for characters per second
    task: str
    cell: str = "lstm"
    shortest: int = 0
    open_ratio: float | None = None
    hidden_size: int | None = None

    def __str__(self) -> str:
        of = f"× {called(self.against)}" if self.against else "characters a second"
        where = [
            f"with {self.hidden_size} units" if self.hidden_size else "",
            f"from T = {self.shortest:,}" if self.shortest else "",
            f"at r_on = {self.open_ratio:g}" if self.open_ratio else "",
        ]
        return ", ".join([f"{called(self.contender)} ≥ {self.least:,g} {of}", *filter(None, where)])

    def covers(self, comparison: Comparison) -> bool:
        """Whether this aim is about the comparison: its task, cell, T and r_on, for full steps or sampling."""
        return (
            comparison["task"] == self.task
            and comparison["cell"] == self.cell
            and comparison["part"] in (FULL_STEP, SAMPLING)
            and comparison["length"] >= self.shortest
            and self.open_ratio in (None, comparison["open_ratio"])
            and self.hidden_size in (None, comparison.get("hidden_size"))
        )

    def measured(self, comparison: Comparison) -> Spread | None:
        """The ratio or speed that the comparison gives; None if a contender is missing."""
        if not {self.contender, self.against or self.contender} <= set(comparison["contenders"]):
            return None
        if self.against:
            return ratio(comparison, self.contender, self.against)
        return characters_a_second(comparison, self.contender)


AIMS = (
    Aim(OURS, 1.0, TORCH_NN, "C"),
    Aim(OURS, 1.0, TORCH_NN, "P"),
    Aim(OURS, 1.3, TORCH_NN, "P", "rnn"),
    Aim(MEDIUM, 1.25, TORCH_NN, "C"),
    Aim(MEDIUM, 1.25, TORCH_NN, "P"),
    Aim(OURS, 1.6, NAIVE, "C"),
    Aim(OURS, 1.3, JAX, "C"),
    Aim(OURS, 1.3, JAX, "P", shortest=10),
    Aim(OURS, 1.3, JAX, "P", "rnn", shortest=10),
    Aim(SPARSE, 4.0, DENSE, "gate", "temporal-gate", open_ratio=0.05),
    Aim(OURS, 20_000, "", "sampling"),
    Aim(NATIVE, 1.9, TORCH_NN, "C"),
    Aim(NATIVE, 2.0, TORCH_NN, "P", shortest=10),
    Aim(NATIVE, 2.5, TORCH_NN, "P", "rnn", shortest=10),
    Aim(NATIVE_BF16, 5.0, TORCH_NN, "C"),
    Aim(NATIVE_BF16, 2.2, BFLOAT16, "C"),
    Aim(SPARSE_NATIVE, 12.0, DENSE, "gate", "temporal-gate", shortest=1_000, open_ratio=0.05),
    Aim(NATIVE, 40_000, "", "sampling"),
    Aim(PAGE, 1.0, TORCH_NN, "page", "rnn", hidden_size=64),
    Aim(PAGE, 0.45, TORCH_NN, "page", "lstm", hidden_size=64),
    Aim(PAGE, 5.0, TORCH_NN, "page", "temporal-gate", shortest=100, hidden_size=64),
)


class Checked(NamedTuple):
    """An aim at one of the comparisons it covers, and the value measured there."""

    aim: Aim
    comparison: Comparison
    measured: Spread

    @property
    def met(self) -> bool:
        """Whether the median reaches the aim."""
        return self.measured.median >= self.aim.least


def called(contender: str) -> str:
    """The page's name for a contender of a record."""
    return CALLED.get(contender, contender)


def is_record(file: Path) -> bool:
    """Whether the file is a record of ``make bench``, or a damaged one of ``data/``."""
    try:
        return bool(read(str(file)))
    except ParameterError:
        return checksums.is_damaged(file)


def ratio(comparison: Comparison, contender: str, against: str) -> Spread:
    """How many times as fast as ``against`` the contender is.

    Each round gives a ratio of two times taken moments apart, so anything that slowed both cancels.
    """
    theirs, its = (np.array(comparison["contenders"][name]["rounds"]) for name in (against, contender))
    return _spread(theirs / its)


def characters_a_second(comparison: Comparison, contender: str) -> Spread:
    """Characters sampled per second."""
    return _spread(1e3 * comparison["characters"] / np.array(comparison["contenders"][contender]["rounds"]))


def tabulated(record: Record) -> pd.DataFrame:
    """One row per contender of each comparison: its time, and how many times as fast as the baseline it is.

    Columns: task, cell, length, open_ratio, hidden_size (of the page's networks), part, contender, milliseconds
    (median), ratio, low, high (quartiles), rounds, and ``words``: the ratio with its quartiles, or the milliseconds for
    the baseline.
    """
    columns = ["task", "cell", "length", "open_ratio", "hidden_size", "part"]
    rows = []
    for comparison in record["comparisons"]:
        for name, times in comparison["contenders"].items():
            milliseconds = float(np.median(times["rounds"]))
            spread = ratio(comparison, name, comparison["baseline"])
            time = f"{milliseconds:,.0f} ms" if milliseconds >= 100 else f"{milliseconds:.3g} ms"
            words = time if name == comparison["baseline"] else str(spread)
            where = [comparison.get(column) for column in columns]
            rows.append((*where, called(name), milliseconds, *spread, len(times["rounds"]), words))
    columns += ["contender", "milliseconds", "ratio", "low", "high", "rounds", "words"]
    return pd.DataFrame(rows, columns=columns).astype({"hidden_size": "Int64"})  # not float, though others have none


def side_by_side(table: pd.DataFrame, rows: list[str], column: str) -> pd.DataFrame:
    """Rows of :func:`tabulated` for reading: one column per value of ``column``, one row per value of ``rows``."""
    wide = table.pivot_table(index=rows, columns=column, values="words", aggfunc="first", sort=False).fillna("–")
    return wide.reset_index().rename_axis(columns=None)


def by_length(table: pd.DataFrame) -> pd.DataFrame:
    """The palindromes of one part of a table: one row per cell and contender, one column per T."""
    rows = table[table["task"] == "P"]
    named = rows.assign(T="T = " + rows["length"].astype(str), cell=rows["cell"].str.upper())
    return side_by_side(named, ["cell", "contender"], "T")


def by_open_ratio(table: pd.DataFrame) -> pd.DataFrame:
    """The gate of one part of a table: one row per T and contender, one column per r_on."""
    rows = table[table["task"] == "gate"]
    named = rows.assign(r_on=rows["open_ratio"].map("{:g}".format)).rename(columns={"length": "T"})
    return side_by_side(named, ["T", "contender"], "r_on")


def in_page(table: pd.DataFrame) -> pd.DataFrame:
    """The page's networks: one row per cell and T, one column per contender and number of units."""
    rows = table[table["task"] == "page"]
    what = rows["contender"] + ", " + rows["hidden_size"].astype(str) + " units"
    return side_by_side(rows.assign(T=rows["length"], cell=rows["cell"].map(NAMES), what=what), ["cell", "T"], "what")


def checked(record: Record) -> list[Checked]:
    """Every aim at every comparison that it covers and that measured it."""
    return [
        Checked(aim, comparison, measured)
        for aim in AIMS
        for comparison in record["comparisons"]
        if aim.covers(comparison) and (measured := aim.measured(comparison))
    ]


def aims(record: Record) -> pd.DataFrame:
    """One row per aim, those met first: verdict, aim, measured and why it was missed."""
    rows = []
    for aim in AIMS:
        found = [each for each in checked(record) if each.aim == aim]
        short = [each for each in found if not each.met]
        verdict = VERDICTS[3 if not found else 2 if len(short) == len(found) else min(len(short), 1)]
        where = listed([str(each.comparison["length"]) for each in short]) if verdict == VERDICTS[1] else ""
        measured = "; ".join(": ".join(filter(None, [detail(each.comparison), str(each.measured)])) for each in found)
        why = _why(min(short, key=lambda each: each.measured.median)) if short else ""
        rows.append((verdict, f"{verdict}{where}", f"{subject(aim.task, aim.cell)}: {aim}", measured or "–", why))
    rows.sort(key=lambda row: VERDICTS.index(row[0]))
    return pd.DataFrame([row[1:] for row in rows], columns=["verdict", "aim", "measured", "why missed"])


def _why(missed: Checked) -> str:
    """Why an aim was missed: torch's matrix products alone would miss it, or else what the rest of the code costs."""
    aim, comparison, _ = missed
    if aim.against and FLOOR in comparison["contenders"]:
        products = ratio(comparison, FLOOR, aim.against).median
        if products < aim.least:
            return f"torch's matrix products alone reach only {products:.2f}"
    kind, names = ("loops in C++", "rnnreport::") if NATIVE in aim.contender else ("matrix products", PRODUCTS)
    profile = comparison["contenders"][aim.contender].get("profile", [])
    share = sum(each["share"] for each in profile if each["operation"].startswith(names))
    if not share:
        return ""
    alone = missed.measured.median / share
    return f"{kind} take {share:.0%} of its time; all else free, it would reach {alone:,.{0 if alone >= 100 else 2}f}"


def aims_met(record: Record) -> str:
    """How many of the aims are met."""
    verdicts = list(aims(record)["verdict"])
    met, partly, missed, missing = (sum(each.startswith(verdict) for each in verdicts) for verdict in VERDICTS)
    some = f" ({partly} of them only at some lengths)" * bool(partly)
    found = [f"meets {met}", f"misses {missed}{some}"]
    found += [f"has no numbers for {missing}"] * bool(missing)
    return f"Of {counted(len(verdicts), 'aim')}, the record {listed(found)}."


def conditions(record: Record) -> str:
    """Where and when a record was measured, and which contenders are missing from some of its comparisons."""
    c = record["conditions"]
    quick = "This record is of --quick: tiny networks, two rounds. Its numbers mean nothing. "
    missing = "; ".join(
        dict.fromkeys(called(name) for comparison in record["comparisons"] for name in comparison["left_out"])
    )
    left_out = f" Not measured there: {missing}." * bool(missing)
    apart = "".join(
        f" {TASKS[task].capitalize()}: on {c['machine']}, {c['date']}{_load(c)}." for task, c in record["apart"].items()
    )
    where = f"Measured on {c['machine']}, with {counted(c['threads'], 'thread')}, {c['date']}{_load(c)}."
    return f"{quick * c['quick']}{where}{apart}{left_out}"


def _load(c: dict[str, Any]) -> str:
    return f"; the machine's load just before was {c['load']}{', so it was not idle' * (c['load'] > 1)}"


def sampled(record: Record) -> pd.DataFrame:
    """Sampling: contender, its median of characters per second, the same in words, and the ratio to torch.nn."""
    rows = [
        (called(name), *_sampling(comparison, name))
        for comparison in record["comparisons"]
        if comparison["task"] == "sampling"
        for name in comparison["contenders"]
    ]
    return pd.DataFrame(rows, columns=["contender", "median", "characters per second", "times torch.nn"])


def _sampling(comparison: Comparison, contender: str) -> tuple[float, str, str]:
    """The values in a row of :func:`sampled` for this contender."""
    speed = characters_a_second(comparison, contender)
    return speed.median, str(speed), f"{ratio(comparison, contender, TORCH_NN).median:.2f}"


def subject(task: str, cell: str) -> str:
    """A task in words; for palindromes, which are run with several cells, with the cell."""
    return f"{TASKS[task]}, {NAMES[cell]}" if task in ("P", "page") else TASKS[task]


def detail(comparison: Comparison) -> str:
    """What distinguishes a comparison from the others of its task."""
    if comparison["task"] not in ("P", "gate", "page"):
        return ""
    open_ratio, units = comparison["open_ratio"], comparison.get("hidden_size")
    of_the_gate = "" if open_ratio is None else f", r_on = {open_ratio:g}"
    of_the_page = "" if units is None else f", {units} units"
    return f"T = {comparison['length']}{of_the_gate}{of_the_page}"


def name_of(comparison: Comparison) -> str:
    """The name of a comparison, in words."""
    return ", ".join(filter(None, [subject(comparison["task"], comparison["cell"]), detail(comparison)]))


def where_measured(record: Record, task: str = "") -> str:
    """One line on the conditions of a record, or of that task of it, for below a figure."""
    c = record["apart"].get(task, record["conditions"])
    settings = [f"{name} {value}" for name, value in c["allocator"].items() if value and name != "libc"]
    versions = [f"{name} {version}" for name, version in c["libraries"].items()]
    parts = [
        f"recorded result: make bench{' --quick' * c['quick']}, {c['date']}",
        f"{c['threads']} thread, denormals {c['denormals']}, load before {c['load']}",
        f"malloc of {', '.join([c['allocator']['libc'], *settings])}",
        f"{', '.join(versions)}; code {c['code']}",
        f"{c['machine']}; bfloat16 products: {c['bfloat16']}; native backend: {c['native']}",
    ]
    return "; ".join(parts)


def compare_backends(steps: int = 5_000, seeds: Sequence[int] = (0, 1, 2)) -> pd.DataFrame:
    """Chapter 4's training with torch and with bfloat16 factors, for every seed.

    Returns the runs' table, with its origin in ``attrs``. Raises RunError if the native kernel cannot be used.
    """
    if kernels("native", torch.zeros(1)) is None:
        raise RunError("the native kernel cannot be used on this machine, so there is nothing to compare")
    text = corpora.load()
    settings = {"corpus": text.name, "sha256": text.sha256, "record_every": max(1, steps // 10)}
    asked = [TextRun.of(steps, seed, backend=backend, **settings) for backend, seed in product(BACKENDS, seeds)]
    finished = run_all(train_text, asked, "backends")
    table = tabulate(finished)
    by_backend = ([run for run in finished if run.configuration.backend == backend] for backend in BACKENDS)
    origins = [provenance(runs, "recorded result: rnnreport bench --learning") for runs in by_backend]
    table.attrs["provenance"] = " | ".join(origins)
    return table


def same_learning(table: pd.DataFrame) -> pd.DataFrame:
    """For the loss in training and on held-out text: do the backends differ by no more than the seeds do?

    One row per loss. Columns: loss, torch and native (the final means over the seeds), gap (their difference), spread
    (torch's largest final loss less its smallest, over the seeds) and within (whether the gap is no larger).
    """
    last = table[table["step"] == table["step"].max()]
    of_torch, rows = last["backend"] == "torch", []
    for loss in ("loss", "held_out_loss"):
        by_torch, by_native = last.loc[of_torch, loss], last.loc[~of_torch, loss]
        gap, spread = abs(by_native.mean() - by_torch.mean()), by_torch.max() - by_torch.min()
        rows.append((loss, by_torch.mean(), by_native.mean(), gap, spread, bool(gap <= spread)))
    return pd.DataFrame(rows, columns=["loss", "torch", "native", "gap", "spread", "within"])


def gaps_in_learning(table: pd.DataFrame) -> pd.DataFrame:
    """:func:`same_learning` formatted for reading."""
    names = {"loss": "in training", "held_out_loss": "held out"}
    rows = same_learning(table).drop(columns="within").set_index("loss").rename(index=names).rename_axis(None)
    columns = ["torch", BACKENDS[1], "difference", "spread over torch's seeds"]
    return rows.map("{:.3f}".format).set_axis(columns, axis=1)


def learnt_alike(table: pd.DataFrame) -> str:
    """The finding of :func:`same_learning`."""
    same = same_learning(table)
    differ = ("more than", "in one loss more than", "no more than")[int(same["within"].sum())]
    training, held_out = (f"by {row.gap:.3f} (seeds {row.spread:.3f})" for row in same.itertuples())
    return f"The two differ {differ} torch's seeds do: in training {training}, on held-out text {held_out}."


def _spread(values: np.ndarray) -> Spread:
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    return Spread(float(median), float(low), float(high))
