"""Chapter 4: the character model on a book."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import pandas as pd
import torch
import yaml

from rnnreport import baselines, checksums, corpora
from rnnreport.experiments import learned, recorded
from rnnreport.experiments.text_recipes import (
    CARRIER,
    COPIERS,
    LONGER_THAN_OTHERS,
    READER,
    READER_STEP,
    RECIPE_OF_COURSE,
    RECIPE_OF_SHORT,
    RECIPES,
    RecipeName,
)
from rnnreport.experiments.text_recipes import REPORTED as REPORTED
from rnnreport.experiments.text_run import TextRun, course_recipe
from rnnreport.experiments.text_training import held_out_scores, long_run, snapshot, train_text
from rnnreport.models import CharLSTM
from rnnreport.parameters import located
from rnnreport.parameters.text import TextParameters, kept_configuration
from rnnreport.provenance import PROJECT
from rnnreport.runs import Run, load, run_all, tabulate
from rnnreport.sampling import probabilities, sample
from rnnreport.windows import Windows

READS = ("data/report_samples.yml",)  # what this module reads by itself, for the chapter's fingerprint
SAMPLES = PROJECT / READS[0]


def text_runs(p: TextParameters) -> list[Run]:
    """A model for every optimizer, window length and seed; the optimizers after the first with the first seed only.

    Weights are kept at :func:`sample_steps` and at :func:`learning_steps`.
    """
    return run_all(
        train_text,
        [
            _configuration(
                p,
                p.train_steps,
                seed,
                sequence_length=length,
                optimizer=optimizer,
                snapshots=tuple(sorted({*learning_steps(p.train_steps), *sample_steps(p.train_steps)})),
            )
            for optimizer in p.optimizers
            for length, seed in product(p.lengths, p.seeds if optimizer == p.optimizers[0] else p.seeds[:1])
        ],
        "text",
    )


def recipe_runs(p: TextParameters) -> list[tuple[RecipeName, Run]]:
    """A model for each recipe with the first seed, all having read as many characters in training; with their names.

    Those ``LONGER_THAN_OTHERS`` are trained for ``longest_steps`` of the course's size with every seed. The tables
    have ``held_out_bits``.
    """
    asked = [(name, seed) for name in p.recipes for seed in (p.seeds if name in LONGER_THAN_OTHERS else p.seeds[:1])]
    runs = run_all(train_text, [_recipe_run(p, name, seed) for name, seed in asked], "recipes")
    return [(name, run) for (name, _), run in zip(asked, runs, strict=True)]


def recipe_curves(tried: Sequence[tuple[str, Run]]) -> pd.DataFrame:
    """The tables of the runs, by their recipe and seed."""
    return pd.concat([run.table.assign(recipe=name, seed=run.configuration.seed) for name, run in tried])


def _recipe_run(p: TextParameters, name: RecipeName, seed: int) -> TextRun:
    changes = {"sequence_length": p.lengths[0], "batch_size": p.batch_size, **RECIPES[name]}
    steps = p.longest_steps if name in LONGER_THAN_OTHERS else p.recipe_steps
    characters = changes["sequence_length"] * changes["batch_size"]
    steps = max(1, round(steps * p.lengths[0] * p.batch_size / characters))
    if p.hidden_size != 128:  # that of a recipe is meant for 128
        changes.pop("hidden_size", None)
    every = max(1, min(steps // 10, 500))
    return _configuration(p, steps, seed, read_on=True, snapshots=(steps,), record_every=every, **changes)


def short_run(steps: int, seed: int) -> TextRun:
    """The recipe ``RECIPE_OF_SHORT`` on the report's book for so many of its own steps, with its weights at the end."""
    course = long_run(steps, seed)
    changes = RECIPES[RECIPE_OF_SHORT]
    of_run = {name: value for name, value in changes.items() if name in TextRun.model_fields}
    rest = {name: value for name, value in changes.items() if name not in of_run}
    return course.model_copy(
        update={
            **of_run,
            "recipe": course_recipe(steps, seed, record_every=500, **rest),
            "backend": "native",
            "read_on": True,
            "snapshots": (steps,),
        }
    )


def _configuration(p: TextParameters, steps: int, seed: int, **changes: Any) -> TextRun:
    """The run at the chapter's settings with these changes, of the run or of its recipe."""
    of_run = {name: changes.pop(name) for name in set(changes) & set(TextRun.model_fields)}
    every = max(1, min(steps // 40, 500))
    settings = {"learning_rate": p.learning_rate, "record_every": every, "device": p.device}
    return TextRun(
        corpus=p.corpus,
        sha256=corpora.load(p.corpus).sha256,
        backend=p.backend,
        recipe=course_recipe(steps, seed, **{**settings, **changes}),
        **{"hidden_size": p.hidden_size, "batch_size": p.batch_size, **of_run},
    )


def sample_steps(steps: int) -> list[int]:
    """Five evenly spaced steps, the last at the end (fewer where there are not five)."""
    return sorted({max(1, round(steps * part / 5)) for part in range(1, 6)})


def learning_steps(steps: int) -> list[int]:
    """0, 20, 50, 100, 200, 500, … up to the last step, and that."""
    return sorted(
        {0, steps, *(n * 10**power for power in range(1, 6) for n in (1, 2, 5) if 20 <= n * 10**power < steps)}
    )


def kept_training(folder: str) -> Run | None:
    """A training that is kept in that folder, found by :func:`located`, with its weights; None for "".

    Raises ParameterError where there is none, or something in it is damaged.
    """
    return load(located(folder), TextRun) if kept_configuration(folder) else None


def kept_models(run: Run, corpus: corpora.Corpus) -> dict[int, CharLSTM]:
    """The models that a run kept, by their steps."""
    return {step: snapshot(run.configuration, corpus, run.folder, step) for step in run.configuration.snapshots}


def habits(runs: Sequence[Run], corpus: corpora.Corpus) -> pd.DataFrame:
    """:func:`rnnreport.experiments.learned.habits` of every run at :func:`learning_steps`: seed, step and these."""
    of_word = learned.bands(corpus)
    rows = []
    for run in runs:
        for step in learning_steps(run.configuration.steps):
            model = snapshot(run.configuration, corpus, run.folder, step)
            rows.append(
                {"seed": run.configuration.seed, "step": step, **learned.habits(model, corpus, of_word, seed=step)}
            )
    return pd.DataFrame(rows)


def bits_read_on(models: dict[int, CharLSTM], windows: Windows) -> pd.DataFrame:
    """Bits a character of models by their steps, on training and on held-out text read from end to end.

    Columns: step, training, held_out.
    """
    texts = {"training": learned.training_blocks(windows), "held_out": windows.held_out_blocks}
    return pd.DataFrame(
        [
            {"step": step, **{name: learned.bits_of(model, blocks) for name, blocks in texts.items()}}
            for step, model in models.items()
        ]
    )


def compared(tried: Sequence[tuple[str, Run]], corpus: corpora.Corpus, windows: Windows) -> pd.DataFrame:
    """What trainings by these recipes cost and reach, a row a run.

    Columns: recipe, seed, steps, parameters, minutes; accuracy on its own training batches (mean since the record
    before); window_bits of held-out windows, each from a zero state; held_out_bits of held-out text
    read from end to end. These two are missing where the text is too short to hold any of it out.
    """
    return pd.DataFrame([_reached(name, run, corpus, windows) for name, run in tried])


def _reached(name: str, run: Run, corpus: corpora.Corpus, windows: Windows) -> dict[str, Any]:
    step = run.configuration.steps
    model = snapshot(run.configuration, corpus, run.folder, step)
    row = run.table.set_index("step").loc[step]
    there = len(windows.held_out_starts) > 0
    return {
        "recipe": name,
        "seed": run.configuration.seed,
        "steps": step,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "minutes": row["seconds"] / 60,
        "accuracy": row["accuracy"],
        "window_bits": held_out_scores(model, windows)["bits_per_character"] if there else math.nan,
        "held_out_bits": learned.bits_of(model, windows.held_out_blocks) if there else math.nan,
    }


def as_table(found: pd.DataFrame, others: pd.DataFrame) -> str:
    """Markdown: a row a recipe and number of steps, its numbers means over the seeds with their range, then the others.

    Of Markov models the best has a row; below are all, and the range of the networks' parameters.
    found: of :func:`compared`; others: of :func:`others`.
    """

    def spread(values: pd.Series, form: str) -> str:
        if values.isna().all():
            return ""
        ends = [format(value, form) for value in (values.mean(), values.min(), values.max())]
        return ends[0] if len(set(ends)) == 1 else f"{ends[0]} ({ends[1]} to {ends[2]})"

    head = ("recipe", "seeds", "steps", "minutes", "training accuracy", "bits, held-out windows", "bits, read on")
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * 6]
    for (name, steps), rows in found.groupby(["recipe", "steps"], sort=False):
        forms = {"minutes": ".1f", "accuracy": ".3f", "window_bits": ".3f", "held_out_bits": ".3f"}
        numbers = [spread(rows[column], form) for column, form in forms.items()]
        lines += [f"| {name} | {rows['seed'].nunique()} | {steps:,} | {' | '.join(numbers)} |"]
    markov = others[others["order"].notna()]
    best = others[others["order"].isna() | (others["bits"] == markov["bits"].min())]
    lines += [f"| {row.model} | | | | | | {row.bits:.3f} |" for row in best.itertuples()]
    lines += ["", f"The networks have {found['parameters'].min():,} to {found['parameters'].max():,} parameters."]
    if len(markov):
        bits = ", ".join(f"{value:.3f}" for value in markov["bits"])
        lines += [f"Markov models of order {markov['order'].min():.0f} to {markov['order'].max():.0f}: {bits} bits."]
    return "\n".join(lines)


def others(corpus: corpora.Corpus, windows: Windows, highest: int = 8) -> pd.DataFrame:
    """Bits a held-out character costs what is no network: a row a model, with its name and bits.

    Columns: model, order (missing for compressors), bits.
    """
    markov = [(f"Markov, order {order}", order, bits) for order, bits in enumerate(baselines.markov(windows, highest))]
    packed = [(name, None, bits) for name, (_, bits) in baselines.compressed(corpus, windows).items()]
    return pd.DataFrame([*markov, *packed], columns=["model", "order", "bits"])


def copied(models: dict[int, CharLSTM], windows: Windows, corpus: corpora.Corpus) -> pd.DataFrame:
    """Shares of stretches that stand in the training text, by length: of held-out text, and of what models write.

    models: by their steps, writing at temperature 0.5. Columns: text (what it is, in words), length, share.
    """
    texts = {"held-out text itself": [corpus.decode(column)[:1_000] for column in windows.held_out_blocks.T]}
    for step, model in models.items():
        texts[f"written after {step:,} steps"] = learned.written(model, corpus, 500, 20, 0, temperature=0.5)
    return pd.DataFrame(
        [
            (name, length, share)
            for name, parts in texts.items()
            if any(parts)
            for length, share in learned.copied(parts, windows, corpus, [8, 16, 24, 32]).items()
        ],
        columns=["text", "length", "share"],
    )


def tracked(models: dict[str, CharLSTM], windows: Windows, corpus: corpora.Corpus) -> pd.DataFrame:
    """:func:`rnnreport.experiments.learned.tracking` of each model: its columns, and network, the model's name."""
    return pd.concat(
        [learned.tracking(model, corpus, windows).assign(network=name) for name, model in models.items()],
        ignore_index=True,
    )


def record(p: TextParameters) -> pd.DataFrame:
    """All that the chapter shows as recorded, trained with these parameters: at the full profile for hours.

    What takes a minute to read off the kept trainings goes along.
    """
    corpus = corpora.load(p.corpus)
    windows = corpus.windows(p.lengths[0])
    course, tried = text_runs(p), recipe_runs(p)
    first = [run for run in course if run.configuration.recipe.optimizer == p.optimizers[0]]
    all_tried = [*((RECIPE_OF_COURSE, run) for run in first), *tried]
    tables = {
        "course": recorded.with_origin(tabulate(course), course),
        "habits": recorded.with_origin(habits(first, corpus), first),
        "recipes": recorded.with_origin(compared(all_tried, corpus, windows), [run for _, run in all_tried]),
        "recipe curves": recorded.with_origin(recipe_curves(tried), [run for _, run in tried]),
    }
    long, short = kept_training(p.long_folder), kept_training(p.short_folder)
    if long and short:
        models = kept_models(long, corpus)
        readers = {READER: models[READER_STEP], CARRIER: kept_models(short, corpus)[short.configuration.steps]}
        tables |= {
            "memory": recorded.with_origin(bits_read_on(models, windows), [long]),
            "copied": recorded.with_origin(copied({step: models[step] for step in COPIERS}, windows, corpus), [long]),
            "cells": recorded.with_origin(tracked(readers, windows, corpus), [long, short]),
            "course's recipe": recorded.with_origin(compared([(RECIPE_OF_COURSE, long)], corpus, windows), [long]),
            "others": recorded.with_origin(others(corpus, windows), [long]),
        }
    return recorded.joined(tables)


def first_samples(model: CharLSTM, corpus: corpora.Corpus, length: int, count: int, seed: int) -> list[str]:
    """Texts of ``length`` characters, greedy, each from another random first character (which is part of it)."""
    return learned.written(model, corpus, length, count, seed, temperature=0.0)


def report_samples() -> dict[str, list[dict[str, Any]]]:
    """What the report prints as written by its model: "training" (step, accuracy, text), "temperature" (…, text)."""
    return yaml.safe_load(checksums.verify(SAMPLES).read_text(encoding="utf-8"))


def without_favourite(
    models: dict[int, CharLSTM], corpus: corpora.Corpus, temperatures: Sequence[float] = (1.0,), count: int = 200
) -> pd.DataFrame:
    """How often no character has a probability of one half, in ``count`` greedy samples of 30 characters a model.

    Columns: step, temperature, share. models: by their steps; the samples are the same at every temperature.
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

    how: what else :func:`rnnreport.sampling.sample` takes.
    """
    generator = torch.Generator().manual_seed(seed)
    start = corpus.encode(prompt)[:, None].expand(-1, count)
    drawn, _ = sample(model, start, length, temperature=temperature, generator=generator, **how)
    return [corpus.decode(column) for column in drawn.T]


def diversity(
    model: CharLSTM,
    corpus: corpora.Corpus,
    windows: Windows,
    prompt: str,
    temperatures: list[float],
    seed: int,
) -> pd.DataFrame:
    """At each temperature, over 20 continuations of 200 characters and the logits of 2,000 held-out characters.

    (Of the text's first 2,000 where nothing is held out.)

    entropy: mean bits of the next character's distribution; distinct: share of different sequences of four characters;
    words: share of the words written that occur in the book.
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
