"""A character model that learns the reader's own text in the page."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
from traitlets import Dict, TraitError, Unicode, validate

from rnnreport import storage
from rnnreport.widgets.kernels import computing
from rnnreport.widgets.page import CSS, Choice, Integer, Number

if TYPE_CHECKING:
    from rnnreport.models import CharLSTM

LEAST_CHARACTERS, MOST_CHARACTERS = 200, 5_000_000
MOST_DIFFERENT = 200
MAX_SEED = 2**32 - 1
TEXT = """\
A network that learns to write begins with a guess. It has read a few characters, and it must say which one comes \
next. At first every character is as likely as any other, and what it writes is noise. Then it sees that some of \
them are common: the space, the letter e, the letter t. A little later it finds pairs, such as th and he, and short \
words, such as the, and, of and is. It does not know what a word means. It only knows that after a q there is a u, \
that a full stop is followed by a space, and that a sentence starts with a capital letter.

How does it learn this? It reads a window of the text, one character after the other, and keeps a state: a few \
numbers that hold what was worth keeping. From the state it gives each character a probability. If the character \
that comes is one that it held to be likely, the step cost it few bits. If it is a surprise, the step cost it many. \
The gradient says how each weight should change so that the same window would cost less, and the weights take a \
small step that way.

After a while the network knows its windows better than it knows the language. It has read them again and again, and \
it can finish a sentence that it has seen. Give it a sentence that it has not seen, and it is as lost as before. \
That is why a part of the text is held out: the network never trains on it, and what a held-out character costs \
tells how much of the language was learned, and how much was only learned by heart. A text as short as this one is \
soon known by heart. Give the network a longer one, such as a book, and watch how the two curves stay together for \
longer.
"""


class TextTrainer(anywidget.AnyWidget):
    """An LSTM that learns a text in the page: bits per character while it learns, and what it writes.

    text: what the box holds at first, 200 to 5,000,000 characters, of which 2 to 200 are different; hidden_size: units
    of the one layer, 64, 128 or 256; temperature: of the samples, from 0 to 10; seed: of weights, windows and samples.
    Any other value raises a TraitError with a clear message, here and on assignment.

    progress: how far the training is: state, step, seconds, and bits per character on training windows and on held-out
    text, None before there are any. weights: a file of :func:`rnnreport.training.save_weights` in base64, once the
    training is paused, stopped or done; :meth:`network` makes a model of it. The page sets both.

    >>> TextTrainer("to be or not to be, " * 10, hidden_size=64).progress
    {}
    """

    _esm = computing("text_trainer.js")
    _css = CSS

    text = Unicode(TEXT).tag(sync=True)
    hidden_size = Choice((64, 128, 256), 128).tag(sync=True)
    temperature = Number(0.7, min=0, max=10).tag(sync=True)
    seed = Integer(0, min=0, max=MAX_SEED).tag(sync=True)
    progress = Dict(read_only=True).tag(sync=True)
    weights = Unicode(read_only=True).tag(sync=True)

    def __init__(self, text: str = TEXT, **kwargs: Any) -> None:
        super().__init__(text=text, **kwargs)

    @validate("text")
    def _check_text(self, proposal: Any) -> str:
        if wrong := problem(proposal.value):
            raise TraitError(f"text {wrong}")
        return proposal.value

    @property
    def vocabulary(self) -> str:
        """The characters that the trained network knows, in the order of its symbols. Raises ValueError if none is."""
        return self._opened()[1]

    def network(self) -> CharLSTM:
        """The network as it was last paused, stopped or done, in ``eval()``. Raises ValueError if none was."""
        return self._opened()[0]

    def _opened(self) -> tuple[CharLSTM, str]:
        if not self.weights:
            raise ValueError("weights must be there, and no network has been trained and stopped yet.")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "weights.safetensors")
            storage.write(file, base64.b64decode(self.weights))
            return opened(file)


def problem(text: str) -> str:
    """What is wrong with a text, as the end of a sentence that begins with its name; "" if it can be learned."""
    if not LEAST_CHARACTERS <= len(text) <= MOST_CHARACTERS:
        return f"must be {LEAST_CHARACTERS} to {MOST_CHARACTERS:,} characters long, not {len(text):,}."
    characters = set(text)
    if "\0" in characters:
        return "must be text, and holds a NUL character."
    if any("\ud800" <= character <= "\udfff" for character in characters):
        return "must be text, and holds half a character (a lone surrogate)."
    if not 2 <= len(characters) <= MOST_DIFFERENT:
        return f"must hold 2 to {MOST_DIFFERENT} different characters, not {len(characters):,}."
    return ""


def opened(path: Path) -> tuple[CharLSTM, str]:
    """The character model in a file that the page has saved, or :func:`rnnreport.training.save_weights`; in ``eval()``.

    Returns it with its vocabulary: the characters in the order of its symbols.
    Raises :class:`rnnreport.training.TrainingError` for any other file, and for a changed one.

    >>> model, vocabulary = opened(Path("weights.safetensors"))  # doctest: +SKIP
    >>> symbols, _ = sample(model, torch.tensor([vocabulary.index("T")]), 100)  # doctest: +SKIP
    """
    from safetensors import SafetensorError, safe_open

    from rnnreport.models import CharLSTM
    from rnnreport.training import TrainingError, load_weights

    try:
        with safe_open(path, "pt") as file:
            vocabulary = json.loads((file.metadata() or {})["vocabulary"])
            units = file.get_slice("lstm.weight_hh_l0").get_shape()[1]
            layers = sum(name.startswith("lstm.bias_l") for name in file.keys())  # noqa: SIM118
        model = CharLSTM(len(vocabulary), units, layers)
    except (SafetensorError, OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise TrainingError(f"{path} holds no character model ({error})") from error
    load_weights(model, path, {"vocabulary": vocabulary})
    return model.eval(), vocabulary
