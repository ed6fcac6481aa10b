"""Chapter 4's tables, as the page shows them, and what is found in each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from rnnreport.shown import visible
from rnnreport.words import from_to, listed, percent


def beside_the_report(table: pd.DataFrame, reported: Sequence[tuple[int, float]]) -> pd.DataFrame:
    """The longest training at the steps for which the report gives an accuracy, with its range over further seeds."""
    groups = [part for name, part in table.groupby("training", sort=False) if name != "RMSprop"]
    steps, theirs = zip(*reported)
    at, seeds = groups[0].set_index("step").loc[[*steps]], pd.concat([groups[0][:0], *groups[1:]])
    others = [seeds.loc[seeds["step"] == step, "accuracy"] for step in steps]
    ours = {
        "our accuracy, training batches": "accuracy",
        "our accuracy, held-out text": "held_out_accuracy",
        "training loss (nats)": "loss",
        "held-out bits per character": "bits_per_character",
    }
    found = pd.DataFrame({title: at[column].map("{:.3f}".format) for title, column in ours.items()})
    found.insert(0, "the report's accuracy", [*map(str, theirs)])
    found.insert(2, "our accuracy, other seeds", [from_to(values, ".3f") if len(values) else "" for values in others])
    return found.rename(index="{:,}".format)


def ahead(table: pd.DataFrame, reported: Sequence[tuple[int, float]]) -> str:
    """How far the longest training's accuracy is from the report's."""
    at = table[table["training"] == table["training"].iloc[0]].set_index("step")["accuracy"]
    apart = [at[step] - accuracy for step, accuracy in reported]
    return f"Our accuracy on training batches differs from the report's by {from_to(apart, '+.3f')}."


def copied(table: pd.DataFrame) -> pd.DataFrame:
    """Shares of stretches that stand in the training text, by their length. table: columns text, length, share."""
    shares = table.pivot(index="text", columns="length", values="share").loc[table["text"].unique()]
    shares.columns = [f"{length} characters" for length in shares]
    shares.index.name = "share found in training text"
    return shares.map(lambda share: "" if math.isnan(share) else f"{share:.1%}")


def copied_more(table: pd.DataFrame) -> str:
    """How many times as often as held-out text, the table's first, the last network's repeats the training text."""
    shares = table.pivot(index="length", columns="text", values="share")[table["text"].unique()]
    times = (shares.iloc[:, -1] / shares.iloc[:, 0])[shares.iloc[:, 0] > 0]
    if times.empty:
        return "Held-out text repeats no stretch of the training text."
    characters = [f"{length}{' characters' * (not place)}" for place, length in enumerate(times.index)]
    found = listed([f"{ratio:.1f} ({length})" for ratio, length in zip(times, characters)])
    return f"Compared with held-out text, the last network's text repeats the training text {found} times as often."


def _with_texts(table: pd.DataFrame) -> pd.DataFrame:
    """The table as one whose last column has texts: report.css keeps their spaces."""
    table.attrs["classes"] = "texts"
    return table


def _ends_seen(text: str) -> str:
    """A sample for a table, with a sign for each space at its ends."""
    start, end = len(text) - len(text.lstrip(" ")), len(text.rstrip(" "))
    return "␣" * start + visible(text[start:end]) + "␣" * (len(text) - max(start, end))


def samples(table: pd.DataFrame) -> pd.DataFrame:
    """What a network wrote during training. table: columns step, accuracy, text."""
    columns = {
        "step": table["step"].map("{:,}".format),
        "no.": table.groupby("step").cumcount() + 1,
        "training accuracy": table["accuracy"].map("{:.3f}".format),
        "sample": table["text"].map(_ends_seen),
    }
    return _with_texts(pd.DataFrame(columns).set_index(["step", "no."]))


def samples_differ(table: pd.DataFrame) -> str:
    """How many different characters a sample has, early and late."""
    kinds = table["text"].map(lambda text: len(set(text))).groupby(table["step"]).mean()
    return (
        f"Samples of 30 characters have {kinds.iloc[0]:.1f} different ones on average after {kinds.index[0]:,} steps, "
        f"{kinds.iloc[-1]:.1f} after {kinds.index[-1]:,}."
    )


def answer_samples(table: pd.DataFrame) -> str:
    """A sample after the first steps and one after the last."""
    rows = table.drop_duplicates("step").iloc[[0, -1][: table["step"].nunique()]]
    told = [f"“{_ends_seen(text)}” after {step:,} steps" for step, text in zip(rows["step"], rows["text"])]
    return f"Always taking the likeliest character, the network writes {listed(told)}."


def samples_beside(table: pd.DataFrame) -> pd.DataFrame:
    """The report's samples above ours. table: columns step, reported_accuracy, reported, accuracy, text."""
    rows = []
    for step, part in table.groupby("step", sort=False):
        rows.append((f"{step:,}", "the report's", f"{part['reported_accuracy'].iloc[0]}", part["reported"].iloc[0]))
        rows += [
            (f"{step:,}", "ours", f"{accuracy:.3f}", text) for accuracy, text in zip(part["accuracy"], part["text"])
        ]
    found = pd.DataFrame(rows, columns=["step", "network", "training accuracy", "sample"])
    return _with_texts(found.assign(sample=found["sample"].map(_ends_seen)).set_index(["step", "network"]))


def newlines_beside(table: pd.DataFrame) -> str:
    """How much of the samples newlines are, the report's and ours."""
    theirs, ours = ("".join(table[column].drop_duplicates()) for column in ("reported", "text"))
    shares = (f"{text.count(chr(10)) / len(text):.0%}" for text in (theirs, ours))
    return f"Newlines make up {next(shares)} of the report's samples and {next(shares)} of ours."


def recipe_table(table: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """What recipes change, cost and reach, means over the seeds with their range; then the best of the other models.

    table: columns recipe, seed, steps, minutes, accuracy, window_bits, held_out_bits; others: model, order, bits.
    """

    def spread(values: pd.Series, form: str) -> str:
        if values.isna().all():
            return ""
        ends = [format(value, form) for value in (values.mean(), values.min(), values.max())]
        return ends[0] if len(set(ends)) == 1 else f"{ends[0]} ({ends[1]} to {ends[2]})"

    columns = {
        "held_out_bits": ("held-out bits, end to end", ".3f"),
        "window_bits": ("held-out bits, in windows", ".3f"),
        "minutes": ("minutes", ".1f"),
        "accuracy": ("training accuracy", ".3f"),
    }
    places = table["recipe"].map({name: place for place, name in enumerate(CHANGES)}).fillna(-1)  # the course's first
    table = table.assign(place=places).sort_values(["place", "steps"], kind="stable")
    rows = [
        {
            "recipe": name,
            "what it changes": " + ".join(CHANGES.get(str(name), ())),
            "steps": f"{steps:,}",
            **{title: spread(part[column], form) for column, (title, form) in columns.items()},
            "seeds": f"{part['seed'].nunique()}",
        }
        for (name, steps), part in table.groupby(["recipe", "steps"], sort=False)
    ]
    best = others[others["order"].isna() | (others["bits"] == _markov(others).min())]
    rows += [{"recipe": row.model, "held-out bits, end to end": f"{row.bits:.3f}"} for row in best.itertuples()]
    return pd.DataFrame(rows).fillna("").set_index("recipe")


def _markov(others: pd.DataFrame) -> pd.Series[Any]:
    return others.loc[others["order"].notna(), "bits"]


def without_networks(table: pd.DataFrame, others: pd.DataFrame) -> str:
    """What reading on costs the networks and what is no network."""
    bits = table.groupby(["recipe", "steps"])["held_out_bits"].mean().dropna()
    if others.empty or bits.empty:
        return "The text is too short to hold any of it out."
    packed = others.loc[others["order"].isna(), "bits"]
    return (
        f"Per character of held-out text the networks need {from_to(bits, '.2f')} bits, the best Markov model "
        f"{_markov(others).min():.2f}, and compressors {from_to(packed, '.2f')}."
    )


# The recipe that each starts from, and what it changes of that.
CHANGES = {
    "state carried": ("the course's", "states kept between batches"),
    "high rate": ("state carried", "rate 0.016, along a cosine"),
    "high rate, nothing carried": ("the course's", "rate 0.016, along a cosine"),
    "longer windows": ("high rate", "windows of 60, 16 a step"),
    "forget bias 1": ("longer windows", "forget bias 1"),
    "dropout 0.1": ("longer windows", "dropout 0.1"),
    "tied weights": ("longer windows", "weights tied, 120 units"),
    "one layer": ("longer windows", "one layer of 204 units"),
    "five minutes": ("one layer", "dropout 0.2, more steps"),
    "five minutes, no dropout": ("one layer", "more steps"),
    "five minutes, nothing carried": ("high rate, nothing carried", "one layer, 32 windows a step, dropout 0.1"),
}


def one_at_a_time(table: pd.DataFrame) -> str:
    """What each change adds to the bits per held-out character. table: of :func:`recipe_table`."""
    shortest = table.dropna(subset=["held_out_bits"]).sort_values("steps").drop_duplicates("recipe")
    bits = shortest.set_index("recipe")["held_out_bits"]
    told, tried = [], [name for name in bits.index if "five minutes" not in name]  # those train for longer
    for before in dict.fromkeys(of for of, _ in CHANGES.values() if of in tried):
        names = [name for name, (of, _) in CHANGES.items() if of == before and name in tried]
        added = ", ".join(f"“{name}” {bits[name] - bits[before]:+.2f}" for name in names)
        told += [f"{added} (compared with “{before}”)"] * bool(names)
    return f"Change in bits per held-out character: {'; '.join(told)}.".replace(" -", " −") if told else ""


def sizes_and_orders(table: pd.DataFrame, others: pd.DataFrame) -> str:
    """How large the networks are, and what every Markov model needs."""
    sizes = f"The networks have {table['parameters'].min():,} to {table['parameters'].max():,} parameters."
    orders, bits = others["order"].dropna(), ", ".join(f"{value:.3f}" for value in _markov(others))
    return f"{sizes} Markov models of order {from_to(orders, '.0f')}: {bits} bits." if bits else sizes


# nanoGPT's baby networks on tiny Shakespeare, from its README and its count of parameters: parameters, minutes and
# machine; nats per held-out character in windows of 64 and of 256 characters, the best of the training.
NANO_GPT: dict[str, dict[str, Any]] = {
    "nanoGPT, on a GPU": {"parameters": 10_650_000, "minutes": "3 (A100)", "windows_256": 1.4697},
    "nanoGPT, on a CPU": {"parameters": 800_000, "minutes": "3 (laptop)", "windows_64": 1.88},
}


def tiny(table: pd.DataFrame) -> pd.DataFrame:
    """Nats per held-out character of our LSTM, means over the seeds, and of nanoGPT.

    table: of :func:`rnnreport.experiments.text.tiny`.
    """
    losses = {
        "windows_64": "nats, windows of 64",
        "windows_256": "nats, windows of 256",
        "end_to_end": "nats, end to end",
    }
    means = table[["parameters", "minutes", *losses]].mean()
    ours = {**means, "minutes": f"{means['minutes']:.1f} (one core)"}
    found = pd.DataFrame.from_dict({"our LSTM": ours, **NANO_GPT}, orient="index")
    for column in losses:
        found[column] = found[column].map(lambda loss: "" if pd.isna(loss) else f"{loss:.3f}")
    found["parameters"] = found["parameters"].map("{:,.0f}".format)
    return found[["parameters", "minutes", *losses]].rename(columns=losses)


def beside_nano_gpt(table: pd.DataFrame) -> str:
    """How many nats per held-out character our LSTM needs more or less than nanoGPT's two networks."""
    apart = [
        f"{_apart(table[column].mean() - published[column])} {name.replace(', on', ' on')}"
        for name, published in NANO_GPT.items()
        for column in published.keys() & {"windows_64", "windows_256"}
    ]
    return f"At equal context our LSTM needs {listed(apart)}."


def _apart(nats: float) -> str:
    return f"{abs(nats):.2f} nats {'less' if nats < 0 else 'more'} than"


def about_tiny(table: pd.DataFrame) -> str:
    """The text that was read, and the range of the loss over the seeds."""
    read, characters, steps = table[["source", "characters", "steps"]].iloc[0]
    return (
        f"Text: {read} ({characters:,} characters; char-rnn's file has 1,115,394). Its last tenth is held out. After "
        f"{steps:,} steps, {from_to(table['minutes'], '.1f')} minutes of one core, "
        f"{from_to(table['windows_256'], '.3f')} nats in windows of 256; nanoGPT's is its best step."
    )


def cells(table: pd.DataFrame) -> pd.DataFrame:
    """How closely a cell of each network follows properties of held-out text, those of the first network in order.

    table: columns network, property, layer, place (of the unit in its layer), training, held_out, chance.
    """
    parts = {
        network: pd.DataFrame(
            {"correlation": rows["held_out"].map("{:+.2f}".format), "chance": rows["chance"].map("{:.2f}".format)}
        )
        for network, rows in table.set_index("property").groupby("network", sort=False)
    }
    first = table[table["network"] == table["network"].iloc[0]].set_index("property")["held_out"].abs()
    return pd.concat(parts, axis=1).loc[first.sort_values(ascending=False).index]


def followed(table: pd.DataFrame) -> str:
    """How many properties a single cell follows on held-out text, for each network."""
    strong = table["held_out"].abs().ge(0.5).groupby(table["network"], sort=False)
    told = [f"{hits.sum()} ({network})" for network, hits in strong]
    properties = table["property"].nunique()
    return f"Of {properties} properties, a single cell follows {listed(told)} with a correlation beyond ±0.5."


def which_are_followed(table: pd.DataFrame) -> str:
    """Which cells follow a property on held-out text, and how near training text comes to that."""
    strong = table[table["held_out"].abs() >= 0.5]
    told = [f"“{row.property}” unit {row.place} of layer {row.layer} ({row.network})" for row in strong.itertuples()]
    apart = (table["training"] - table["held_out"]).abs().max()
    return (
        f"Beyond ±0.5: {'; '.join(told) or 'none'}. The correlations on training text differ from these by at most "
        f"{apart:.2f}."
    )


def continuations(table: pd.DataFrame) -> pd.DataFrame:
    """A prompt's continuations by temperature, the report's text above. table: columns temperature, reported, text."""
    rows = []
    for temperature, part in table.groupby("temperature", sort=False):
        texts = [("the report's", part["reported"].iloc[0]), *(("ours", text) for text in part["text"])]
        rows += [(f"{temperature:g}", whose, visible(text)) for whose, text in texts if text]
    table = pd.DataFrame(rows, columns=["temperature", "network", "text"])
    return _with_texts(table.set_index(["temperature", "network"]))


def temperatures(table: pd.DataFrame) -> str:
    """What the table of continuations shows."""
    shown = listed([f"{temperature:g}" for temperature in table["temperature"].unique()])
    longest = table["text"].str.len().max()
    ours = f"Our network continues one prompt by {longest} characters at temperature {shown}"
    return f"{ours}; beside it, the report's samples."


def ways(table: pd.DataFrame) -> pd.DataFrame:
    """What becomes of a text by how its characters are chosen. table: columns way, text, distinct, words."""
    columns = {
        "different 4-grams": table["distinct"].map("{:.2f}".format),
        "words in the book": table["words"].map(percent),
        "continuation": table["text"].map(visible),
    }
    return _with_texts(pd.DataFrame({"way": table["way"], **columns}).set_index("way"))


def least_and_most_diverse(table: pd.DataFrame) -> str:
    """Which ways give the least and the most diverse text."""
    low, high = (table.iloc[int(place)] for place in (table["distinct"].argmin(), table["distinct"].argmax()))
    return (
        f"The share of different 4-grams is lowest with “{low['way']}” ({low['distinct']:.2f}) and highest with "
        f"“{high['way']}” ({high['distinct']:.2f})."
    )
