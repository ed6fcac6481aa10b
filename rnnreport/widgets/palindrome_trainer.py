"""Networks that learn palindromes in the page, before the reader's eyes."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
from traitlets import Bool, Dict, List

from rnnreport.configuration import Encoding, Initialisation
from rnnreport.widgets.page import CSS, Choice, Integer, Number, module

if TYPE_CHECKING:
    from rnnreport.models import PalindromeClassifier

ENCODINGS: tuple[Encoding, ...] = ("scalar", "one-hot")
INITIALISATIONS: tuple[Initialisation, ...] = ("normal", "uniform", "orthogonal", "identity")
MAX_SEED = 2**32 - 1


class PalindromeTrainer(anywidget.AnyWidget):
    """RNNs and LSTMs that learn palindromes in the page: curves, the gradient's reach, and answers at other lengths.

    The settings start as the report's: networks, "rnn", "lstm" or "both"; length, T from 3 to 100; hidden_size and
    batch_size; encoding; initialisation; forget_bias, "0", "1", "2" or "chrono"; optimizer, "rmsprop" or "adam";
    learning_rate; clip_norm; train_steps, at most, since a training ends once T is solved; seed. compact: only the
    first comparison and T can be chosen. Any other value raises a TraitError with a clear message, here and on
    assignment.

    progress: by label, how far each training is: step, seconds, accuracy on fresh palindromes, state. trained: those
    that have ended, with settings and weights; :meth:`network` makes a torch module of one.

    >>> PalindromeTrainer(networks="lstm", length=15, forget_bias="2").progress
    {}
    """

    _esm = module("palindrome_trainer.js")
    _css = CSS

    networks = Choice(("rnn", "lstm", "both"), "both").tag(sync=True)
    length = Integer(5, min=3, max=100).tag(sync=True)
    hidden_size = Integer(128, min=4, max=128).tag(sync=True)
    batch_size = Integer(128, min=1, max=256).tag(sync=True)
    encoding = Choice(ENCODINGS, "scalar").tag(sync=True)
    initialisation = Choice(INITIALISATIONS, "normal").tag(sync=True)
    forget_bias = Choice(("0", "1", "2", "chrono"), "0").tag(sync=True)
    optimizer = Choice(("rmsprop", "adam"), "rmsprop").tag(sync=True)
    learning_rate = Number(1e-3, above=0, max=1).tag(sync=True)
    clip_norm = Number(10.0, above=0, max=100).tag(sync=True)
    train_steps = Integer(1_000, min=10, max=100_000).tag(sync=True)
    seed = Integer(0, min=0, max=MAX_SEED).tag(sync=True)
    compact = Bool(False).tag(sync=True)
    progress = Dict().tag(sync=True)
    trained = List(Dict()).tag(sync=True)  # label, settings, weights: float32 in base64 by name

    def network(self, label: str | None = None) -> PalindromeClassifier:
        """The network that was trained under this label, the last one by default, as a torch module in ``eval()``.

        Raises ValueError if there is none.
        """
        found = [one for one in self.trained if label in (None, one["label"])]
        if not found:
            labels = ", ".join(one["label"] for one in self.trained) or "none yet"
            raise ValueError(f"label must be one of those that have been trained ({labels}), not {label!r}.")
        return classifier(found[-1]["settings"], found[-1]["weights"])


def classifier(settings: dict[str, Any], weights: dict[str, str]) -> PalindromeClassifier:
    """A trained network from its settings and its weights, as the page gives them."""
    import torch

    from rnnreport.models import PalindromeClassifier

    network = PalindromeClassifier(settings["model"], settings["H"], encoding=settings["encoding"])
    named = {"W_ph": "head_weight", "b_p": "head_bias"}
    state = {}
    for name, parameter in network.state_dict().items():
        numbers = np.frombuffer(base64.b64decode(weights[named.get(name, name.removeprefix("recurrence."))]), "<f4")
        state[name] = torch.from_numpy(numbers.copy()).view(parameter.shape)
    network.load_state_dict(state)
    return network.eval()
