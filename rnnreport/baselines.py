"""Baselines for a network that predicts text, given the same text: Markov models and general compressors."""

from __future__ import annotations

import lzma
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from rnnreport.corpora import Corpus
from rnnreport.windows import Windows

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "xz -9e": lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
    "zstd -22": lambda data: pa.Codec("zstd", compression_level=22).compress(data, asbytes=True),
}


def markov(windows: Windows, highest: int) -> list[float]:
    """Bits per held-out character of Markov models of order 0, 1, …, ``highest``, learned from the training text.

    A model of order n looks at the previous n characters. It counts which characters followed them in training, and
    mixes this with the model of order n - 1 by the number of different characters that followed (Witten and Bell 1991):
    p_n(x) = (count(x) + kinds p_{n-1}(x)) / (total + kinds); below order 0, all characters are equally likely.
    The score covers the held-out blocks without their first characters, as :func:`~text_training.read_through` does.
    Near the start of a block, fewer than n characters have been read, and a lower order predicts.
    """
    blocks = windows.held_out_blocks.T.numpy()
    train = windows.symbols[~windows.held_out].numpy()
    text = np.concatenate([train, blocks.ravel()])
    place = np.concatenate([np.arange(len(train)), np.tile(np.arange(blocks.shape[1]), len(blocks))])  # within its part
    held_out = np.arange(len(text)) >= len(train)
    size = int(text.max()) + 1
    p = np.full(len(text), 1 / size)
    context = np.zeros(len(text), dtype=np.int64)  # an id of the previous n characters
    costs = []
    for order in range(highest + 1):
        known = place >= order
        _, follows = np.unique(context * size + text, return_inverse=True)
        count = np.bincount(follows[~held_out & known], minlength=follows.max() + 1)
        seen = np.unique(follows[~held_out & known], return_index=True)[1]
        kinds = np.bincount(context[~held_out & known][seen], minlength=context.max() + 1)
        total = np.bincount(context[~held_out & known], minlength=context.max() + 1)
        mixed = (count[follows] + kinds[context] * p) / np.maximum(total + kinds, 1)[context]
        p = np.where(known & (total[context] > 0), mixed, p)
        costs.append(float(-np.log2(p[held_out & (place > 0)]).mean()))
        context = np.unique(np.concatenate([[0], (context * size + text)[:-1]]), return_inverse=True)[1]
    return costs


def compressed(corpus: Corpus, windows: Windows) -> dict[str, tuple[float, float]]:
    """For each compressor: bits per character of the whole text, and of the held-out blocks after the training text.

    The second is the increase in compressed size when the held-out text is appended to the training text.
    """
    held_out = windows.held_out.numpy()
    characters = np.array(list(corpus.text))
    train, rest = ("".join(characters[chosen]) for chosen in (~held_out, held_out))
    found = {}
    for name, compress in COMPRESSORS.items():
        whole, alone, both = (8 * len(compress(text.encode())) for text in (corpus.text, train, train + rest))
        found[name] = whole / len(corpus.text), (both - alone) / len(rest)
    return found
