"""Part 3: the character model on a book."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path
from typing import Self

import pandas as pd
import torch
import torch.nn.functional as F
from pydantic import model_validator
from torch import Tensor, nn

from rnnreport import corpora
from rnnreport.experiments import TrainingParameters
from rnnreport.models import CharLSTM
from rnnreport.parameters import Count, Positives, Text
from rnnreport.runs import Configuration, OnSteps, Run, run_all
from rnnreport.sampling import entropy, probabilities, sample
from rnnreport.training import Recipe, load_weights, train


class TextParameters(TrainingParameters):
    """What chapter 4 can be told."""

    corpus: Text
    temperatures: Positives
    prompt: Text
    sample_length: Count

    @model_validator(mode="after")
    def _readable(self) -> Self:
        try:
            corpus = corpora.load(self.corpus)
            for length in self.lengths:
                corpus.windows(length)
        except corpora.CorpusError as error:
            raise ValueError(f"corpus: {error}") from error
        try:
            corpus.encode(self.prompt)
        except corpora.CorpusError as error:
            raise ValueError(f"prompt: {error}") from error
        return self


class TextRun(Configuration):
    """One training of the two-layer LSTM; the defaults are the course's, and Adam, since the report names none."""

    corpus: str = corpora.REPORT_BOOK
    sha256: str  # of the text that the name stands for on this machine
    sequence_length: int = 30
    hidden_size: int = 128
    num_layers: int = 2
    batch_size: int = 64
    snapshots: tuple[int, ...] = ()


def course_recipe(steps: int, seed: int = 0, **changes: object) -> Recipe:
    """The course's defaults for part 3: learning rate 2e-3, times 0.96 every 5,000 steps, gradients clipped at 5."""
    settings = {"optimizer": "adam", "learning_rate": 2e-3, "decay": 0.96, "decay_every": 5_000, "clip_norm": 5.0}
    return Recipe(steps=steps, seed=seed, **{**settings, **changes})


def long_run(steps: int, seed: int) -> TextRun:
    """The report's training: its book, the course's defaults, weights kept at the steps it shows and before."""
    book = corpora.load()
    if not book.is_report_book:
        raise corpora.CorpusError(f"the long training is of {corpora.REPORT_BOOK}, which could not be downloaded")
    return TextRun(
        sha256=book.sha256,
        recipe=course_recipe(steps, seed, record_every=500),
        snapshots=(0, 2_000, 10_000, 50_000, 100_000, 200_000, 500_000),
    )


def train_text(run: TextRun, folder: Path, on_steps: OnSteps = lambda steps: None) -> pd.DataFrame:
    """Train the model of this run; the table has the held-out text's loss, accuracy and bits per character as well."""
    corpus = corpora.load(run.corpus)
    if corpus.sha256 != run.sha256:
        raise corpora.CorpusError(f"corpus {run.corpus!r} is no longer the text that this run was asked to read")
    windows = corpus.windows(run.sequence_length)
    model = new_model(run, corpus)

    def evaluate(model: nn.Module) -> dict[str, float]:
        return held_out_scores(model, windows)

    return train(
        model,
        lambda generator: windows.batch(run.batch_size, generator),
        run.recipe,
        folder=folder,
        evaluate=evaluate if len(windows.held_out_starts) else None,
        snapshots=run.snapshots,
        on_steps=on_steps,
    )


def text_runs(p: TextParameters) -> list[Run]:
    """A model for every window length and seed, with weights kept at five evenly spaced steps and at the start."""
    sha256 = corpora.load(p.corpus).sha256
    every = max(1, p.train_steps // 40)
    return run_all(
        train_text,
        [
            TextRun(
                corpus=p.corpus,
                sha256=sha256,
                sequence_length=length,
                hidden_size=p.hidden_size,
                batch_size=p.batch_size,
                recipe=course_recipe(
                    p.train_steps, seed, learning_rate=p.learning_rate, record_every=every, device=p.device
                ),
                snapshots=tuple(sorted({0, *sample_steps(p.train_steps)})),
            )
            for length, seed in product(p.lengths, p.seeds)
        ],
        "text",
    )


def sample_steps(steps: int) -> list[int]:
    """Five evenly spaced steps, the last at the end (fewer where there are not five)."""
    return sorted({max(1, round(steps * part / 5)) for part in range(1, 6)})


def new_model(run: TextRun, corpus: corpora.Corpus) -> CharLSTM:
    """The untrained model of this run."""
    torch.manual_seed(run.recipe.seed)
    return CharLSTM(len(corpus.vocabulary), run.hidden_size, run.num_layers, run.backend)


def snapshot(run: TextRun, corpus: corpora.Corpus, folder: Path, step: int) -> CharLSTM:
    """The model as it was at that step of a finished run."""
    model = new_model(run, corpus)
    load_weights(model, folder / f"weights-{step}.safetensors")
    return model.eval()


def held_out_scores(model: nn.Module, windows: corpora.Windows) -> dict[str, float]:
    """Loss (nats a character), accuracy and bits per character over all held-out windows, each from a zero state."""
    loss, hits, count = 0.0, 0, 0
    device = next(model.parameters()).device
    for starts in windows.held_out_starts.split(256):
        inputs, targets = (part.to(device) for part in windows.at(starts))
        logits, targets = model(inputs).flatten(0, -2), targets.flatten()
        loss += F.cross_entropy(logits, targets, reduction="sum").item()
        hits += int((logits.argmax(-1) == targets).sum())
        count += len(targets)
    loss /= count
    return {"held_out_loss": loss, "held_out_accuracy": hits / count, "bits_per_character": loss / math.log(2)}


def first_samples(model: CharLSTM, corpus: corpora.Corpus, length: int, count: int, seed: int) -> list[str]:
    """Texts of ``length`` characters, greedy, each from another random first character (which is part of it)."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.randint(len(corpus.vocabulary), (1, count), generator=generator)
    rest, _ = sample(model, start, length - 1, temperature=0.0)
    return [corpus.decode(column) for column in torch.cat([start, rest]).T]


def texts_at(
    model: CharLSTM, corpus: corpora.Corpus, prompt: str, length: int, temperature: float, seed: int, count: int = 1
) -> list[str]:
    """``count`` continuations of the prompt by ``length`` characters at this temperature."""
    generator = torch.Generator().manual_seed(seed)
    start = corpus.encode(prompt)[:, None].expand(-1, count)
    return [
        corpus.decode(column)
        for column in sample(model, start, length, temperature=temperature, generator=generator)[0].T
    ]


def diversity(
    model: CharLSTM, corpus: corpora.Corpus, prompt: str, temperatures: list[float], seed: int
) -> pd.DataFrame:
    """At each temperature, over 20 continuations of 200 characters and the logits of a held-out stretch of 2,000.

    entropy: mean bits of the next character's distribution; distinct: share of different sequences of four characters;
    words: share of the words written that occur in the book.
    """
    held_out = corpus.windows(30).held_out_starts
    start = int(held_out[0]) if len(held_out) else 0
    stretch = corpus.symbols[start : start + 2_000, None]
    with torch.inference_mode():
        logits = model(stretch)
    known = set(corpus.text.lower().split())
    rows = []
    for temperature in temperatures:
        texts = texts_at(model, corpus, prompt, 200, temperature, seed, count=20)
        grams = [text[i : i + 4] for text in texts for i in range(len(text) - 3)]
        words = [word for text in texts for word in text.lower().split()[1:-1]]  # the ends may be cut words
        rows.append(
            (
                temperature,
                float(entropy(probabilities(logits, temperature)).mean()),
                len(set(grams)) / len(grams),
                sum(word in known for word in words) / max(1, len(words)),
            )
        )
    return pd.DataFrame(rows, columns=["temperature", "entropy", "distinct", "words"])


def from_zero_state(model: CharLSTM, corpus: corpora.Corpus) -> Tensor:
    """The probability of a newline as the second character, after each possible first one from a zero state: (V,)."""
    with torch.inference_mode():
        logits = model(torch.arange(len(corpus.vocabulary))[None])
    return probabilities(logits[0], 1.0)[:, corpus.vocabulary.index("\n")]
