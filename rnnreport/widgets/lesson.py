"""What the widgets share in which networks learn in the page: how far they are, and the networks that came out."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
from traitlets import Dict, List

from rnnreport.widgets.page import Integer, Number

if TYPE_CHECKING:
    from rnnreport.models import PalindromeClassifier, SequenceNetwork

MAX_SEED = 2**32 - 1
OUR_NAMES = {"head_weight": "W_ph", "head_bias": "b_p"}  # of PalindromeClassifier


class Lesson(anywidget.AnyWidget):
    """A widget in which networks learn.

    progress: by label, how far each training is: step, seconds, accuracy on fresh sequences, state. trained: those that
    have ended, with their settings and weights, of which :meth:`network` makes a module. learning_rate, seed, and
    train_steps, at most: a training ends once it has solved its task.
    """

    learning_rate = Number(1e-3, above=0, max=1).tag(sync=True)
    train_steps = Integer(1_000, min=10, max=100_000).tag(sync=True)
    seed = Integer(0, min=0, max=MAX_SEED).tag(sync=True)
    progress = Dict().tag(sync=True)
    trained = List(Dict()).tag(sync=True)  # label, settings, weights: float32 in base64 by name

    def network(self, label: str | None = None) -> PalindromeClassifier | SequenceNetwork:
        """The network that was trained under this label, by default the last one, in ``eval()``.

        Raises ValueError if there is none.
        """
        found = [one for one in self.trained if label in (None, one["label"])]
        if not found:
            labels = ", ".join(one["label"] for one in self.trained) or "none yet"
            raise ValueError(f"label must be one of those that have been trained ({labels}), not {label!r}.")
        return _network(found[-1]["settings"], found[-1]["weights"])


def _network(settings: dict[str, Any], weights: dict[str, str]) -> PalindromeClassifier | SequenceNetwork:
    """A network from the settings and the weights that the page gives."""
    import torch

    from rnnreport.models import PalindromeClassifier, SequenceNetwork

    network: PalindromeClassifier | SequenceNetwork
    if settings["task"] == "palindromes":
        network = PalindromeClassifier(settings["model"], settings["H"], encoding=settings["encoding"])
    else:
        network = SequenceNetwork(settings["model"], 1, 2, settings["H"])
    state = network.state_dict()
    for name, numbers in weights.items():
        ours = next(
            key for key in (OUR_NAMES.get(name), f"recurrence.{name}", name.replace("_", ".", 1)) if key in state
        )
        values = np.frombuffer(base64.b64decode(numbers), "<f4").copy()
        state[ours] = torch.from_numpy(values).view(state[ours].shape)
    network.load_state_dict(state)
    return network.eval()
