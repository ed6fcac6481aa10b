"""A text that a trained character model continues."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import anywidget
import numpy as np
from traitlets import Dict, Int, List, TraitError, Unicode, validate

from rnnreport.shown import brief, first_few
from rnnreport.widgets.kernels import computing
from rnnreport.widgets.page import CSS, Integer, Number, array, checked

if TYPE_CHECKING:
    from rnnreport.models import CharLSTM

Format = Literal["float24", "float32"]

MAX_UNITS = 256
MAX_LAYERS = 2
MAX_CHARACTERS = 200  # in a vocabulary
MAX_PROMPT = 500
MAX_TEMPERATURE = 10
MAX_SEED = 2**32 - 1


class CharacterWriter(anywidget.AnyWidget):
    """A text that trained character models continue, one or two at a time, and the characters they expect next.

    models: by the names that the page shows, such as the steps they were trained for, each a
    :class:`rnnreport.models.CharLSTM` of at most 256 units and 2 layers. Their weights travel as :func:`float24`,
    993 kB in base64 for two layers of 128 units and 79 characters; :meth:`rounded` gives the model that the page
    computes with, in float32. (Half precision, a third smaller, moves some logits by 0.1 after long training.)
    vocabulary: the characters in the order of the models' symbols, at most 200; words: by name, a remark on that model.

    prompt: what is read first, 1 to 500 characters of the vocabulary; temperature: logits are divided by it before the
    softmax, from 0 (greedy: always the likeliest) to 10; top_k: how many of the likeliest characters are drawn from,
    0 for all; checkpoint: the model that writes, the last by default; beside: the model that writes beside it, with the
    same prompt, settings and random numbers, "" for none; seed: of the draws, from 0 to 2³² - 1. Any other value raises
    a TraitError with a clear message, here and on assignment.

    >>> from rnnreport.models import CharLSTM
    >>> models = {"untrained": CharLSTM(3, hidden_size=8), "as well": CharLSTM(3, hidden_size=8)}
    >>> CharacterWriter(models, "ab ", "ab", words={"as well": "nor is this one"}).temperature = 0.5
    """

    _esm = computing("character_writer.js")
    _css = CSS

    models = List(Dict(), read_only=True).tag(sync=True)  # name, units, layers, words, format, weights
    vocabulary = Unicode(read_only=True).tag(sync=True)
    prompt = Unicode().tag(sync=True)
    temperature = Number(1.0, min=0, max=MAX_TEMPERATURE).tag(sync=True)
    top_k = Int(0).tag(sync=True)
    checkpoint = Unicode().tag(sync=True)
    beside = Unicode().tag(sync=True)
    seed = Integer(0, min=0, max=MAX_SEED).tag(sync=True)

    def __init__(
        self,
        models: Mapping[str, CharLSTM],
        vocabulary: str,
        prompt: str,
        temperature: float = 1.0,
        top_k: int = 0,
        checkpoint: str | None = None,
        words: Mapping[str, str] | None = None,
        seed: int = 0,
        beside: str = "",
        **kwargs: Any,
    ) -> None:
        words = words or {}
        if not models:
            raise TraitError("models must hold at least one model.")
        if unknown := set(words) - set(models):
            raise TraitError(f"words must be of {', '.join(models)}, not of {', '.join(map(str, unknown))}.")
        if not 1 <= len(vocabulary) <= MAX_CHARACTERS or len(set(vocabulary)) < len(vocabulary):
            raise TraitError(f"vocabulary must be 1 to {MAX_CHARACTERS} different characters, not {brief(vocabulary)}.")
        packed = [
            {"name": name, "words": words.get(name, ""), **pack(name, model, len(vocabulary))}
            for name, model in models.items()
        ]
        super().__init__(**kwargs)
        self.set_trait("models", packed)
        self.set_trait("vocabulary", vocabulary)  # before the prompt and top_k, which depend on it
        self.set_trait("prompt", prompt)
        self.set_trait("temperature", temperature)
        self.set_trait("top_k", top_k)
        self.set_trait("checkpoint", packed[-1]["name"] if checkpoint is None else checkpoint)
        self.set_trait("beside", beside)
        self.set_trait("seed", seed)

    @staticmethod
    def rounded(model: CharLSTM) -> CharLSTM:
        """A copy of the model with weights rounded by :func:`float24`, in the same dtype; tied weights are untied."""
        import torch

        from rnnreport.models import CharLSTM

        lstm, head = model.lstm, model.head
        copied = CharLSTM(lstm.input_size, lstm.hidden_size, lstm.num_layers, lstm.backend).to(head.weight)
        theirs = [weight for layer in range(lstm.num_layers) for weight in lstm.weights(layer)]
        ours = [weight for layer in range(lstm.num_layers) for weight in copied.lstm.weights(layer)]
        for weight, exact in zip([*ours, copied.head.weight, copied.head.bias], [*theirs, head.weight, head.bias]):
            weight.data = torch.from_numpy(float24(exact.detach().cpu().numpy())).to(exact)
        return copied

    @validate("prompt")
    def _check_prompt(self, proposal: Any) -> str:
        if unknown := set(proposal.value) - set(self.vocabulary):
            raise TraitError(f"prompt must hold characters of the vocabulary only, not {first_few(sorted(unknown))}.")
        if not 1 <= len(proposal.value) <= MAX_PROMPT:
            raise TraitError(f"prompt must be 1 to {MAX_PROMPT} characters long, not {len(proposal.value)}.")
        return proposal.value

    @validate("top_k")
    def _check_top_k(self, proposal: Any) -> int:
        most = len(self.vocabulary)
        return checked(proposal, f"an integer from 0 (all) to {most}", lambda value: 0 <= value <= most)

    @validate("checkpoint", "beside")
    def _check_name(self, proposal: Any) -> str:
        names = [model["name"] for model in self.models]
        none = [""] if proposal.trait.name == "beside" else []
        allowed = f"one of {', '.join(names)}" + (' or ""' if none else "")
        return checked(proposal, allowed, lambda value: value in names + none)


def float24(numbers: np.ndarray) -> np.ndarray:
    """Numbers rounded to 24 bits, as float32: a sign, 8 bits of exponent, 15 of fraction, and a last byte of 0."""
    bits = np.ascontiguousarray(numbers, "<f4").view("<u4")
    return ((bits + np.uint32(0x80)) & np.uint32(0xFFFFFF00)).view("<f4")


def pack(name: str, model: CharLSTM, characters: int, format: Format = "float24") -> dict[str, Any]:
    """The model as the page gets it: units, layers, format, and its weights in base64 in the order of reading.

    V characters, H units: for each layer its weights for what it reads, (4 H, V) in the first and (4 H, H) in another,
    those for its own h, (4 H, H), and its bias, (4 H,); the output layer's weights, (V, H), and bias, (V,). Gates are
    in torch.nn's order, i, f, g, o.
    Raises a TraitError for a model that the page cannot run; its message uses ``name``.
    """
    from rnnreport.models import CharLSTM  # torch is imported only with a model

    if not isinstance(model, CharLSTM):
        raise TraitError(f"{name} must be a CharLSTM, not {type(model).__name__}.")
    units, layers = model.lstm.hidden_size, model.lstm.num_layers
    if units > MAX_UNITS or layers > MAX_LAYERS:
        raise TraitError(
            f"{name} must have at most {MAX_UNITS} units and {MAX_LAYERS} layers here, not {units} and {layers}."
        )
    if model.lstm.input_size != characters:
        raise TraitError(f"{name} must know the vocabulary's {characters} characters, not {model.lstm.input_size}.")

    parts: dict[str, np.ndarray] = {}
    for layer in range(layers):
        names = (f"{kind} of layer {layer}" for kind in ("input weights", "recurrent weights", "bias"))
        parts |= zip(names, (weight.detach().cpu().numpy() for weight in model.lstm.weights(layer)))
    head = (weight.detach().cpu().numpy() for weight in (model.head.weight, model.head.bias))
    parts |= zip(("output weights", "output bias"), head)
    largest = np.finfo(np.float32).max / 2  # up to here rounding cannot give infinity
    for part, numbers in parts.items():
        if np.abs(array(f"{part} of {name}", numbers, numbers.shape)).max() > largest:
            raise TraitError(f"{part} of {name} must hold numbers within ±{largest:.2g}, the range of {format}.")
    packed = np.concatenate([numbers.ravel() for numbers in parts.values()]).astype("<f4")
    if format == "float24":
        packed = float24(packed).view(np.uint8).reshape(-1, 4)[:, 1:]
    weights = base64.b64encode(packed.tobytes()).decode("ascii")
    return {"units": units, "layers": layers, "format": format, "weights": weights}
