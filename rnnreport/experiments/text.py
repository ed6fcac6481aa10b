"""Part 3: the character model on a book."""

from __future__ import annotations

from itertools import product
from typing import Self

import pandas as pd
import torch
from pydantic import model_validator
from torch import Tensor

from rnnreport import corpora
from rnnreport.experiments import TrainingParameters
from rnnreport.experiments.text_training import TextRun, course_recipe, train_text
from rnnreport.models import CharLSTM
from rnnreport.parameters import Count, Positives, Text
from rnnreport.runs import Run, run_all
from rnnreport.sampling import entropy, probabilities, sample


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
