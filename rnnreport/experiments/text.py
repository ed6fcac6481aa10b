"""Chapter 4: the character model on a book."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any

import pandas as pd

from rnnreport import baselines, corpora
from rnnreport.experiments import learned, recorded
from rnnreport.experiments.text_networks import Network, Networks, networks, read_off, tracked, with_origin_of
from rnnreport.experiments.text_recipes import (
    LONGER_THAN_OTHERS,
    RECIPE_OF_COURSE,
    RECIPE_OF_SHORT,
    RECIPES,
    RecipeName,
    learning_steps,
    sample_steps,
)
from rnnreport.experiments.text_run import TextRun
from rnnreport.experiments.text_training import held_out_scores, long_run, snapshot, train_text
from rnnreport.models import CharLSTM
from rnnreport.origin import of_rows
from rnnreport.parameters.text import TextParameters, kept_configuration
from rnnreport.runs import Run, run_all, tabulate
from rnnreport.shown import in_html
from rnnreport.windows import Windows


def about(corpus: corpora.Corpus, windows: Windows) -> str:
    """A description of the text, as HTML."""
    held_out = int(windows.held_out.sum()) / len(corpus.text)
    described = (
        f'<details class="more"><summary>Text: <strong>{in_html(corpus.source)}</strong></summary><p>'
        f"{len(corpus.text):,} characters, of which "
        f"{len(corpus.vocabulary):,} different ones; {held_out:.1%} of the text, in blocks spread over the whole, is "
        f"held out: no training window touches it. {in_html(corpus.changes)}</p></details>"
    )
    if corpus.is_report_book:
        return described
    return (
        f"{described}<p><strong>This is not the report's book.</strong> Claims about that book are not judged here.</p>"
    )


def text_runs(p: TextParameters) -> list[Run]:
    """One training per optimizer, window length and seed; optimizers after the first have the first seed only.

    Weights are kept at :func:`sample_steps` and at :func:`learning_steps`.
    """
    snapshots = tuple(sorted({*learning_steps(p.train_steps), *sample_steps(p.train_steps)}))
    asked = [
        _configuration(p, p.train_steps, seed, sequence_length=length, optimizer=optimizer, snapshots=snapshots)
        for optimizer in p.optimizers
        for length, seed in product(p.lengths, p.seeds if optimizer == p.optimizers[0] else p.seeds[:1])
    ]
    return run_all(train_text, asked, "text")


def recipe_runs(p: TextParameters) -> list[tuple[RecipeName, Run]]:
    """One training per recipe with the first seed, all on the same number of characters; each with its recipe's name.

    Recipes in ``LONGER_THAN_OTHERS`` have every seed, and as many characters as ``longest_steps`` steps of the course's
    size. The tables have ``held_out_bits``.
    """
    asked = [(name, seed) for name in p.recipes for seed in (p.seeds if name in LONGER_THAN_OTHERS else p.seeds[:1])]
    runs = run_all(train_text, [_recipe_run(p, name, seed) for name, seed in asked], "recipes")
    return [(name, run) for (name, _), run in zip(asked, runs, strict=True)]


def recipe_curves(tried: Sequence[tuple[str, Run]]) -> pd.DataFrame:
    """The tables of the runs as one, with the columns recipe, seed and run."""
    return pd.concat(
        run.table.assign(recipe=name, seed=run.configuration.seed, run=run.folder.name) for name, run in tried
    )


def _recipe_run(p: TextParameters, name: RecipeName, seed: int, **further: Any) -> TextRun:
    changes = {"sequence_length": p.lengths[0], "batch_size": p.batch_size, **RECIPES[name], "read_on": True, **further}
    steps = p.longest_steps if name in LONGER_THAN_OTHERS else p.recipe_steps
    characters = changes["sequence_length"] * changes["batch_size"]
    steps = max(1, round(steps * p.lengths[0] * p.batch_size / characters))
    if p.hidden_size != 128:  # a recipe's size is meant for 128
        changes.pop("hidden_size", None)
    changes.setdefault("record_every", max(1, min(steps // 10, 500)))
    return _configuration(p, steps, seed, snapshots=(steps,), **changes)


def tiny_runs(p: TextParameters) -> list[Run]:
    """The recipe ``RECIPE_OF_SHORT`` on tiny Shakespeare, whose last tenth is held out, with every seed."""
    settings = {"last_tenth": True, "read_on": False, "record_every": 2_000}  # :func:`tiny` reads on, once
    p = p.model_copy(update={"corpus": corpora.TINY})
    return run_all(train_text, [_recipe_run(p, RECIPE_OF_SHORT, seed, **settings) for seed in p.seeds], corpora.TINY)


def tiny(runs: Sequence[Run]) -> pd.DataFrame:
    """What the runs of :func:`tiny_runs` cost and reach, one row per run.

    Columns: run, seed, steps, parameters, minutes; nats per held-out character in windows of 64 and of 256 characters,
    each from a zero state, and end_to_end; source and characters of the text.
    """
    corpus, rows = corpora.load(corpora.TINY), []
    for run in runs:
        step = run.configuration.steps
        model = snapshot(run.configuration, corpus, run.folder, step)
        windows = {f"windows_{length}": corpus.windows(length, last_tenth=True) for length in (64, 256)}
        rows.append(
            {
                "run": run.folder.name,
                "seed": run.configuration.seed,
                "steps": step,
                "parameters": sum(weight.numel() for weight in model.parameters()),
                "minutes": run.table["seconds"].iloc[-1] / 60,
                **{name: held_out_scores(model, each)["held_out_loss"] for name, each in windows.items()},
                "end_to_end": learned.bits_of(model, windows["windows_64"].held_out_blocks) * math.log(2),
                "source": corpus.source,
                "characters": len(corpus.text),
            }
        )
    return pd.DataFrame(rows)


def short_run(steps: int, seed: int) -> TextRun:
    """The recipe ``RECIPE_OF_SHORT`` on the report's book for ``steps`` of its steps, with its final weights kept."""
    kept: dict[str, Any] = {"record_every": 500, "read_on": True, "snapshots": (steps,)}
    book = long_run(steps, seed).sha256
    return TextRun.of(steps, seed, sha256=book, backend="native", **kept, **RECIPES[RECIPE_OF_SHORT])


def _configuration(p: TextParameters, steps: int, seed: int, **changes: Any) -> TextRun:
    """The run with the chapter's settings and these changes, of the run or of its recipe."""
    settings = {**p.common, **p.model_dump(include={"corpus", "backend", "learning_rate"})}
    settings |= {"sha256": corpora.load(p.corpus).sha256, "record_every": max(1, min(steps // 40, 500))}
    return TextRun.of(steps, seed, **{**settings, **changes})


def habits(runs: Sequence[Run], corpus: corpora.Corpus) -> pd.DataFrame:
    """:func:`rnnreport.experiments.learned.habits` of every run at :func:`learning_steps`, with run, seed and step."""
    of_word = learned.bands(corpus)
    rows = []
    for run in runs:
        for step in learning_steps(run.configuration.steps):
            model = snapshot(run.configuration, corpus, run.folder, step)
            about = {"run": run.folder.name, "seed": run.configuration.seed, "step": step}
            rows.append({**about, **learned.habits(model, corpus, of_word, seed=step)})
    return pd.DataFrame(rows)


def bits_read_on(models: Mapping[int, CharLSTM], windows: Windows) -> pd.DataFrame:
    """Bits per character of models, given by their steps, on training and held-out text read from end to end.

    Columns: step, training, held_out; no rows if the text is too short to hold any of it out.
    """
    if not len(windows.held_out_starts):
        return pd.DataFrame(columns=["step", "training", "held_out"])
    texts = {"training": learned.training_blocks(windows), "held_out": windows.held_out_blocks}
    return pd.DataFrame(
        {"step": step, **{name: learned.bits_of(model, blocks) for name, blocks in texts.items()}}
        for step, model in models.items()
    )


def compared(tried: Sequence[tuple[str, Run]], corpus: corpora.Corpus, windows: Windows) -> pd.DataFrame:
    """Costs and results of trainings by these recipes, one row per run.

    Columns: run, recipe, seed, steps, parameters, minutes; accuracy on its own training batches (mean since the
    previous record); window_bits of held-out windows, each from a zero state; held_out_bits of held-out text read from
    end to end. The last two are missing if the text is too short to hold any of it out.
    """
    return pd.DataFrame([_reached(name, run, corpus, windows) for name, run in tried])


def _reached(name: str, run: Run, corpus: corpora.Corpus, windows: Windows) -> dict[str, Any]:
    step = run.configuration.steps
    model = snapshot(run.configuration, corpus, run.folder, step)
    row = run.table.set_index("step").loc[step]
    there = len(windows.held_out_starts) > 0
    return {
        "run": run.folder.name,
        "recipe": name,
        "seed": run.configuration.seed,
        "steps": step,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "minutes": row["seconds"] / 60,
        "accuracy": row["accuracy"],
        "window_bits": held_out_scores(model, windows)["bits_per_character"] if there else math.nan,
        "held_out_bits": learned.bits_of(model, windows.held_out_blocks) if there else math.nan,
    }


def recipes(
    record: pd.DataFrame | None, p: TextParameters, found: Networks, course: Sequence[Run], corpus: corpora.Corpus
) -> pd.DataFrame:
    """:func:`compared` of the course's runs and of those by other recipes: recorded, or else trained now.

    The long training comes first if it is there. course: the runs of :func:`text_runs` that count as the course's.
    """
    windows = corpus.windows(p.lengths[0])

    def trained() -> pd.DataFrame:
        return compared([*((RECIPE_OF_COURSE, run) for run in course), *recipe_runs(p)], corpus, windows)

    rows = recorded.rows(record, "recipes", trained)
    if found.long is None:
        return rows
    long = found.long.run
    first = read_off(record, "course's recipe", [found.long], lambda: _recipe_of(long, corpus, windows))
    table = pd.concat([first, rows.drop(columns="run", errors="ignore")], ignore_index=True)
    table.attrs["provenance"] = f"{first.attrs['provenance']}; {of_rows(rows)}"
    return table


def _recipe_of(long: Run, corpus: corpora.Corpus, windows: Windows) -> pd.DataFrame:
    """:func:`compared` of the long training, which is not in the store of runs."""
    return compared([(RECIPE_OF_COURSE, long)], corpus, windows).drop(columns="run")


def others(corpus: corpora.Corpus, windows: Windows, highest: int = 8) -> pd.DataFrame:
    """Bits per held-out character for the non-neural baselines, one row per model.

    Columns: model, order (missing for compressors), bits; no rows if nothing is held out.
    """
    if not len(windows.held_out_starts):
        return pd.DataFrame(columns=["model", "order", "bits"])
    markov = [(f"Markov, order {order}", order, bits) for order, bits in enumerate(baselines.markov(windows, highest))]
    packed = [(name, None, bits) for name, (_, bits) in baselines.compressed(corpus, windows).items()]
    return pd.DataFrame([*markov, *packed], columns=["model", "order", "bits"])


def copied(models: Mapping[int, CharLSTM], windows: Windows, corpus: corpora.Corpus) -> pd.DataFrame:
    """The share of stretches that also occur in the training text, by length: for held-out text and for models' texts.

    models: by their steps; they write at temperature 0.5. Columns: text (a description), length, share.
    """
    texts = {"held-out text itself": [corpus.decode(column)[:1_000] for column in windows.held_out_blocks.T]}
    for step, model in models.items():
        texts[f"written after {step:,} steps"] = learned.written(model, corpus, 500, 20, 0, temperature=0.5)
    rows = [
        (name, length, share)
        for name, parts in texts.items()
        if any(parts)
        for length, share in learned.copied(parts, windows, corpus, [8, 16, 24, 32]).items()
    ]
    return pd.DataFrame(rows, columns=["text", "length", "share"])


def record(p: TextParameters) -> dict[str, Callable[[], pd.DataFrame]]:
    """Everything that the chapter shows as recorded, trained with these parameters; the full profile takes hours.

    Also includes measurements of the kept trainings that take about a minute, if both trainings are there.
    """
    corpus = corpora.load(p.corpus)
    windows = corpus.windows(p.lengths[0])

    def first() -> list[Run]:
        return [run for run in text_runs(p) if run.configuration.recipe.optimizer == p.optimizers[0]]

    @cache
    def found() -> Networks:
        return networks(p, corpus, text_runs(p)[0])

    def of_long(measured: Callable[[Network], pd.DataFrame]) -> pd.DataFrame:
        long = found().long
        assert long
        return with_origin_of(measured(long), long)

    def tracked_cells() -> pd.DataFrame:
        readers = {network.name: network.models[network.reader] for network in found().readers}
        return with_origin_of(tracked(readers, windows, corpus), *found().readers)

    tables: dict[str, Callable[[], pd.DataFrame]] = {
        "course": lambda: tabulate(text_runs(p)),
        "habits": lambda: habits(first(), corpus),
        "recipes": lambda: compared([*((RECIPE_OF_COURSE, run) for run in first()), *recipe_runs(p)], corpus, windows),
        "recipe curves": lambda: recipe_curves(recipe_runs(p)),
        corpora.TINY: lambda: tiny(tiny_runs(p)),
    }
    kept = [kept_configuration(folder) for folder in (p.long_folder, p.short_folder)]
    if all(run and run.sha256 == corpus.sha256 for run in kept):
        tables |= {
            "memory": lambda: of_long(lambda long: bits_read_on(long.models, windows)),
            "copied": lambda: of_long(
                lambda long: copied({step: long.models[step] for step in long.looked_at}, windows, corpus)
            ),
            "cells": tracked_cells,
            "course's recipe": lambda: of_long(lambda long: _recipe_of(long.run, corpus, windows)),
            "others": lambda: of_long(lambda long: others(corpus, windows)),
        }
    return tables
