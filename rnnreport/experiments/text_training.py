"""Training the character model of part 3 on a book, with the course's settings or others."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rnnreport import corpora
from rnnreport.experiments.text_run import TextRun
from rnnreport.models import CharLSTM
from rnnreport.runs import OnSteps
from rnnreport.training import Batches, load_weights, train
from rnnreport.windows import Streams, Windows


def long_run(steps: int, seed: int) -> TextRun:
    """The report's training: its book, the course's defaults, weights kept at the steps it shows and at earlier ones.

    Raises CorpusError if the book could not be downloaded.
    """
    book = corpora.load()
    if not book.is_report_book:
        raise corpora.CorpusError(f"the long training is of {corpora.REPORT_BOOK}, which could not be downloaded")
    snapshots = 0, 2_000, 10_000, 50_000, 100_000, 200_000, 500_000
    return TextRun.of(steps, seed, sha256=book.sha256, record_every=500, snapshots=snapshots)


def train_text(run: TextRun, folder: Path, on_steps: OnSteps = lambda steps: None) -> pd.DataFrame:
    """Train the model of this run. The table also has the held-out text's loss, accuracy and bits per character.

    Raises CorpusError if the corpus is no longer the run's text.
    """
    corpus = corpora.load(run.corpus)
    if corpus.sha256 != run.sha256:
        raise corpora.CorpusError(f"corpus {run.corpus!r} is no longer the text that this run was asked to read")
    windows = corpus.windows(run.sequence_length, run.last_tenth)
    model = new_model(run, corpus).to(run.recipe.device)
    carried: dict[str, Tensor] = {}
    batches: Batches = partial(windows.batch, run.batch_size)
    if run.carried:
        streams = Streams(windows, run.batch_size, start=run.seed * 1_000_003 % len(corpus.symbols))
        h, c = model.carry(run.batch_size)
        carried = {"h": h, "c": c, "position": streams.position}
        batches = streams.batch

    def evaluate(model: nn.Module) -> dict[str, float]:
        scores = held_out_scores(model, windows)
        if run.read_on:
            scores["held_out_bits"] = float(read_through(model, windows.held_out_blocks).mean()) / math.log(2)
        return scores

    return train(
        model,
        batches,
        run.recipe,
        folder=folder,
        evaluate=evaluate if len(windows.held_out_starts) else None,
        snapshots=run.snapshots,
        carried=carried,
        header={"vocabulary": corpus.vocabulary},
        on_steps=on_steps,
    )


def new_model(run: TextRun, corpus: corpora.Corpus) -> CharLSTM:
    """The untrained model of this run."""
    torch.manual_seed(run.recipe.seed)
    return CharLSTM(
        len(corpus.vocabulary),
        run.hidden_size,
        run.num_layers,
        run.backend,
        forget_bias=run.forget_bias,
        dropout=run.dropout,
        tied=run.tied,
        model=run.model,
    )


def snapshot(run: TextRun, corpus: corpora.Corpus, folder: Path, step: int) -> CharLSTM:
    """The model as it was at that step of a finished run. Raises CorpusError if the run has read another text."""
    if corpus.sha256 != run.sha256:
        raise corpora.CorpusError(f"{corpus.source} is not the text that the training in {folder} has read")
    model = new_model(run, corpus)
    load_weights(model, folder / f"weights-{step}.safetensors", {"vocabulary": corpus.vocabulary})
    return model.eval()


def held_out_scores(model: nn.Module, windows: Windows) -> dict[str, float]:
    """Loss (nats per character), accuracy and bits per character over all held-out windows, each from a zero state."""
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


def read_through(model: nn.Module, blocks: Tensor) -> Tensor:
    """The loss in nats of every character but the first of texts (T, B) read from end to end: (T - 1, B)."""
    blocks = blocks.to(next(model.parameters()).device)
    with torch.inference_mode():
        logits = model(blocks[:-1])
    return F.cross_entropy(logits.flatten(0, 1), blocks[1:].flatten(), reduction="none").view_as(blocks[1:])
