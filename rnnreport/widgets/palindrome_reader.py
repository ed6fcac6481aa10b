"""A palindrome that trained networks read."""

from __future__ import annotations

import base64
import copy
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
from traitlets import Dict, Int, List, TraitError, Unicode, observe, validate

from rnnreport.widgets.page import CSS, Choice, Integer, array, checked, module

if TYPE_CHECKING:
    from rnnreport.models import PalindromeClassifier

MAX_DIGITS = 60
PI = "314159265358979323846264338327"  # the left half of the first palindrome shown
QUANTITIES = ("c", "h", "i", "f", "o", "g")


class PalindromeReader(anywidget.AnyWidget):
    """A palindrome that trained networks read step by step: states, gates, and the digit each would give next.

    networks: RNNs and LSTMs by the names that the page shows, of 128 units at most, each a
    :class:`rnnreport.models.PalindromeClassifier`. Their weights travel as float16, 250 kB for an RNN and an LSTM of
    128 units; :meth:`rounded` gives the network that the page computes with, in float64. trained_length: T of the
    palindromes they were trained on, from 2 to 60; words: by name, a remark on that network.

    digits: 2 to 60 digits 0-9, all but the last of which are read; by default a palindrome of the trained length. step:
    how many of them are read, from 1 to T - 1, all by default; shown: which of c, h, i, f, o, g is drawn of an
    LSTM. Any other value raises a TraitError with a clear message, here and on assignment.

    >>> from rnnreport.models import PalindromeClassifier
    >>> networks = {"RNN": PalindromeClassifier("rnn", 8), "LSTM": PalindromeClassifier("lstm", 8)}
    >>> PalindromeReader(networks, 7, words={"LSTM": "not trained"}).digits = "12321"  # the drawing follows
    """

    _esm = module("palindrome_reader.js")
    _css = CSS

    networks = List(Dict(), read_only=True).tag(sync=True)  # name, model, encoding, units, words, weights
    trained_length = Integer(2, min=2, max=MAX_DIGITS, read_only=True).tag(sync=True)
    digits = Unicode().tag(sync=True)
    step = Int(1).tag(sync=True)
    shown = Choice(QUANTITIES, "c").tag(sync=True)

    def __init__(
        self,
        networks: Mapping[str, PalindromeClassifier],
        trained_length: int,
        digits: str | None = None,
        step: int | None = None,
        shown: str = "c",
        words: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        words = words or {}
        if not networks:
            raise TraitError("networks must hold at least one network.")
        if unknown := set(words) - set(networks):
            raise TraitError(f"words must be of {', '.join(networks)}, not of {', '.join(map(str, unknown))}.")
        packed = [_packed(name, network, words.get(name, "")) for name, network in networks.items()]
        super().__init__(**kwargs)
        self.set_trait("networks", packed)
        self.set_trait("trained_length", trained_length)
        if digits is None:
            left = PI[: (trained_length + 1) // 2]
            digits = left + left[::-1][trained_length % 2 :]
        self.set_trait("digits", digits)
        self.set_trait("step", len(digits) - 1 if step is None else step)  # after digits, which limit it
        self.set_trait("shown", shown)

    @staticmethod
    def rounded(network: PalindromeClassifier) -> PalindromeClassifier:
        """A copy of the network with its weights rounded to float16, in their own dtype."""
        copied = copy.deepcopy(network)
        copied.load_state_dict({name: weight.half() for name, weight in network.state_dict().items()})
        return copied

    @validate("digits")
    def _check_digits(self, proposal: Any) -> str:
        allowed = f"2 to {MAX_DIGITS} of the digits 0 to 9"
        return checked(proposal, allowed, lambda value: re.fullmatch(f"[0-9]{{2,{MAX_DIGITS}}}", value))

    @observe("digits")
    def _shorten(self, change: Any) -> None:
        self.step = min(self.step, len(change.new) - 1)

    @validate("step")
    def _check_step(self, proposal: Any) -> int:
        last = len(self.digits) - 1
        return checked(proposal, f"an integer from 1 to {last}", lambda value: 1 <= value <= last)


def _packed(name: str, network: PalindromeClassifier, words: str) -> dict[str, Any]:
    """The network as the page gets it; its weights as float16 in base64, matrices row by row. Raises TraitError."""
    from rnnreport.models import RNN, PalindromeClassifier, TemporalGateLSTM  # torch is imported only with a network

    if not isinstance(network, PalindromeClassifier):
        raise TraitError(f"{name} must be a PalindromeClassifier, not {type(network).__name__}.")
    recurrence = network.recurrence
    if isinstance(recurrence, TemporalGateLSTM):
        raise TraitError(f"{name} must be an RNN or an LSTM here, without a temporal gate.")
    units, classes = recurrence.hidden_size, len(network.W_ph)
    if units > 128:
        raise TraitError(f"{name} must have at most 128 units here, not {units}.")
    if classes != 10:
        raise TraitError(f"{name} must have 10 classes, one a digit, not {classes}.")
    of_layer = dict(zip(("weight_ih", "weight_hh", "bias"), recurrence.weights(0)))
    arrays = []
    for part, weight in {**of_layer, "W_ph": network.W_ph, "b_p": network.b_p}.items():
        numbers = array(f"{part} of {name}", weight.detach().cpu().numpy(), tuple(weight.shape))
        if np.abs(numbers).max() > np.finfo(np.float16).max:
            raise TraitError(f"{part} of {name} must hold numbers within ±65504, the range of float16.")
        arrays.append(numbers.ravel())
    weights = base64.b64encode(np.concatenate(arrays).astype("<f2").tobytes()).decode("ascii")
    model = "rnn" if isinstance(recurrence, RNN) else "lstm"
    return {
        "name": name,
        "model": model,
        "encoding": network.encoding,
        "units": units,
        "words": words,
        "weights": weights,
    }
