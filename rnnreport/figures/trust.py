"""How far to trust this: which mistakes the tests notice, and what the project is put through."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from rnnreport.claims import uncertainty
from rnnreport.figures import GUIDE, LSTM, chart, new
from rnnreport.words import counted, listed, percent

AIM = 0.95  # of the mutants that compute something else


def scores(mutants: pd.DataFrame) -> pd.DataFrame:
    """For each module, the least first: how many mutants it has, and the share of them that a test catches.

    mutants: of :func:`rnnreport.experiments.trust.mutants`; those that compute the same are left out.
    """
    mistakes = mutants[(mutants["outcome"] != "not tried") & (mutants["reason"] != "equivalent")]
    shares = mistakes.assign(share=mistakes["outcome"] == "killed").groupby("module", as_index=False)
    return shares.agg(mutants=("share", "size"), share=("share", "mean")).sort_values("share", ignore_index=True)


@chart("Dotted: the aim; in brackets: how many mutants, without those that compute the same")
def noticed(mutants: pd.DataFrame) -> Figure:
    """The share of mutants that a test catches, by module."""
    table = scores(mutants)
    figure, ax = new(figsize=(6.4, 0.6 + 0.2 * len(table)))
    names = table["module"] + " (" + table["mutants"].map("{:,}".format) + ")"
    ax.plot(table["share"], names, "o", color=LSTM, ms=5)
    ax.grid(axis="y", lw=0.4)
    ax.axvline(AIM, color=GUIDE, ls=":")
    ax.set_xlim(min(0.8, table["share"].min() - 0.02), 1.01)
    ax.xaxis.set_major_locator(MultipleLocator(0.05))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.set_xlabel("mutants that a test catches")
    ax.tick_params(axis="y", labelsize=8)
    return figure


def share_noticed(mutants: pd.DataFrame) -> str:
    """What share of all mutants a test catches, and in which modules it is below the aim."""
    table = scores(mutants)
    share = (table["share"] * table["mutants"]).sum() / table["mutants"].sum()
    below = table.loc[table["share"] < AIM, "module"].tolist()
    if below:
        names = listed(below) if len(below) <= 3 else f"{len(below)} of {counted(len(table), 'module')}"
        rest = f"; below the aim of {AIM:.0%}: {names}"
    else:
        rest = f", at least {AIM:.0%} in every module, which was the aim"
    left = int((mutants["outcome"] == "not tried").sum())
    still = f"; not tried yet: {left:,}" if left else ""
    return f"Tests catch {percent(share, 1)} of {table['mutants'].sum():,} mutants{rest}{still}."


def survivors(mutants: pd.DataFrame) -> pd.DataFrame:
    """The changes that pass all tests, with the reason why; one row per line of code and reason."""
    left = mutants[mutants["outcome"] == "survived"]
    file = left["module"].where(left["module"].str.endswith(".js"), left["module"] + ".py")
    place = file + ", line " + left["line"].astype(str)
    why = left["because"].mask(left["because"] == "", "not looked at yet")
    changes = [_change(before, after) for before, after in zip(left["before"], left["after"])]
    columns = {"place": place, "line": left["before"], "change": changes, "why it passes": why}
    rows = pd.DataFrame(columns).groupby(["place", "line", "why it passes"], sort=False)["change"]
    table = rows.agg("; ".join).reset_index().set_index("place")[["line", "change", "why it passes"]]
    table.attrs |= {"classes": "changes", "verbatim": True}  # see report.css, and captions.py
    return table


def _change(before: str, after: str) -> str:
    """What a change of a line replaces, and by what: "< → <="; with as much before it as tells where in the line."""
    old, new = (re.findall(r"[\w.]+|[()[\]{},;]|[^\w\s()[\]{},;]+|\s+", text) for text in (before, after))
    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    (_, start, _, new_start, _), *_, (_, _, end, _, new_end) = [code for code in codes if code[0] != "equal"] * 2
    while start and before.count("".join(old[start:end]).strip()) != 1:
        start, new_start = start - 1, new_start - 1
    return " → ".join("".join(part).strip() or "nothing" for part in (old[start:end], new[new_start:new_end]))


def count_of_survivors(mutants: pd.DataFrame) -> str:
    """How many mutants pass all tests, by what is known of them."""
    left = mutants[mutants["outcome"] == "survived"]
    tried = int((mutants["outcome"] != "not tried").sum())
    named = {"equivalent": "compute the same", "accepted": "are not worth a test", "": "are not looked at yet"}
    found = left["reason"].value_counts()
    known = [f"{found[reason]:,} {what}" for reason, what in named.items() if reason in found]
    return f"Of {tried:,} mutants {len(left):,} pass all tests{': ' if known else ''}{listed(known) if known else ''}."


def by_what(abuse: pd.DataFrame) -> pd.DataFrame:
    """What was done, in how many kinds of all, how often, and what came of it."""
    done = abuse.assign(done=abuse["tried"] > 0, all=1)
    sums = done.groupby("what", sort=False)[["done", "all", "tried", "clean", "lost"]].sum()
    sums["kinds"] = sums["done"].astype(str) + " of " + sums["all"].astype(str)
    numbers = sums[["tried", "clean", "lost"]].map("{:,}".format)
    return sums[["kinds"]].join(numbers).rename_axis("what was done")


def tried(abuse: pd.DataFrame) -> pd.DataFrame:
    """What was done, to what, how often, and what came of it; one row per kind of mistreatment."""
    counts = abuse[["tried", "clean", "lost"]].astype(object).where(abuse["tried"] > 0, "–")
    return counts.set_axis(pd.MultiIndex.from_frame(abuse[["what", "to"]], names=["what was done", "to what"]))


def how_often(abuse: pd.DataFrame) -> str:
    """How often each kind was tried."""
    times = listed([f"{number:,}" for number in _least_and_most(abuse)], last="to")
    perhaps = "" if abuse["tried"].all() else ", if at all"
    return f"Each kind was tried {times} times{perhaps}." if abuse["tried"].any() else "None was tried."


def _least_and_most(abuse: pd.DataFrame) -> list[int]:
    """Of how often kinds were tried the least and the most, once if they are the same."""
    often = sorted(abuse.loc[abuse["tried"] > 0, "tried"].tolist())
    return [*dict.fromkeys([*often[:1], *often[-1:]])]


def lost(abuse: pd.DataFrame) -> str:
    """How many attempts there were, in which something was lost, and what is still to do."""
    bad, done = abuse[abuse["lost"] > 0], abuse[abuse["tried"] > 0]
    names = listed((bad["what"] + ", " + bad["to"]).tolist()) if len(bad) else ""
    rest = f"something was lost in {bad['lost'].sum():,}: {names}" if len(bad) else "in these nothing was lost"
    still = f"; not tried yet: {counted(len(abuse) - len(done), 'kind')}" if len(done) < len(abuse) else ""
    return f"{abuse['tried'].sum():,} attempts of {counted(len(done), 'kind')}; {rest}{still}."


def how_sure(abuse: pd.DataFrame) -> str:
    """What so many attempts cannot exclude, and the versions of the library's code that they tried, as details."""
    found = abuse.loc[abuse["tried"] > 0, "code"].value_counts()
    said = [f"{code} ({counted(kinds, 'kind')})" for code, kinds in found.items()]
    limits = [
        f"{percent(uncertainty.share([0] * n).high)} after {counted(n, 'attempt')}" for n in _least_and_most(abuse)
    ]
    return (
        "Where nothing was lost, the chance of a loss may still be as high as the upper end of Clopper and Pearson's "
        f"95% interval: {listed(limits)}. Versions of the library's code: {listed(said)}."
    )


def promised(promises: pd.DataFrame) -> pd.DataFrame:
    """Each promise, how much it covers, and the test that holds it."""
    return promises.rename(columns={"test": "held by"}).set_index("promise").rename_axis("what is promised")


def held(promises: pd.DataFrame) -> str:
    """How many promises tests hold."""
    return f"Each of {counted(len(promises), 'promise')} has a file of tests, which fails where it is broken."
