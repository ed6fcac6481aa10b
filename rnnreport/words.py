"""Numbers in words, including edge cases: singular and plural, none and all, shares that rounding would make 0 or 1."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the command line uses this module, without pandas
    import pandas as pd

NAMES = {
    "rnn": "RNN",
    "lstm": "LSTM",
    "temporal-gate": "gated LSTM",
    "phased-lstm": "gated LSTM",
    "relu-rnn": "ReLU RNN",
    "gru": "GRU",
    "min-gru": "minGRU",
    "min-lstm": "minLSTM",
    "sgd": "SGD",
    "nesterov": "Nesterov",
    "rmsprop": "RMSprop",
    "adam": "Adam",
}
SYMBOLS = {"length": "T = ", "learning_rate": "rate "}  # prefixes of values of these columns


def share(value: float, digits: int = 2) -> str:
    """A share with this many decimals, or with more if it would be shown as 0 or 1 and is neither."""
    return _below(1, value, digits)


def percent(value: float, digits: int = 0) -> str:
    """A share in percent, with more decimals if it would be shown as 0% or 100% and is neither."""
    return f"{_below(100, 100 * value, digits)}%"


def _below(whole: int, value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    while 0 < value < whole and float(text) in (0, whole):
        if digits == 6 and value < 0.5:
            return f"{value:.0e}"
        digits += 1
        text = f"{value:.{digits}f}"
    return text


def counted(number: int, what: str) -> str:
    """A number with its noun: "1 seed", "3 seeds"."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def two_digits(value: float) -> str:
    """A number with two significant digits, "160", "0.17" or "3.9e-16"."""
    return f"{float(f'{value:.2g}'):g}"


def from_to(values: Iterable[float], spec: str = "") -> str:
    """The smallest and the largest value, "0.1 to 0.3", with two digits by default; only one if both read alike."""
    values = list(values)
    ends = (format(end, spec) if spec else two_digits(end) for end in (min(values), max(values)))
    return " to ".join(dict.fromkeys(ends))


def listed(words: Sequence[str], nothing: str = "none", last: str = "and") -> str:
    """ "a", "a and b", "a, b and c"; ``nothing`` for no words. last: the word before the last of them."""
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]])) or nothing


def spread(values: Iterable[float]) -> str:
    """The mean of shares over the seeds with its 95% interval: "0.93 (0.90 to 0.95)", or "0.99" if all read alike."""
    from rnnreport.intervals import in_words

    mean, _, ends = (said := in_words(values, share=True)).partition(" (")
    return mean if ends == f"{mean} to {mean})" else said


def at_end(rows: pd.DataFrame, *by: str, **where: Any) -> pd.DataFrame:
    """The rows of a table of runs at the last step, or that of their group; where: only those with these values."""
    last = rows[rows["step"] == (rows.groupby(list(by))["step"].transform("max") if by else rows["step"].max())]
    for column, value in where.items():
        last = last[last[column] == value]
    return last


def first_solved(rows: pd.DataFrame, by: Sequence[str], solved: pd.Series[bool]) -> pd.DataFrame:
    """The first step at which each seed of a group has solved its task, ``steps``; infinite if none. solved: by row."""
    steps = rows["step"].where(solved, math.inf)
    return rows.assign(steps=steps).groupby([*by, "seed"], sort=False)["steps"].min().reset_index()


def grouped(rows: pd.DataFrame, *by: str) -> Iterator[tuple[Any, pd.DataFrame]]:
    """The groups of a table in order of appearance, each with its key, or its keys if there are several columns."""
    return iter(rows.groupby(by[0] if len(by) == 1 else list(by), sort=False))


def each(rows: pd.DataFrame, by: str, value: str = "test_accuracy") -> str:
    """A share for each group, :func:`spread` over its seeds: "RNN: 0.10 (0.09 to 0.11); LSTM: 0.98 (0.97 to 0.99)"."""
    return "; ".join(f"{called(by, key)}: {spread(part[value])}" for key, part in grouped(rows, by))


def called(column: str, value: Any) -> str:
    """The name of a column's value in text: "LSTM", "T = 5"."""
    shown = f"{value:g}" if isinstance(value, float) else NAMES.get(value, str(value))
    return f"{SYMBOLS.get(column, '')}{shown}"
