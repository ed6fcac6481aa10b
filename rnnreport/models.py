"""The networks: :class:`RNN`, :class:`LSTM`, :class:`TemporalGateLSTM` and others to compare them with, used like those
of ``torch.nn``; and the networks that the book trains with them.

Shapes: T steps, B batch, D input size, H hidden units, L layers, K classes. Time comes first unless ``batch_first``.
Nothing here depends on a task.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, Literal, NamedTuple, Self

import torch
import torch.nn as nn
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils import parametrize

from rnnreport import recurrence
from rnnreport.backends import Backend, check_backend, kernels
from rnnreport.cells import (
    gru_step,
    lstm_step,
    min_gru_step,
    min_lstm_step,
    peephole_lstm_step,
    relu_rnn_step,
    rnn_step,
    temporal_gate,
    temporal_gate_lstm_step,
)
from rnnreport.configuration import Encoding, Initialisation, ModelName

DEVIATIONS: dict[Initialisation, float] = {"normal": 0.1, "normal-variance": 0.1**0.5}  # of normal weights


class _Recurrent(nn.Module):
    """Layers of one recurrence: parameters, shapes and checks. The subclasses define the layer.

    The arguments are torch.nn's, in its order; two directions and projections are refused with ValueError.
    dropout: applied to the output that a layer passes to the next, while training.
    backend: the code that runs the recurrence, see :mod:`rnnreport.backends`.
    In autocast the input is cast to the weights' dtype, which is also that of the computation and the output.
    Under torch.func, torch.compile, torch.export and torch.jit.trace a loop over :mod:`rnnreport.cells` runs.
    """

    gates: int  # blocks of H rows in the stacked weights
    further_biases = 0  # blocks of H biases besides one per gate
    reads_state = True  # whether the gates read h(t-1), by weight_hh
    states: tuple[str, ...]  # the states that a layer passes from step to step
    counterpart: Any = None  # the class of torch.nn that does the same, if any
    has_kernels = True  # whether there are native kernels; if not, only torch can run it
    input_gate: int | None = None  # its block of H biases
    forget_gate: tuple[int, int] | None = None  # its block, and 1, or -1 where large values forget
    scaled_gates = False  # whether forget and input gate are scaled to a sum of 1
    per_unit: tuple[str, ...] = ()  # names of a layer's further parameters, (H,) each, without the layer's number
    bidirectional, proj_size, nonlinearity = False, 0, "tanh"  # options of torch.nn with only this value here

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        backend: Backend = "torch",
    ) -> None:
        super().__init__()
        for name, value in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be an integer of at least 1, not {value!r}")
        for name, value in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(value, bool):
                raise ValueError(f"{name} must be True or False, not {value!r}")
        if not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
            raise ValueError(f"dropout must be a number from 0 to below 1, not {dropout!r}")
        self._check_options(type(self).__name__, bidirectional=bidirectional, proj_size=proj_size)
        check_backend(backend)
        if not self.has_kernels and backend.startswith("native"):
            raise ValueError(
                f"{type(self).__name__} has no native kernels: backend must be torch or auto, not {backend}"
            )
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.backend, self.dropout = bias, batch_first, backend, dropout
        for layer in range(num_layers):
            for name, shape in self._shapes(layer).items():
                self.register_parameter(name, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        for layer in range(num_layers):
            for name in self.per_unit:
                parameter = nn.Parameter(torch.empty(hidden_size, device=device, dtype=dtype))
                self.register_parameter(f"{name}{layer}", parameter)
        self.reset_parameters()

    @classmethod
    def _check_options(cls, name: str, **options: Any) -> None:
        for option, value in options.items():
            if value != getattr(cls, option):
                raise ValueError(f"{name} does {option}={getattr(cls, option)!r} only, not {value!r}")

    def reset_parameters(self) -> None:
        """Draw weights and biases anew, uniformly from ±1/sqrt(H) as torch.nn does."""
        for name, parameter in self.named_parameters():
            if not name.startswith(self.per_unit):
                nn.init.uniform_(parameter, -(self.hidden_size**-0.5), self.hidden_size**-0.5)

    def flatten_parameters(self) -> None:
        """Does nothing: in torch.nn this lays out the weights for cuDNN, which runs none of these networks."""

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}"

    def _shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        """The shapes of a layer's weights and bias, by their names, in the order in which the cell takes them."""
        units, columns = self.hidden_size, self.hidden_size if layer else self.input_size
        shapes: dict[str, tuple[int, ...]] = {f"weight_ih_l{layer}": (self.gates * units, columns)}
        if self.reads_state:
            shapes[f"weight_hh_l{layer}"] = self.gates * units, units
        if self.bias:
            shapes[f"bias_l{layer}"] = ((self.gates + self.further_biases) * units,)
        return shapes

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """weight_ih, weight_hh and, where there is one, bias of every layer."""
        return [[getattr(self, name) for name in self._shapes(layer)] for layer in range(self.num_layers)]

    def weights(self, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        """weight_ih, weight_hh and bias (zeros where there is none) of a layer, counted from 0.

        Where the gates do not read the state, there is no weight_hh, and the tuple is one shorter.
        """
        found = [getattr(self, name) for name in self._shapes(layer)]
        rows = (self.gates + self.further_biases) * self.hidden_size
        return (*found, *([] if self.bias else [self._weight.new_zeros(rows)]))

    def draw(self, initialisation: Initialisation) -> None:
        """Draw the weights anew, as :class:`PalindromeClassifier` describes; "uniform" leaves them as they are.

        Raises ValueError for "orthogonal" and "identity" if the gates read no state.
        """
        if initialisation in ("orthogonal", "identity") and not self.reads_state:
            raise ValueError(f"initialisation must not be {initialisation} for {type(self).__name__}, which has no Whh")
        for layer in range(self.num_layers):
            if initialisation in DEVIATIONS:
                for parameter in self.weights(layer):
                    nn.init.normal_(parameter, std=DEVIATIONS[initialisation])
            elif initialisation in ("orthogonal", "identity"):
                for block in self.weights(layer)[1].split(self.hidden_size):
                    (nn.init.orthogonal_ if initialisation == "orthogonal" else nn.init.eye_)(block)

    def remember(self, forget_bias: float = 0.0, chrono: int | None = None) -> None:
        """Set the gates' biases to remember for longer, in every layer, see :class:`PalindromeClassifier`.

        forget_bias is added where the state is kept, and subtracted where it is replaced: by the minGRU's gate, and by
        the minLSTM's input gate, since its gates are scaled to a sum of 1. So every cell starts by keeping a share
        sigmoid(forget_bias). With chrono, only the LSTM and the minLSTM have an input gate to set as well.
        """
        if not self.bias and (forget_bias or chrono is not None):
            raise ValueError("forget_bias must be 0 and chrono None for networks without biases")
        if self.forget_gate is None and (forget_bias or chrono is not None):
            raise ValueError(f"forget_bias must be 0 and chrono None for the {type(self).__name__}, which has no gates")
        if chrono is not None and (chrono < 3 or forget_bias):
            raise ValueError(f"chrono must be at least 3 steps, and forget_bias 0, not {chrono} and {forget_bias}")
        if self.forget_gate is None:
            return
        place, sign = self.forget_gate
        with torch.no_grad():
            for layer in range(self.num_layers):
                gates = self.weights(layer)[-1].view(-1, self.hidden_size)
                gates[place] += sign * forget_bias
                if self.scaled_gates:
                    gates[self.input_gate] -= forget_bias
                if chrono is not None:
                    drawn = gates[place].uniform_(1, chrono - 1).log_().mul_(sign)
                    if self.input_gate is not None:
                        gates[self.input_gate] = -drawn

    @property
    def _weight(self) -> Tensor:
        """One of the weights, for the dtype and device of all."""
        return getattr(self, "weight_hh_l0" if self.reads_state else "weight_ih_l0")  # a tied weight_ih is computed

    def _cast(self, value: Tensor) -> Tensor:
        """In autocast, where layers pass on half precision, the value in the weights' dtype; elsewhere unchanged."""
        return value.to(self._weight.dtype) if value.is_floating_point() and _in_autocast(value) else value

    def _time_first(self, input: Tensor) -> tuple[Tensor, bool]:
        """The input as (T, B, D), or (T, B) for symbols, and whether it came with a batch."""
        if isinstance(input, nn.utils.rnn.PackedSequence):
            raise ValueError(
                "input must be a tensor, not a PackedSequence: torch.nn.utils.rnn.pad_packed_sequence makes one, and a "
                "sequence's last output stands at its length - 1"
            )
        if not isinstance(input, Tensor) or input.is_complex() or input.dtype == torch.bool:
            raise ValueError(f"input must be a tensor of real numbers, or of integers as symbols, not {_told(input)}")
        input = self._cast(input)
        symbols = not input.is_floating_point()
        features = 0 if symbols else 1
        if input.dim() not in (1 + features, 2 + features):
            raise ValueError(
                "input must have the shape (T, B, D), or (T, D) without a batch; as symbols (integers) (T, B) or (T,); "
                f"not {tuple(input.shape)}"
            )
        if not symbols and input.shape[-1] != self.input_size:
            raise ValueError(f"input must have {self.input_size} features (input_size), not {input.shape[-1]}")
        if not symbols and _kind(input) != _kind(self._weight):
            raise ValueError(f"input must be of the weights' kind, {_kind(self._weight)}, not {_kind(input)}")
        batched = input.dim() == 2 + features
        if not batched:
            input = input.unsqueeze(1)
        elif self.batch_first:
            input = input.transpose(0, 1)
        if 0 in input.shape[:2]:
            raise ValueError(
                f"input must hold at least one step and one sequence, not {tuple(input.shape[:2])} of them"
            )
        if symbols and not _followed() and not 0 <= int(input.min()) <= int(input.max()) < self.input_size:
            raise ValueError(f"symbols must lie in 0…{self.input_size - 1} (input_size)")
        return input.long() if symbols else input, batched

    def initial_state(self, hx: Any, batch: int, batched: bool = True) -> list[Tensor]:
        """h_0, or h_0 and c_0, (L, B, H) each; zeros for None. Raises ValueError for anything else."""
        shape = (self.num_layers, batch, self.hidden_size) if batched else (self.num_layers, self.hidden_size)
        if hx is None:
            return [self._weight.new_zeros(self.num_layers, batch, self.hidden_size) for _ in self.states]
        pair = len(self.states) == 2
        given = [self._cast(h) if isinstance(h, Tensor) else h for h in (hx if pair and _is_sequence(hx) else [hx])]
        kind = _kind(self._weight)
        if len(given) != len(self.states) or not all(
            isinstance(h, Tensor) and tuple(h.shape) == shape and _kind(h) == kind for h in given
        ):
            what = "a pair of tensors (h_0, c_0), each" if pair else "a tensor h_0"
            letters = "(L, B, H)" if batched else "(L, H)"
            raise ValueError(f"the initial state must be {what} {letters} = {shape}, {kind}, not {_told(hx)}")
        return given if batched else [state.unsqueeze(1) for state in given]

    def _layer(self, layer: int, x: Tensor, states: tuple[Tensor, ...], sequence: bool) -> tuple[Any, ...]:
        """One layer over (T, B, D), from its states (B, H): its output, (T, B, H), and its last states.

        Without ``sequence`` the output is not needed, and may be None.
        """
        raise NotImplementedError

    def _run(self, input: Tensor, hx: Any, sequence: bool = True, **layer_options: Any) -> tuple[Tensor, ...]:
        """All layers: the output and the last states, (L, B, H) each, in the shapes of the input, contiguous."""
        x, batched = self._time_first(input)
        states, ends = self.initial_state(hx, x.shape[1], batched), []
        with torch.autocast(x.device.type, enabled=False) if _in_autocast(x) else nullcontext():
            for layer in range(self.num_layers):
                wanted = sequence or layer < self.num_layers - 1
                if layer and self.dropout:
                    x = F.dropout(x, self.dropout, self.training)
                x, *end = self._layer(layer, x, tuple(state[layer] for state in states), wanted, **layer_options)
                ends.append(end)
        last = (torch.stack(parts) for parts in zip(*ends))
        if not batched:
            return (x.squeeze(1) if sequence else x), *(state.squeeze(1) for state in last)
        return (x.transpose(0, 1).contiguous() if self.batch_first and sequence else x), *last

    def last_hidden(self, input: Tensor, **layer_options: Any) -> Tensor:
        """h(T) of the last layer, (B, H), from a zero state; the steps before it need not be kept."""
        return self._run(input, None, sequence=False, **layer_options)[1][-1]

    @classmethod
    def from_torch(cls, module: nn.RNNBase, **options: Any) -> Self:
        """A copy of a ``torch.nn`` module, with its two biases summed, except the GRU's inside the reset.

        options: others of this class, such as backend.

        The weights, their dtype, device and ``requires_grad`` (a bias asks for a gradient if either of the two does)
        and the training mode are the module's; gradients are not copied. Raises ValueError for unsupported modules
        (another recurrence, two directions, projections) and for anything that a copy would lose, such as hooks.
        """
        name = f"{cls.__name__}.from_torch"
        if cls.counterpart is None:
            raise ValueError(f"{cls.__name__} has no counterpart in torch.nn")
        if options.get("peepholes"):
            raise ValueError(f"{name} copies weights alone, and those of torch.nn have no peepholes")
        if getattr(module.forward, "__func__", None) is not cls.counterpart.forward:
            raise ValueError(f"{name} takes a torch.nn.{cls.counterpart.__name__}, not a {type(module).__name__}")
        for option in ("bidirectional", "proj_size", "nonlinearity"):
            cls._check_options(name, **{option: getattr(module, option, getattr(cls, option))})
        ours = cls(**_options(module, next(module.parameters())), **options)
        pairs = list(ours._pairs(module))
        _check_plain(name, module, [parameter for _, theirs in pairs for parameter in theirs])
        with torch.no_grad():
            for our, theirs in pairs:
                our.copy_(ours._joined(theirs)).requires_grad_(any(their.requires_grad for their in theirs))
        return ours.train(module.training)

    def _joined(self, theirs: list[Tensor]) -> Tensor:
        """Our weight or bias from those of torch.nn: the sum of two biases."""
        return torch.stack(theirs).sum(0)

    def to_torch(self) -> nn.RNNBase:
        """The ``torch.nn`` module with these weights: bias_ih is our bias, bias_hh zero, but for the GRU's fourth.

        The rest is as in :meth:`from_torch`.
        """
        if self.counterpart is None:
            raise ValueError(f"{type(self).__name__} has no counterpart in torch.nn")
        relu = {"nonlinearity": "relu"} if self.nonlinearity == "relu" else {}
        theirs = self.counterpart(**_options(self, self._weight), **relu)
        pairs = list(self._pairs(theirs))
        _check_plain(f"{type(self).__name__}.to_torch", self, [our for our, _ in pairs], self.per_unit)
        with torch.no_grad():
            for our, (first, *second) in pairs:
                first.copy_(our[: len(first)])
                for bias in second:
                    further = our[len(first) :]
                    bias.zero_()[len(bias) - len(further) :] = further
                for parameter in (first, *second):
                    parameter.requires_grad_(our.requires_grad)
        return theirs.train(self.training)

    def _pairs(self, theirs: nn.RNNBase) -> Iterator[tuple[Tensor, list[Tensor]]]:
        """Each weight and bias with its counterparts in a torch.nn module: two for a bias, one for a weight."""
        for layer in range(self.num_layers):
            for name in self._shapes(layer):
                names = [name.replace("bias", f"bias_{part}") for part in (("ih", "hh") if "bias" in name else ("",))]
                yield getattr(self, name), [getattr(theirs, name) for name in names]


class _OneState(_Recurrent):
    """A recurrence whose only state is h: ``output, h_n = network(input, h_0)``, with the shapes of :class:`RNN`.

    The subclasses define the cell, and what runs it over a sequence: with kernels it takes a ``backend``.
    """

    states = ("h",)
    has_kernels = False
    cell: Callable[..., Tensor]
    over_time: Callable[..., tuple[Tensor, Tensor]]

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Output and h_n, see the class. Raises ValueError for shapes that do not fit."""
        output, h_n = self._run(input, hx)
        return output, h_n

    def _layer(self, layer: int, x: Tensor, states: tuple[Tensor, ...], sequence: bool) -> tuple[Any, ...]:
        if _followed():
            return by_steps(lambda *step: (self.cell(*step),), x, states, self.weights(layer))
        options = {"backend": self.backend} if self.has_kernels else {}
        return self.over_time(x, *states, *self.weights(layer), **options)


class RNN(_OneState):
    """The vanilla RNN, equation (1), used like ``torch.nn.RNN``: ``output, h_n = rnn(input, h_0)``.

    input: (T, B, D), (B, T, D) with batch_first, or (T, D) without a batch; integers (T, B) stand for one-hot vectors.
    h_0, h_n: (L, B, H). output: (T, B, H), the last layer's h(t).
    """

    gates, counterpart, has_kernels = 1, nn.RNN, True
    cell, over_time = staticmethod(rnn_step), staticmethod(recurrence.rnn)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **options: Any,
    ) -> None:
        self._check_options("RNN", nonlinearity=nonlinearity)
        options |= {"bidirectional": bidirectional, "device": device, "dtype": dtype}
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, **options)


class LSTM(_Recurrent):
    """The LSTM, equations (4)-(9), used like ``torch.nn.LSTM``: ``output, (h_n, c_n) = lstm(input, (h_0, c_0))``.

    input: (T, B, D), (B, T, D) with batch_first, or (T, D) without a batch; integers (T, B) stand for one-hot vectors.
    h_0, c_0, h_n, c_n: (L, B, H). output: (T, B, H), the last layer's h(t).
    Weights are stacked in torch.nn's order of gates, i, f, g, o, with one bias per gate.
    peepholes: each layer has ``peepholes_l…``, (3, H), see :func:`rnnreport.cells.peephole_lstm_step`; without native
    kernels a loop over the steps runs, under autograd.
    """

    gates, states, counterpart, input_gate, forget_gate = 4, ("h", "c"), nn.LSTM, 0, (1, 1)

    def __init__(self, *args: Any, peepholes: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.peepholes = peepholes
        for layer in range(self.num_layers if peepholes else 0):
            weight = torch.empty(3, self.hidden_size, device=self._weight.device, dtype=self._weight.dtype)
            bound = self.hidden_size**-0.5
            self.register_parameter(f"peepholes_l{layer}", nn.Parameter(nn.init.uniform_(weight, -bound, bound)))

    def _peepholes(self, layer: int) -> tuple[Tensor, ...]:
        return (getattr(self, f"peepholes_l{layer}"),) if self.peepholes else ()

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Output and (h_n, c_n), see the class. Raises ValueError for shapes that do not fit."""
        output, h_n, c_n = self._run(input, hx)
        return output, (h_n, c_n)

    def _layer(self, layer: int, x: Tensor, states: tuple[Tensor, ...], sequence: bool) -> tuple[Any, ...]:
        return self._run_lstm(layer, x, states)

    def _run_lstm(self, layer: int, x: Tensor, states: tuple[Tensor, ...], k: Tensor | None = None) -> tuple[Any, ...]:
        """The layer with peepholes or without, behind a gate of the openness k or without."""
        (h_0, c_0), weights, peepholes = states, self.weights(layer), self._peepholes(layer)
        if peepholes and not _followed() and (native := kernels(self.backend, weights[1])):
            return native.lstm(x, h_0, c_0, *weights, k, peepholes=peepholes[0])
        if peepholes or _followed():
            if k is not None:
                return by_steps(temporal_gate_lstm_step, x, states, (*weights, *peepholes), k)
            return by_steps(peephole_lstm_step if peepholes else lstm_step, x, states, (*weights, *peepholes))
        return recurrence.lstm(x, h_0, c_0, *weights, k, self.backend)


class TemporalGateLSTM(LSTM):
    """The LSTM behind a temporal gate, equations (12)-(16): ``output, (h_n, c_n) = lstm(input, (h_0, c_0), times)``.

    Each unit of each layer has its period tau, shift s and open ratio r_on, learned as the logarithm of tau, s, and
    the logit of r_on, so that tau > 0 and 0 < r_on <= 1 for any step of the optimiser. Initially tau is log-uniform in
    1…100, s uniform in 0…tau and r_on 0.05, as in the Phased LSTM; :meth:`set_gate` sets others. leak: alpha; *while
    training*, a closed gate has k = alpha phi, so that units that never open get a gradient; in ``eval()`` it is 0.
    If it is faster, only the units that are open at a step are computed, but never with peepholes:
    :func:`rnnreport.recurrence.sparse_pays`.
    """

    per_unit = ("log_tau_l", "s_l", "logit_r_on_l")

    def __init__(self, *args: Any, leak: float = 0.0, **options: Any) -> None:
        super().__init__(*args, **options)
        if not 0 <= leak <= 1:
            raise ValueError(f"leak must be a number from 0 to 1, not {leak!r}")
        self.leak = leak

    def reset_parameters(self) -> None:
        """Draw weights, biases and gates anew, see the class."""
        super().reset_parameters()
        for layer in range(self.num_layers):
            self.draw_gate(1, 100, 0.05, layer)

    def draw_gate(self, shortest: float, longest: float, r_on: float, layer: int = 0) -> None:
        """Draw a layer's periods log-uniformly from shortest…longest, both > 0, and its shifts uniformly from 0…tau."""
        if not 0 < shortest <= longest < math.inf:
            raise ValueError(f"periods must lie in a range above 0, not from {shortest} to {longest}")
        tau = torch.exp(math.log(shortest) + torch.rand(self.hidden_size) * math.log(longest / shortest))
        self.set_gate(tau, torch.rand(self.hidden_size) * tau, r_on, layer)

    def set_gate(self, tau: Tensor | float, s: Tensor | float, r_on: Tensor | float, layer: int = 0) -> None:
        """Set period, shift and open ratio of a layer's units, numbers or (H,). Raises ValueError out of range."""
        values = {
            name: torch.as_tensor(value, dtype=torch.float64)
            for name, value in (("tau", tau), ("s", s), ("r_on", r_on))
        }
        for name, allowed, good in (
            ("tau", "finite and > 0", values["tau"] > 0),
            ("s", "finite", values["s"].isfinite()),
            ("r_on", "> 0 and <= 1", (values["r_on"] > 0) & (values["r_on"] <= 1)),
        ):
            if not bool((good & values[name].isfinite()).all()):
                raise ValueError(f"{name} must be {allowed}, not {values[name].tolist()}")
        with torch.no_grad():
            for name, learned in zip(self.per_unit, self._learned(**values)):
                getattr(self, f"{name}{layer}").copy_(learned)

    def gate(self, layer: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """tau, s and r_on of a layer's units, (H,) each, differentiable."""
        return self._gate(*(getattr(self, f"{name}{layer}") for name in self.per_unit))

    @staticmethod
    def _learned(tau: Tensor, s: Tensor, r_on: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return tau.log(), s, r_on.logit()

    @staticmethod
    def _gate(log_tau: Tensor, s: Tensor, logit_r_on: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return log_tau.exp(), s, logit_r_on.sigmoid()

    def openness(self, times: Tensor, layer: int = 0) -> Tensor:
        """k at the times, (T, H) for times (T,), or (T, B, H) for (T, B); with the leak while training.

        Raises ValueError for times that are not finite, or so large that their dtype cannot tell whole units apart:
        above 16,777,216 for float32. A float32 period has a relative error of 1e-7, so the phase has an error of
        n 1e-7 after n periods: subtract the first from times that began long ago, such as Unix times.
        """
        _check_times(times)
        return self._openness(times, layer)

    def _openness(self, times: Tensor, layer: int) -> Tensor:
        gate, leak = self.gate(layer), self.leak if self.training else 0.0
        if not _followed() and not times.requires_grad and (native := kernels(self.backend, gate[0])):
            return native.temporal_gate(times, *gate, leak)
        return temporal_gate(times.unsqueeze(-1), *gate, leak)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None, times: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Output and (h_n, c_n). times: (T,) or (T, B), also with batch_first, in any order; 1…T by default."""
        output, h_n, c_n = self._run(input, hx, times=times)
        return output, (h_n, c_n)

    def _layer(
        self, layer: int, x: Tensor, states: tuple[Tensor, ...], sequence: bool, times: Tensor | None = None
    ) -> tuple[Any, ...]:
        steps, batch = x.shape[:2]
        if times is None:
            times = torch.arange(1, steps + 1)
        elif not isinstance(times, Tensor) or tuple(times.shape) not in ((steps,), (steps, batch)):
            raise ValueError(
                f"times must have the shape (T,) = ({steps},) or (T, B) = ({steps}, {batch}), also with batch_first, "
                f"not {_told(times)}"
            )
        elif layer == 0:
            _check_times(times)
        k = self._openness(times, layer)  # in their own dtype: rounded to that of the weights they lose the phase
        if not (self.peepholes or _followed()) and recurrence.sparse_pays(k, batch, self.backend):
            h_0, c_0 = states
            return recurrence.sparse_lstm(x, h_0, c_0, *self.weights(layer), k, sequence, self.backend)
        return self._run_lstm(layer, x, states, k)

    def to_torch(self) -> nn.RNNBase:
        """The ``torch.nn.LSTM`` with these weights. It has no temporal gate: tau, s and r_on are left out."""
        return super().to_torch()


class PhasedLSTM(TemporalGateLSTM):
    """The same, but tau, s and r_on are learned directly, as in the code of Neil et al. (2016).

    Of tau and r_on the absolute values count, and of r_on no more than 1, from where no gradient leads back. A step of
    Adam moves r_on by the learning rate. It moves the logit of :class:`TemporalGateLSTM` by as much, and so r_on by
    r_on (1 - r_on) times that: at 0.05, a twentieth. At tau = 0 or r_on = 0 exactly, outputs or gradients are NaN.
    """

    per_unit = ("tau_l", "s_l", "r_on_l")

    @staticmethod
    def _learned(tau: Tensor, s: Tensor, r_on: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return tau, s, r_on

    @staticmethod
    def _gate(tau: Tensor, s: Tensor, r_on: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return tau.abs(), s, r_on.abs().clamp(max=1.0)


class ReLURNN(_OneState):
    """The RNN with a ReLU in place of the tanh, ``torch.nn.RNN(nonlinearity="relu")``. See :class:`_OneState`."""

    gates, counterpart, nonlinearity = 1, nn.RNN, "relu"
    cell, over_time = staticmethod(relu_rnn_step), staticmethod(recurrence.relu_rnn)


class GRU(_OneState):
    """The GRU of Cho et al. (2014), used like ``torch.nn.GRU``. See :class:`_OneState`.

    Weights are stacked in torch.nn's order, r, z, n. There is one bias per gate, and a fourth: that of n which the
    reset gate multiplies.
    """

    gates, further_biases, counterpart, forget_gate = 3, 1, nn.GRU, (1, 1)
    cell, over_time = staticmethod(gru_step), staticmethod(recurrence.gru)

    def _joined(self, theirs: list[Tensor]) -> Tensor:
        if len(theirs) == 1:
            return theirs[0]
        (*gates, outside), (*further, inside) = (bias.chunk(3) for bias in theirs)
        return torch.cat([*map(torch.add, gates, further), outside, inside])


class MinGRU(_OneState):
    """The minGRU of Feng et al. (2024), whose gate reads its input alone: parallel over time. See :class:`_OneState`.

    Its equations are those of the paper's text, in which a candidate can be negative.
    """

    gates, reads_state, forget_gate = 2, False, (0, -1)
    cell, over_time = staticmethod(min_gru_step), staticmethod(recurrence.min_gru)


class MinLSTM(_OneState):
    """The minLSTM of Feng et al. (2024), likewise."""

    gates, reads_state, input_gate, forget_gate, scaled_gates = 3, False, 0, (1, 1), True
    cell, over_time = staticmethod(min_lstm_step), staticmethod(recurrence.min_lstm)


RECURRENCES: dict[ModelName, type[_Recurrent]] = {
    "rnn": RNN,
    "lstm": LSTM,
    "temporal-gate": TemporalGateLSTM,
    "phased-lstm": PhasedLSTM,
    "relu-rnn": ReLURNN,
    "gru": GRU,
    "min-gru": MinGRU,
    "min-lstm": MinLSTM,
}


class PalindromeClassifier(nn.Module):
    """Reads digits and predicts the next one: a recurrence and the output layer (2), (10) on its last h(T).

    encoding: "scalar", one number per digit as in the course, or "one-hot".
    initialisation: "normal" draws every weight and bias from N(0, 0.1), as the report does, with 0.1 as the standard
    deviation; "normal-variance" with 0.1 as the variance; "uniform" as torch.nn does; "orthogonal" and "identity" make
    each gate's Whh an orthogonal or identity matrix, and the rest as "uniform".
    forget_bias: added to the forget gate's bias. chrono: the longest memory wanted, in steps; it sets the gates'
    biases: log U(1, chrono - 1) for the forget gate, minus that for the input gate (Tallec and Ollivier 2018).
    Raises ValueError for either if there are no gates, for both together, and for chrono < 3.
    num_layers: of the recurrence; each starts like this.
    """

    def __init__(
        self,
        model: ModelName,
        hidden_size: int = 128,
        classes: int = 10,
        encoding: Encoding = "scalar",
        initialisation: Initialisation = "normal",
        forget_bias: float = 0.0,
        chrono: int | None = None,
        backend: Backend = "torch",
        num_layers: int = 1,
    ) -> None:
        super().__init__()
        self.encoding = encoding
        self.recurrence = RECURRENCES[model](
            1 if encoding == "scalar" else classes, hidden_size, num_layers, backend=backend
        )
        self.W_ph = nn.Parameter(torch.empty(classes, hidden_size))
        self.b_p = nn.Parameter(torch.empty(classes))
        nn.init.uniform_(self.W_ph, -(hidden_size**-0.5), hidden_size**-0.5)
        nn.init.zeros_(self.b_p)
        self.recurrence.draw(initialisation)
        if initialisation in DEVIATIONS:
            for parameter in (self.W_ph, self.b_p):
                nn.init.normal_(parameter, std=DEVIATIONS[initialisation])
        self.recurrence.remember(forget_bias, chrono)

    def encode(self, digits: Tensor) -> Tensor:
        """Digits, integers (T, B), as the network's input: (T, B, 1) or, one-hot, (T, B, K)."""
        if self.encoding == "one-hot":
            return F.one_hot(digits, self.recurrence.input_size).to(self.W_ph.dtype)
        return digits.to(self.W_ph.dtype).unsqueeze(-1)

    def forward(self, digits: Tensor) -> Tensor:
        """digits: integers (T, B). Returns the logits p(T): (B, K)."""
        # A recurrence takes integers as one-hot vectors, and looks up rows instead of multiplying.
        h_T = self.recurrence.last_hidden(digits if self.encoding == "one-hot" else self.encode(digits))
        return h_T @ self.W_ph.T + self.b_p  # (2), (10)


class Sequences(NamedTuple):
    """Sequences of numbers at given times.

    x: (T, B, D). times: of the steps, (T,) or, if they differ by sequence, (T, B), any real numbers; None means 1…T.
    lengths: the number of steps of each sequence, (B,); the rest of the T steps is padding; None for all.
    """

    x: Tensor
    times: Tensor | None = None
    lengths: Tensor | None = None

    def to(self, device: str | torch.device) -> Self:
        """The same on that device."""
        times, lengths = (None if part is None else part.to(device) for part in self[1:])
        return type(self)(self.x.to(device), times, lengths)

    def take(self, which: Tensor | slice, steps: int | None = None) -> Self:
        """These of the B sequences, all their steps or only the first ones."""
        x, times, lengths = self
        if times is not None:
            times = times[:steps] if times.dim() == 1 else times[:steps, which]
        return type(self)(x[:steps, which], times, None if lengths is None else lengths[which])

    def split(self, size: int) -> Iterator[Self]:
        """The sequences, this many at a time."""
        for start in range(0, self.x.shape[1], size):
            yield self.take(slice(start, start + size))


LENGTH_GROUPS = 4  # fewer would leave more padding, more would leave the kernels too few sequences at a time


class SequenceNetwork(nn.Module):
    """Reads sequences of numbers and gives K outputs at the end of each: a recurrence and a linear map of its last h.

    timed: the sequences have times. Then a network reads a further number, the time since the previous step or, if it
    reads "time", the time itself; with a temporal gate, time opens the gate. every_step: gives the outputs at every
    step. peepholes: see :class:`LSTM`; ValueError for other networks.
    initialisation: of the recurrence's weights and biases; its peepholes and the linear map are drawn as by torch.nn.
    forget_bias, chrono, num_layers: see :class:`PalindromeClassifier`.
    """

    def __init__(
        self,
        model: ModelName,
        inputs: int,
        outputs: int,
        hidden_size: int = 128,
        timed: bool = False,
        forget_bias: float = 1.0,
        backend: Backend = "torch",
        *,
        initialisation: Initialisation = "uniform",
        chrono: int | None = None,
        num_layers: int = 1,
        every_step: bool = False,
        peepholes: bool = False,
        reads: Literal["interval", "time"] = "interval",
    ) -> None:
        super().__init__()
        kind = RECURRENCES[model]
        if peepholes and not issubclass(kind, LSTM):
            raise ValueError(f"peepholes must be False for {model}: only the LSTM's gates can see its cell")
        self.reads_times = timed and not issubclass(kind, TemporalGateLSTM)
        self.reads, self.every_step = reads, every_step
        if reads == "time" and not self.reads_times:
            raise ValueError(f"reads must be interval for this {model}, which reads no times")
        options: dict[str, Any] = {"peepholes": True} if peepholes else {}
        self.recurrence = kind(inputs + self.reads_times, hidden_size, num_layers, backend=backend, **options)
        self.head = nn.Linear(hidden_size, outputs)
        self.recurrence.draw(initialisation)
        self.recurrence.remember(forget_bias, chrono)

    def forward(self, sequences: Sequences) -> Tensor:
        """The outputs, (B, K), or (T, B, K) at every step."""
        lengths, by_kernels = sequences.lengths, self.recurrence.has_kernels
        by_kernels = by_kernels and kernels(self.recurrence.backend, self.head.weight) is not None
        if lengths is None or self.every_step or not by_kernels:
            return self._read(sequences)
        # Those of about one length together: fewer steps are computed that are padding. A loop in torch takes as long
        # for a few sequences as for many.
        by_length = lengths.argsort()
        groups = by_length.chunk(LENGTH_GROUPS)
        outputs = [self._read(sequences.take(which, int(lengths[which].max()))) for which in groups]
        return torch.cat(outputs)[by_length.argsort()]

    def _read(self, sequences: Sequences) -> Tensor:
        x, times, lengths = sequences
        options: dict[str, Any] = {}
        if self.reads_times and times is not None:
            _check_times(times)
            read = times if self.reads == "time" else times.diff(dim=0, prepend=times[:1])
            x = torch.cat([x, read.to(x).reshape(len(x), -1, 1).expand(-1, x.shape[1], -1)], -1)
        elif times is not None:
            options["times"] = times
        if self.every_step:
            return self.head(self.recurrence(x, **options)[0])
        if lengths is None:
            return self.head(self.recurrence.last_hidden(x, **options))
        h = self.recurrence(x, **options)[0]
        return self.head(h[lengths - 1, torch.arange(len(lengths))])


class CharLSTM(nn.Module):
    """Reads characters and predicts the next one at every step: the assignment's part 3, two layers by default.

    Training windows start from a zero state or, after :meth:`carry`, from the last state of the previous batch;
    :meth:`run` takes and returns a state, for sampling.
    forget_bias: added to the forget gates' biases. dropout: applied to every layer's output while training.
    tied: the first layer reads a character as its row of the output layer's weights (H numbers) instead of as a
    one-hot vector (Press and Wolf 2017).
    model: another recurrence in the LSTM's place, called ``lstm`` all the same.
    """

    carried: tuple[Tensor, Tensor] | None = None

    def __init__(
        self,
        vocabulary_size: int,
        hidden_size: int = 128,
        num_layers: int = 2,
        backend: Backend = "torch",
        forget_bias: float = 0.0,
        dropout: float = 0.0,
        tied: bool = False,
        model: ModelName = "lstm",
    ) -> None:
        super().__init__()
        if model != "lstm" and tied:
            raise ValueError(f"tied must be False for {model}: only the LSTM's input weights can be tied")
        self.lstm = RECURRENCES[model](vocabulary_size, hidden_size, num_layers, backend=backend, dropout=dropout)
        self.head = nn.Linear(hidden_size, vocabulary_size)
        if tied:
            self.lstm.weight_ih_l0 = nn.Parameter(torch.empty(4 * hidden_size, hidden_size))
            nn.init.uniform_(self.lstm.weight_ih_l0, -(hidden_size**-0.5), hidden_size**-0.5)
            parametrize.register_parametrization(self.lstm, "weight_ih_l0", _OfRows(self.head), unsafe=True)
        self.lstm.remember(forget_bias)

    def carry(self, batch_size: int) -> tuple[Tensor, Tensor]:
        """From now on, pass h and c, (L, B, H), from one training batch to the next, from zeros on; returns both."""
        if self.lstm.states != LSTM.states:
            raise ValueError(f"only the LSTM's state is carried, not that of {type(self.lstm).__name__}")
        weight = self.head.weight
        shape = (self.lstm.num_layers, batch_size, self.lstm.hidden_size)
        self.carried = weight.new_zeros(shape), weight.new_zeros(shape)
        return self.carried

    def run(self, symbols: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """symbols: integers (T, B); state: (h, c), (L, B, H) each, or h alone for a model with this one state.

        Returns logits (T, B, V) and the last state.
        """
        output, state = self.lstm(symbols, state)
        return self.head(F.dropout(output, self.lstm.dropout, self.training)), state

    def forward(self, symbols: Tensor) -> Tensor:
        """symbols: integers (T, B). Returns logits (T, B, V), from a zero state or, while training, a carried one."""
        if self.carried is None or not self.training:
            return self.run(symbols)[0]
        logits, state = self.run(symbols, (self.carried[0].clone(), self.carried[1].clone()))
        for kept, last in zip(self.carried, state):
            kept.copy_(last.detach())
        return logits


class _OfRows(nn.Module):
    """Input weights, (4H, V): the product of weights (4H, H) and a layer's transposed weights, (V, H)."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layers = (layer,)  # in a tuple, so that this module does not hold the weights a second time

    def forward(self, weight: Tensor) -> Tensor:
        (layer,) = self.layers
        return weight @ layer.weight.T


def _followed() -> bool:
    """Whether torch records or transforms every operation: torch.func, torch.compile, torch.export, torch.jit.trace.

    This does not work with the recurrences, with their own backward pass and kernels; it works with the cells.
    """
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or torch._C._are_functorch_transforms_active()


def by_steps(
    cell: Callable[..., tuple[Tensor, ...]],
    x: Tensor,
    states: tuple[Tensor, ...],
    weights: tuple[Tensor, ...],
    *gate: Tensor,
) -> tuple[Tensor, ...]:
    """The output, (T, B, H), and the last states of a loop over a cell of :mod:`rnnreport.cells`.

    x: (T, B, D), or (T, B) of whole numbers below D; states: each (B, H); gate: k, (T, H) or (T, B, H), if any.
    """
    if not x.is_floating_point():
        x = F.embedding(x, torch.eye(weights[0].shape[1]).to(weights[0]))  # one-hot; vmap refuses F.one_hot
    output = []
    for x_t, *k_t in zip(x.unbind(0), *(k.unbind(0) for k in gate)):
        states = cell(x_t, *states, *k_t, *weights)
        output.append(states[0])
    return torch.stack(output), *states


def _in_autocast(tensor: Tensor) -> bool:
    return not tensor.is_meta and torch.is_autocast_enabled(tensor.device.type)


def _kind(tensor: Tensor) -> str:
    return f"{tensor.dtype} on {tensor.device}"


def _is_sequence(value: Any) -> bool:
    return isinstance(value, (tuple, list))


def _told(value: Any) -> str:
    """A value for messages: a tensor's shape and kind, the parts of a tuple, the type of anything else."""
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)}, {_kind(value)}"
    parts = f" [{'; '.join(map(_told, value[:3]))}{'; …' * (len(value) > 3)}]" if _is_sequence(value) else ""
    return f"{type(value).__name__}{parts}"


def _check_times(times: Tensor) -> None:
    if _followed():
        return  # NaN shows in the output
    real = times.is_floating_point()
    most = 2 / torch.finfo(times.dtype).eps if real else 2**53  # beyond this, whole units are not distinct
    values = times if real else times.long()
    wrong = times[~((values >= -most) & (values <= most))]
    if len(wrong):
        raise ValueError(
            f"times must be finite and, as {times.dtype}, from {-most:,.0f} to {most:,.0f}, not {wrong[0].item()}"
            + ("; float64 holds larger ones, and the first can be subtracted" if wrong[0].isfinite() else "")
        )


def _options(module: Any, weight: Tensor) -> dict[str, Any]:
    """The arguments that our networks and torch.nn's share, and the dtype and device of their weights."""
    names = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout")
    return {name: getattr(module, name) for name in names} | {"device": weight.device, "dtype": weight.dtype}


def _check_plain(name: str, module: nn.Module, known: list[Tensor], further: tuple[str, ...] = ()) -> None:
    """Raises ValueError for a module with more than these parameters, such as hooks, which a copy would lose."""
    parameters = dict(module.named_parameters(remove_duplicate=False))
    found = [
        *(key for key, tensor in (parameters | dict(module.named_buffers())).items()
          if not any(tensor is one for one in known) and not key.startswith(further)),
        *(key.strip("_") for key, hooks in vars(module).items() if key.endswith("_hooks") and hooks),
        *(f"hooks of {key}" for key, p in parameters.items() if p._backward_hooks or p._post_accumulate_grad_hooks),
        *(["parameters that are one"] if len(set(map(id, parameters.values()))) < len(parameters) else []),
    ]  # fmt: skip
    if found:
        raise ValueError(
            f"{name} copies weights alone, and this module has more, which would be lost: {', '.join(found)}"
        )
