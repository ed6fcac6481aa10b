"""Chapter 4: its trained networks by their role, and measurements of them. Nothing here trains."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
import yaml

from rnnreport import checksums, corpora
from rnnreport.experiments import learned, recorded
from rnnreport.experiments.text_recipes import COPIERS, READER, READER_STEP, RECIPE_OF_SHORT, sample_steps
from rnnreport.experiments.text_run import TextRun
from rnnreport.experiments.text_training import snapshot
from rnnreport.models import CharLSTM
from rnnreport.origin import of_rows
from rnnreport.parameters import located
from rnnreport.parameters.text import TextParameters, kept_configuration
from rnnreport.provenance import PROJECT
from rnnreport.runs import Run, load, provenance
from rnnreport.sampling import probabilities, sample
from rnnreport.windows import Windows

READS = ("data/report_samples.yml",)  # files that this module reads itself, for the chapter's fingerprint
SAMPLES = PROJECT / READS[0]

# Ways to choose the next character, as arguments of :func:`rnnreport.sampling.sample`.
WAYS: dict[str, dict[str, Any]] = {
    "greedy": {"temperature": 0.0},
    "greedy, no repetition": {"temperature": 0.0, "repetition": math.inf},
    "temperature 0.5": {"temperature": 0.5},
    "temperature 1": {},
    "top-k, k = 3": {"top_k": 3},
    "top-p, p = 0.8": {"top_p": 0.8},
    "top-p, repetition 10 times less likely": {"top_p": 0.8, "repetition": 10.0},
}


@dataclass(frozen=True)
class Network:
    """A training that the chapter examines.

    models: by their steps. looked_at: the steps of the models that are compared. reader: the step of the model whose
    cells and surprises are examined; name: that model's name. how: "recorded" or "trained live".
    """

    run: Run
    models: dict[int, CharLSTM]
    looked_at: Sequence[int]
    reader: int
    name: str
    how: str

    @property
    def last(self) -> CharLSTM:
        """The model at the end of the training."""
        return self.models[max(self.models)]

    @property
    def curve(self) -> pd.DataFrame:
        """The run's measurements over the steps, with the seed."""
        return with_origin_of(self.run.table.assign(seed=self.run.configuration.seed), self)

    def accuracy(self, step: int) -> float:
        """The last accuracy on training batches that was recorded up to that step."""
        return float(self.run.table.set_index("step")["accuracy"].loc[:step].iloc[-1])


@dataclass(frozen=True)
class Networks:
    """The chapter's networks by their role.

    live: the first of those trained now. long: the report's training of 500,000 steps; short: the better one of five
    minutes. These two are recorded; each is None if it is left out or has read another text.
    """

    live: Network
    long: Network | None = None
    short: Network | None = None

    @property
    def main(self) -> Network:
        """The one that most of the chapter is about: the long one, or else the live one."""
        return self.long or self.live

    @property
    def readers(self) -> list[Network]:
        """The networks whose cells are examined."""
        return [network for network in (self.main, self.short) if network]


def networks(p: TextParameters, corpus: corpora.Corpus, live: Run) -> Networks:
    """The networks of this chapter. live: the first run of :func:`text_runs`.

    Raises ParameterError if a recorded one is not where its parameter says, or is damaged.
    """
    steps = live.configuration.steps
    ours = Network(live, kept_models(live, corpus), (steps,), steps, f"{steps:,} steps", "trained live")

    def stored(folder: str, name: str, looked_at: Sequence[int] = (), reader: int | None = None) -> Network | None:
        run = kept_training(folder)
        if run is None or run.configuration.sha256 != corpus.sha256:
            return None
        reader = run.configuration.steps if reader is None else reader
        return Network(run, kept_models(run, corpus), looked_at, reader, name, "recorded")

    return Networks(ours, stored(p.long_folder, READER, COPIERS, READER_STEP), stored(p.short_folder, RECIPE_OF_SHORT))


def origin_of(*sources: Network) -> str:
    """One line on where these networks came from."""
    ways = {network.how for network in sources}
    return provenance([network.run for network in sources], ways.pop() if len(ways) == 1 else "live and recorded")


def with_origin_of(table: pd.DataFrame, *sources: Network) -> pd.DataFrame:
    """The table, with these networks as its origin."""
    table.attrs["provenance"] = origin_of(*sources)
    return table


def read_off(
    record: pd.DataFrame | None, name: str, sources: Sequence[Network], compute: Callable[[], pd.DataFrame]
) -> pd.DataFrame:
    """The rows recorded under this name for exactly these networks, or else those that ``compute`` returns.

    The folders may hold other trainings than those that the record was made from.
    """
    rows = recorded.rows(record, name)
    return rows if of_rows(rows) == origin_of(*sources) else with_origin_of(compute(), *sources)


def kept_training(folder: str) -> Run | None:
    """The training that is kept in that folder, found by :func:`located`, with its weights; None for "".

    Raises ParameterError if there is none, or if something in it is damaged.
    """
    return load(located(folder), TextRun) if kept_configuration(folder) else None


def kept_models(run: Run, corpus: corpora.Corpus) -> dict[int, CharLSTM]:
    """The models that a run kept, by their steps."""
    return {step: snapshot(run.configuration, corpus, run.folder, step) for step in run.configuration.snapshots}


def long_curves(found: Networks, record: pd.DataFrame | None) -> pd.DataFrame:
    """The long training's curve and those of further seeds and another optimizer; empty without the long training.

    Columns: training (a name), step, seed, accuracy, held_out_accuracy and others of the runs' tables.
    """
    if found.long is None:
        return pd.DataFrame()
    course = recorded.rows(record, "course")
    parts = [found.long.curve.assign(training=f"Adam, {found.long.run.configuration.steps:,} steps")]
    for name, optimizer in (("Adam, other seeds", "adam"), ("RMSprop", "rmsprop")):
        if len(course) and (course["optimizer"] == optimizer).any():
            parts.append(course[course["optimizer"] == optimizer].assign(training=name))
    table = pd.concat(parts, ignore_index=True)
    table.attrs["provenance"] = "; ".join(filter(None, [origin_of(found.long), of_rows(course)]))
    return table


def losses_and_accuracies(found: Networks, live: pd.DataFrame) -> pd.DataFrame:
    """Loss and accuracy on training batches, of the long training and of the live ones. live: their tables.

    Columns: training (a name), step, seed, loss, accuracy.
    """
    steps = found.live.run.configuration.steps
    parts = [live.assign(training=f"live, {steps:,} steps")]
    if found.long:
        parts.insert(0, found.long.curve.assign(training=f"recorded, {found.long.run.configuration.steps:,} steps"))
    columns = ["training", "step", "seed", "loss", "accuracy"]
    table = pd.concat([part[columns] for part in parts], ignore_index=True).dropna(subset=["loss"])
    return with_origin_of(table, *filter(None, [found.live, found.long]))


def samples(network: Network, corpus: corpora.Corpus, steps: Sequence[int], count: int) -> pd.DataFrame:
    """``count`` greedy samples of 30 characters after each of these steps, each with a random first character.

    Columns: step, accuracy (on training batches by then), text.
    """
    rows = [
        (step, network.accuracy(step), text)
        for step in steps
        for text in learned.written(network.models[step], corpus, 30, count, seed=step, temperature=0.0)
    ]
    return with_origin_of(pd.DataFrame(rows, columns=["step", "accuracy", "text"]), network)


def samples_beside(found: Networks, corpus: corpora.Corpus) -> pd.DataFrame:
    """The samples that the report prints, and two of the long training at each of its steps; empty without it.

    Columns: step, reported_accuracy, reported, accuracy, text.
    """
    if found.long is None:
        return pd.DataFrame()
    printed = pd.DataFrame(report_samples()["training"]).rename(
        columns={"accuracy": "reported_accuracy", "text": "reported"}
    )
    return with_origin_of(
        printed.merge(samples(found.long, corpus, printed["step"].tolist(), 2), on="step"), found.long
    )


def report_samples() -> dict[str, list[dict[str, Any]]]:
    """The samples of its model that the report prints: "training" (step, accuracy, text), "temperature" (…, text)."""
    return yaml.safe_load(checksums.verify(SAMPLES).read_text(encoding="utf-8"))


def favourites(found: Networks, corpus: corpora.Corpus) -> pd.DataFrame:
    """:func:`without_favourite` over the training, and of the last model by temperature; empty without a long training.

    Columns: part ("training" or "temperature"), at (the accuracy or the temperature), share.
    """
    if found.long is None:
        return pd.DataFrame()
    parts = []
    long_steps = [step for step in found.long.models if step]
    for network, steps in ((found.live, sample_steps(found.live.run.configuration.steps)), (found.long, long_steps)):
        over = without_favourite({step: network.models[step] for step in steps}, corpus)
        parts.append(over.assign(part="training", at=over["step"].map(network.accuracy)))
    last = {max(found.long.models): found.long.last}
    heated = without_favourite(last, corpus, [0.5, 0.75, 1.0, 1.5, 2.0])
    parts.append(heated.assign(part="temperature", at=heated["temperature"]))
    table = pd.concat(parts)[["part", "at", "share"]].sort_values(["part", "at"], ascending=[False, True])
    return with_origin_of(table, found.live, found.long)


def without_favourite(
    models: Mapping[int, CharLSTM], corpus: corpora.Corpus, temperatures: Sequence[float] = (1.0,), count: int = 200
) -> pd.DataFrame:
    """The share of predictions in which every character has a probability below one half, per model and temperature.

    The predictions are those of the last 29 characters in each of ``count`` greedy samples of 30, which start with a
    random character. models: by their steps; the samples are the same at every temperature. Columns: step, temperature,
    share.
    """
    rows = []
    for step, model in models.items():
        generator = torch.Generator().manual_seed(step)
        start = torch.randint(len(corpus.vocabulary), (1, count), generator=generator)
        rest, _ = sample(model, start, 28, temperature=0.0)
        with torch.inference_mode():
            logits = model(torch.cat([start, rest]))
        for temperature in temperatures:
            unsure = probabilities(logits, temperature).amax(-1) < 0.5
            rows.append((step, temperature, float(unsure.double().mean())))
    return pd.DataFrame(rows, columns=["step", "temperature", "share"])


def calibrations(network: Network, windows: Windows) -> pd.DataFrame:
    """:func:`rnnreport.experiments.learned.calibration` of a network at the steps in ``looked_at``.

    Columns: step, confidence, hits, count, error (the expected calibration error). No rows if nothing is held out.
    """
    if not len(windows.held_out_starts):
        return pd.DataFrame()
    parts = []
    for step in network.looked_at:
        part = learned.calibration(*learned.read_with_logits(network.models[step], windows.held_out_blocks))
        parts.append(part.assign(step=step, error=learned.calibration_error(part)))
    return with_origin_of(pd.concat(parts, ignore_index=True), network)


def surprises(network: Network, corpus: corpora.Corpus, windows: Windows) -> tuple[str, list[float]]:
    """A passage of 500 characters, held out if anything is, and the reader's bits for each of them but the first."""
    passage = windows.held_out_blocks[:1_000, 4] if len(windows.held_out_starts) else corpus.symbols[:1_000]
    cost = learned.losses_of(network.models[network.reader], passage)
    text = corpus.decode(passage)
    start = max(0, text.find(" ", min(400, len(text) // 2)))  # the network has read some of the text by then
    return text[start : start + 500], cost[start : start + 499].tolist()


def tracked(models: Mapping[str, CharLSTM], windows: Windows, corpus: corpora.Corpus) -> pd.DataFrame:
    """:func:`rnnreport.experiments.learned.tracking` of each model: its columns, and network, the model's name.

    No rows if the text is too short to hold any of it out.
    """
    if not len(windows.held_out_starts):
        return pd.DataFrame(columns=["network"])
    return pd.concat(
        [learned.tracking(model, corpus, windows).assign(network=name) for name, model in models.items()],
        ignore_index=True,
    )


def followed(
    record: pd.DataFrame | None, readers: Sequence[Network], corpus: corpora.Corpus, windows: Windows
) -> pd.DataFrame:
    """:func:`tracked` of the readers, recorded or else computed, with each unit's layer (from 1) and place there."""
    models = {network.name: network.models[network.reader] for network in readers}
    table = read_off(record, "cells", readers, lambda: tracked(models, windows, corpus))
    if table.empty:
        return table
    table["network"] = table["network"].map(dict(zip(table["network"].unique(), models)))  # a record may be older
    sizes = table["network"].map({name: model.lstm.hidden_size for name, model in models.items()})
    return table.assign(layer=table["unit"] // sizes + 1, place=table["unit"] % sizes)


def followed_closely(
    following: pd.DataFrame, network: Network, corpus: corpora.Corpus, windows: Windows
) -> pd.DataFrame:
    """The network's two cells that follow a property best, over 100 held-out characters.

    following: of :func:`followed`. Columns: property, held_out (the correlation), character, wanted, cell (with its
    sign flipped if the correlation on training text is negative).
    """
    if following.empty:
        return following
    rows = following[following["network"] == network.name]
    best = rows.loc[rows["held_out"].abs().sort_values(ascending=False).index].head(2)
    passage = windows.held_out_blocks[:500, 4]
    text, seen = corpus.decode(passage), slice(-100, None)  # the state has settled by then
    told, c = learned.tells(text), learned.cells(network.models[network.reader], passage[:, None])[:, 0]
    parts = []
    for name, unit, training, held_out in zip(
        *(best[column] for column in ("property", "unit", "training", "held_out"))
    ):
        cell = c[seen, unit].numpy() * (1 if training > 0 else -1)
        seen_by = {"character": list(text[seen]), "wanted": told[name][seen].to_numpy(float), "cell": cell}
        parts.append(pd.DataFrame(seen_by).assign(property=name, held_out=held_out))
    return with_origin_of(pd.concat(parts, ignore_index=True), network)


def texts_at(
    model: CharLSTM,
    corpus: corpora.Corpus,
    prompt: str,
    length: int,
    temperature: float,
    seed: int,
    count: int = 1,
    **how: Any,
) -> list[str]:
    """``count`` continuations of the prompt by ``length`` characters at this temperature.

    how: further arguments of :func:`rnnreport.sampling.sample`.
    """
    generator = torch.Generator().manual_seed(seed)
    start = corpus.encode(prompt)[:, None].expand(-1, count)
    drawn, _ = sample(model, start, length, temperature=temperature, generator=generator, **how)
    return [corpus.decode(column) for column in drawn.T]


def continuations(
    network: Network, corpus: corpora.Corpus, prompt: str, temperatures: Sequence[float], seed: int
) -> pd.DataFrame:
    """Two continuations of the prompt by 60 characters at each temperature, beside the report's text if there is one.

    Columns: temperature, reported ("" for none), text.
    """
    printed = report_samples()["temperature"] if corpus.is_report_book else []
    reported = {row["temperature"]: row["text"] for row in printed}
    rows = [
        (temperature, reported.get(temperature, ""), text)
        for temperature in temperatures
        for text in texts_at(network.last, corpus, prompt, 60, temperature, seed, count=2)
    ]
    return with_origin_of(pd.DataFrame(rows, columns=["temperature", "reported", "text"]), network)


def ways(network: Network, corpus: corpora.Corpus, prompt: str, seed: int) -> pd.DataFrame:
    """Measures of 20 continuations by 200 characters, for each of ``WAYS``.

    Columns: way, text (the beginning of the first), distinct and words as in :func:`diversity`.
    """
    of_word = learned.bands(corpus)
    rows = []
    for name, how in WAYS.items():
        texts = texts_at(network.last, corpus, prompt, 200, seed=seed, count=20, **{"temperature": 1.0, **how})
        known = 1 - learned.shares(texts, of_word)[learned.UNKNOWN]
        rows.append((name, texts[0][:70], learned.distinct(texts), known))
    return with_origin_of(pd.DataFrame(rows, columns=["way", "text", "distinct", "words"]), network)


def written_on(network: Network, corpus: corpora.Corpus, prompt: str, length: int, seed: int) -> tuple[str, float]:
    """The prompt's continuation at temperature 0.5, and the share of its words that are in the book."""
    text = texts_at(network.last, corpus, prompt, length, 0.5, seed)[0]
    return text, 1 - float(learned.shares([text], learned.bands(corpus))[learned.UNKNOWN])


def writers(found: Networks, bits: pd.DataFrame) -> tuple[dict[str, CharLSTM], dict[str, str]]:
    """The models for the writer's widget by their names, and what the page says of each.

    bits: of :func:`bits_read_on`.
    """
    main = found.main
    steps = [step for step in main.models if step] if found.long else sample_steps(main.run.configuration.steps)
    models = {f"{step:,} steps": main.models[step] for step in steps}
    held_out = {f"{step:,.0f} steps": value for step, value in zip(bits["step"], bits["held_out"])}
    if found.short:
        models[RECIPE_OF_SHORT] = found.short.last
        held_out[RECIPE_OF_SHORT] = found.short.run.table["held_out_bits"].iloc[-1]
    return models, {
        name: f"{held_out[name]:.2f} bits per character of held-out text" for name in models if name in held_out
    }


def over_temperatures(
    network: Network, corpus: corpora.Corpus, windows: Windows, prompt: str, temperatures: Sequence[float]
) -> pd.DataFrame:
    """:func:`diversity` with three sampling seeds, at these temperatures and some between. One more column: seed."""
    grid = sorted({*temperatures, 0.25, 0.75, 1.5})
    parts = [diversity(network.last, corpus, windows, prompt, grid, seed).assign(seed=seed) for seed in range(3)]
    return with_origin_of(pd.concat(parts, ignore_index=True), network)


def diversity(
    model: CharLSTM,
    corpus: corpora.Corpus,
    windows: Windows,
    prompt: str,
    temperatures: list[float],
    seed: int,
) -> pd.DataFrame:
    """Measures at each temperature, over 20 continuations of 200 characters and logits of 2,000 held-out characters.

    If nothing is held out, the logits are those of the text's first 2,000 characters.

    entropy: mean bits of the next character's distribution; distinct: share of distinct sequences of four characters;
    words: share of the written words that occur in the book.
    """
    stretch = windows.held_out_blocks[:2_000, :1] if len(windows.held_out_starts) else corpus.symbols[:2_000, None]
    logits, _ = learned.read_with_logits(model, stretch)
    of_word = learned.bands(corpus)
    rows = []
    for temperature, bits in zip(temperatures, learned.entropies(logits, temperatures)):
        texts = texts_at(model, corpus, prompt, 200, temperature, seed, count=20)
        known = 1 - learned.shares(texts, of_word)[learned.UNKNOWN]
        rows.append((temperature, bits, learned.distinct(texts), known))
    return pd.DataFrame(rows, columns=["temperature", "entropy", "distinct", "words"])
