"""Measures what a character model has learned, and when, by its weights and its samples. Nothing here trains."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rnnreport.corpora import Corpus
from rnnreport.experiments.text_training import read_through
from rnnreport.models import CharLSTM
from rnnreport.sampling import entropy, probabilities, sample
from rnnreport.windows import Windows

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
BANDS = {"the 10 commonest": 10, "the next 90": 100, "the next 900": 1_000, "all rarer": 10**9}  # last rank of each
UNKNOWN = "not in the book"


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return [match[0].lower() for match in WORD.finditer(text)]


def bands(corpus: Corpus) -> dict[str, str]:
    """The band of ``BANDS`` of each word of the text, by how often the word occurs."""
    ranked = [word for word, _ in Counter(words(corpus.text)).most_common()]
    names, ends = list(BANDS), list(BANDS.values())
    return {word: names[int(np.searchsorted(ends, rank))] for rank, word in enumerate(ranked, start=1)}


def shares(texts: Sequence[str], of_word: dict[str, str]) -> pd.Series:
    """The share of these texts' words in each band, and of words that are not in the book."""
    # The first and the last word of a text may be cut.
    found = Counter(of_word.get(word, UNKNOWN) for text in texts for word in words(text)[1:-1])
    return pd.Series({name: found[name] / max(1, found.total()) for name in [*BANDS, UNKNOWN]})


def distinct(texts: Sequence[str], length: int = 4) -> float:
    """The share of distinct sequences among all sequences of ``length`` characters in these texts."""
    found = [text[i : i + length] for text in texts for i in range(len(text) - length + 1)]
    return len(set(found)) / max(1, len(found))


def written(
    model: CharLSTM, corpus: Corpus, length: int, count: int, seed: int, temperature: float = 1.0, **how: float
) -> list[str]:
    """``count`` texts of ``length`` characters, each with a random first character.

    how: further arguments of :func:`rnnreport.sampling.sample`.
    """
    generator = torch.Generator().manual_seed(seed)
    start = torch.randint(len(corpus.vocabulary), (1, count), generator=generator)
    rest, _ = sample(model, start, length - 1, temperature=temperature, generator=generator, **how)  # type: ignore[arg-type]
    return [corpus.decode(column) for column in torch.cat([start, rest]).T]


def habits(
    model: CharLSTM, corpus: Corpus, of_word: dict[str, str], seed: int, count: int = 50, length: int = 300
) -> dict[str, float]:
    """How the model writes at this point: shares of its texts, and its probability of a newline at the start.

    of_word: :func:`bands` of the corpus.

    newlines_greedy: share of newlines in greedy samples of 30 characters, like the report's; newlines, spaces: shares
    in longer texts drawn at temperature 1; zero_state: the probability of a newline that the output layer gives for a
    state of zeros, before any character; after_first: the same after one character, averaged over all characters. Then
    the shares of :func:`shares`.
    """
    greedy = "".join(written(model, corpus, 30, count, seed, temperature=0.0))
    drawn = written(model, corpus, length, count, seed)
    text = "".join(drawn)
    zero_state = after_first = 0.0
    if "\n" in corpus.vocabulary:
        newline = corpus.vocabulary.index("\n")
        with torch.inference_mode():
            zero_state = float(probabilities(model.head.bias, 1.0)[newline])
            first = model(torch.arange(len(corpus.vocabulary))[None])[0]
            after_first = float(probabilities(first, 1.0)[:, newline].mean())
    return {
        "newlines_greedy": greedy.count("\n") / len(greedy),
        "newlines": text.count("\n") / len(text),
        "spaces": text.count(" ") / len(text),
        "zero_state": zero_state,
        "after_first": after_first,
        **shares(drawn, of_word),
    }


def emerged(table: pd.DataFrame, book: pd.Series) -> pd.DataFrame:
    """The step from which on a band's share of the written words is at least half of its share in the book.

    table: columns seed, step and the bands'; book: :func:`shares` of the book. One row per seed, one column per band;
    infinite if the share is less at the last step. It has the table's ``attrs``, which state its origin.
    """
    rows = {}
    for seed, part in table.sort_values("step").groupby("seed"):
        steps = [*part["step"], math.inf]
        last_without = {band: np.flatnonzero(part[band] < book[band] / 2).max(initial=-1) for band in BANDS}
        rows[seed] = {band: steps[place + 1] for band, place in last_without.items()}
    found = pd.DataFrame(rows).T.rename_axis("seed")
    found.attrs = table.attrs
    return found


def training_blocks(windows: Windows) -> Tensor:
    """Blocks of training text of the held-out blocks' size, each ending one size before one of them: (size, 10)."""
    size = len(windows.held_out_blocks)
    starts = torch.nonzero(windows.held_out.int().diff() == 1).squeeze(1) + 1 - 2 * size
    return windows.symbols[starts + torch.arange(size)[:, None]]


def copied(texts: Sequence[str], windows: Windows, corpus: Corpus, lengths: Sequence[int]) -> dict[int, float]:
    """For each length, the share of these texts' stretches of that length that also occur in the training text.

    Stretches do not overlap. NaN if all texts are shorter.
    """
    parts = "".join("\0" if held_out else sign for sign, held_out in zip(corpus.text, windows.held_out.tolist()))
    found = {}
    for length in lengths:
        stretches = [text[i : i + length] for text in texts for i in range(0, len(text) - length + 1, length)]
        found[length] = sum(stretch in parts for stretch in stretches) / len(stretches) if stretches else math.nan
    return found


def calibration(logits: Tensor, targets: Tensor, bins: int = 10) -> pd.DataFrame:
    """How often the likeliest character is right, by the probability that the model gives it.

    logits: (N, V); targets: (N,). Columns: confidence (mean of the bin), hits (share of right guesses), count; one row
    per bin that is not empty.
    """
    confidence, guess = probabilities(logits.double(), 1.0).max(-1)
    table = pd.DataFrame({"confidence": confidence.numpy(), "hits": (guess == targets).double().numpy()})
    table["bin"] = (table["confidence"] * bins).astype(int).clip(upper=bins - 1)
    return table.groupby("bin").agg(confidence=("confidence", "mean"), hits=("hits", "mean"), count=("hits", "size"))


def calibration_error(table: pd.DataFrame) -> float:
    """The expected calibration error: the mean distance between confidence and hits, over all predictions."""
    return float(((table["confidence"] - table["hits"]).abs() * table["count"]).sum() / table["count"].sum())


def entropies(logits: Tensor, temperatures: Sequence[float]) -> list[float]:
    """The mean entropy, in bits, of the next character's distribution at each temperature. logits: (N, V)."""
    return [float(entropy(probabilities(logits.double(), temperature)).mean()) for temperature in temperatures]


def tells(text: str) -> pd.DataFrame:
    """Properties that a cell might track, after each character of a text: one row per character, one column each."""
    open_signs, close_signs, ends = "([{“«", ")]}”»", ".!?"

    def since(reset: str, most: int) -> list[int]:
        """The number of characters since the last one in ``reset``, at most ``most``."""
        return list(accumulate(text, lambda n, sign: 0 if sign in reset else min(n + 1, most), initial=0))[1:]

    depth = accumulate(
        text, lambda n, sign: min(max(n + (sign in open_signs) - (sign in close_signs), 0), 1), initial=0
    )
    quoted = accumulate(text, lambda inside, sign: inside ^ (sign == '"'), initial=False)
    in_word = accumulate(text, lambda n, sign: n + 1 if sign.isalpha() else 0, initial=0)
    return pd.DataFrame(
        {
            "place in the line": since("\n", 100),
            "place in the sentence": since(ends, 200),
            "place in the word": list(in_word)[1:],
            "inside brackets": list(depth)[1:],
            "inside quotation marks": [int(inside) for inside in list(quoted)[1:]],
            "a capital just read": [int(sign.isupper()) for sign in text],
            "a vowel just read": [int(sign.lower() in "aeiou") for sign in text],
        }
    )


def cells(model: CharLSTM, blocks: Tensor) -> Tensor:
    """c(t) of every unit after each character of texts (T, B) read from end to end: (T, B, L H), layer by layer."""
    kept, state = [], None
    with torch.inference_mode():
        for symbols in blocks:
            _, state = model.run(symbols[None], state)
            kept.append(state[1].transpose(0, 1).flatten(1))
    return torch.stack(kept)


def tracking(model: CharLSTM, corpus: Corpus, windows: Windows) -> pd.DataFrame:
    """For each of :func:`tells`, the unit whose cell follows it best on training text, tested on held-out text.

    Columns: property, unit (counted through the layers), training and held_out (the correlations there) and chance: the
    absolute correlation on held-out text of a unit found in the same way, but with the property of another block.
    """
    parts = {}
    for name, blocks in (("training", training_blocks(windows)), ("held_out", windows.held_out_blocks)):
        values = [tells(corpus.decode(column)).to_numpy(float) for column in blocks.T]
        parts[name] = cells(model, blocks).numpy(), np.stack(values, 1)
    rows = []
    for place, told in enumerate(tells("")):
        found = {}
        for shift in (0, 1):
            seen = {part: _correlations(c, np.roll(value[..., place], shift, 1)) for part, (c, value) in parts.items()}
            unit = int(np.abs(seen["training"]).argmax())
            found[shift] = unit, seen["training"][unit], seen["held_out"][unit]
        rows.append((told, *found[0], abs(found[1][2])))
    return pd.DataFrame(rows, columns=["property", "unit", "training", "held_out", "chance"])


def _correlations(c: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Correlation of each unit's cell, (T, B, U), with a value, (T, B): (U,), 0 where either is constant."""
    cells, wanted = c.reshape(-1, c.shape[-1]).astype(float), value.ravel().astype(float)
    cells, wanted = cells - cells.mean(0), wanted - wanted.mean()
    size = np.sqrt((cells**2).sum(0) * (wanted**2).sum())
    return np.divide(wanted @ cells, size, out=np.zeros_like(size), where=size > 0)


def bits_of(model: CharLSTM, blocks: Tensor) -> float:
    """Bits per character of texts (T, B) read from end to end, with the state carried."""
    return float(read_through(model, blocks).mean()) / math.log(2)


def read_with_logits(model: CharLSTM, blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (N, V) and the characters that followed, (N,), over texts (T, B) read from end to end."""
    with torch.inference_mode():
        logits = model(blocks[:-1]).flatten(0, 1)
    return logits, blocks[1:].flatten()


def losses_of(model: CharLSTM, symbols: Tensor) -> Tensor:
    """The bits of every character but the first of a text (T,), given the characters before it: (T - 1,)."""
    return read_through(model, symbols[:, None]).squeeze(1) / math.log(2)
