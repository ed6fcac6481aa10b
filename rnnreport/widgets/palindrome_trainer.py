"""Networks that learn palindromes in the page, before the reader's eyes."""

from __future__ import annotations

from traitlets import Bool

from rnnreport.configuration import Encoding, Initialisation
from rnnreport.widgets.kernels import computing
from rnnreport.widgets.lesson import Lesson
from rnnreport.widgets.page import CSS, Choice, Integer, Number

ENCODINGS: tuple[Encoding, ...] = ("scalar", "one-hot")
INITIALISATIONS: tuple[Initialisation, ...] = ("normal", "uniform", "orthogonal", "identity")


class PalindromeTrainer(Lesson):
    """RNNs and LSTMs that learn palindromes in the page: curves, the gradient's reach, and answers at other lengths.

    The settings start as the report's: networks, "rnn", "lstm" or "both"; length, T from 3 to 100; hidden_size and
    batch_size; encoding; initialisation; forget_bias, "0", "1", "2" or "chrono"; optimizer, "rmsprop" or "adam";
    clip_norm; and those of a :class:`Lesson`. compact: three LSTMs with forget biases 0, 1 and 2, and only T to choose.
    Any other value raises a TraitError with a clear message, here and on assignment.

    >>> PalindromeTrainer(networks="lstm", length=15, forget_bias="2").progress
    {}
    """

    _esm = computing("palindrome_trainer.js")
    _css = CSS

    networks = Choice(("rnn", "lstm", "both"), "both").tag(sync=True)
    length = Integer(5, min=3, max=100).tag(sync=True)
    hidden_size = Integer(128, min=4, max=128).tag(sync=True)
    batch_size = Integer(128, min=1, max=256).tag(sync=True)
    encoding = Choice(ENCODINGS, "scalar").tag(sync=True)
    initialisation = Choice(INITIALISATIONS, "normal").tag(sync=True)
    forget_bias = Choice(("0", "1", "2", "chrono"), "0").tag(sync=True)
    optimizer = Choice(("rmsprop", "adam"), "rmsprop").tag(sync=True)
    clip_norm = Number(10.0, above=0, max=100).tag(sync=True)
    compact = Bool(False).tag(sync=True)
