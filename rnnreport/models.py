"""The networks: :class:`RNN`, :class:`LSTM` and :class:`TemporalGateLSTM`, used as ``torch.nn``'s are, and the two
networks the report trains with them.

Shapes: T steps, B batch, D input size, H hidden units, L layers, K classes. Time comes first unless ``batch_first``.
Nothing here knows of a task.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, Self

import torch
import torch.nn as nn
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils import parametrize

from rnnreport import recurrence
from rnnreport.backends import Backend, check_backend
from rnnreport.cells import temporal_gate

ModelName = Literal["rnn", "lstm", "temporal-gate"]
Encoding = Literal["scalar", "one-hot"]
Initialisation = Literal["normal", "normal-variance", "uniform", "orthogonal", "identity"]


class _Recurrent(nn.Module):
    """Layers of one recurrence: parameters, shapes and checks. What a layer does is said by the subclasses.

    backend: what runs the recurrence, see :mod:`rnnreport.backends`. There are native kernels for the LSTM and for the
    temporal gate, unless its times differ within the batch; anything else torch runs, whatever the backend.
    dropout: of what a layer hands to the next, while training.
    """

    gates: int  # rows of blocks in the stacked weights
    states: tuple[str, ...]  # what a layer hands from step to step
    counterpart: Any  # the class of torch.nn that does the same

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        backend: Backend = "torch",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be a number from 0 to below 1, not {dropout!r}")
        for name, value in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an integer of at least 1, not {value!r}")
        check_backend(backend)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.backend, self.dropout = bias, batch_first, backend, dropout
        rows = self.gates * hidden_size
        for layer in range(num_layers):
            columns = input_size if layer == 0 else hidden_size
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, columns), "weight_hh": (rows, hidden_size)}
            if bias:
                shapes["bias"] = (rows,)
            for name, shape in shapes.items():
                parameter = nn.Parameter(torch.empty(shape))
                nn.init.uniform_(parameter, -(hidden_size**-0.5), hidden_size**-0.5)  # as torch.nn does
                self.register_parameter(f"{name}_l{layer}", parameter)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}"

    def weights(self, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        """weight_ih, weight_hh and bias (zeros where there is none) of a layer, counted from 0."""
        weight_ih, weight_hh = getattr(self, f"weight_ih_l{layer}"), getattr(self, f"weight_hh_l{layer}")
        bias = getattr(self, f"bias_l{layer}") if self.bias else weight_hh.new_zeros(len(weight_hh))
        return weight_ih, weight_hh, bias

    def _time_first(self, input: Tensor) -> tuple[Tensor, bool]:
        """The input as (T, B, D), or (T, B) for symbols, and whether it came with a batch."""
        symbols = not input.is_floating_point()
        features = 0 if symbols else 1
        if input.dim() not in (1 + features, 2 + features):
            raise ValueError(
                "input must have the shape (T, B, D), or (T, D) without a batch; as symbols (integers) (T, B) or (T,); "
                f"not {tuple(input.shape)}"
            )
        if not symbols and input.shape[-1] != self.input_size:
            raise ValueError(f"input must have {self.input_size} features (input_size), not {input.shape[-1]}")
        batched = input.dim() == 2 + features
        if not batched:
            input = input.unsqueeze(1)
        elif self.batch_first:
            input = input.transpose(0, 1)
        if 0 in input.shape[:2]:
            raise ValueError(
                f"input must hold at least one step and one sequence, not {tuple(input.shape[:2])} of them"
            )
        if symbols and not 0 <= int(input.min()) <= int(input.max()) < self.input_size:
            raise ValueError(f"symbols must lie in 0…{self.input_size - 1} (input_size)")
        return input.long() if symbols else input, batched

    def _initial(self, name: str, state: Tensor | None, batch: int, batched: bool) -> Tensor:
        """The initial state (L, B, H); zeros where none is given."""
        if state is None:
            return self.weights(0)[1].new_zeros(self.num_layers, batch, self.hidden_size)
        if not batched and state.dim() == 2:
            state = state.unsqueeze(1)
        expected, dtype = (self.num_layers, batch, self.hidden_size), self.weights(0)[1].dtype
        if tuple(state.shape) != expected:
            raise ValueError(f"{name} must have the shape (L, B, H) = {expected}, not {tuple(state.shape)}")
        if state.dtype != dtype:
            raise ValueError(f"{name} must be of the weights' dtype, {dtype}, not {state.dtype}")
        return state

    def _layer(self, layer: int, x: Tensor, states: tuple[Tensor, ...], sequence: bool) -> tuple[Any, ...]:
        """One layer over (T, B, D), from its states (B, H): its output, (T, B, H), and its last states.

        Without ``sequence`` the output is not asked for, and may be None.
        """
        raise NotImplementedError

    def _run(
        self, input: Tensor, initial: tuple[Tensor | None, ...], sequence: bool = True, **layer_options: Any
    ) -> tuple[Tensor, ...]:
        """All layers: the output and the last states, (L, B, H) each, in the shapes of the input."""
        x, batched = self._time_first(input)
        states = [self._initial(f"{name}_0", state, x.shape[1], batched) for name, state in zip(self.states, initial)]
        ends = []
        for layer in range(self.num_layers):
            wanted = sequence or layer < self.num_layers - 1
            if layer and self.dropout:
                x = F.dropout(x, self.dropout, self.training)
            x, *end = self._layer(layer, x, tuple(state[layer] for state in states), wanted, **layer_options)
            ends.append(end)
        last = (torch.stack(parts) for parts in zip(*ends))
        if not batched:
            return (x.squeeze(1) if sequence else x), *(state.squeeze(1) for state in last)
        return (x.transpose(0, 1) if self.batch_first and sequence else x), *last

    def last_hidden(self, input: Tensor, **layer_options: Any) -> Tensor:
        """h(T) of the last layer, (B, H), from a zero state; the steps before it need not be kept."""
        return self._run(input, (None,) * len(self.states), sequence=False, **layer_options)[1][-1]

    @classmethod
    def from_torch(cls, module: nn.RNNBase) -> Self:
        """A copy of a ``torch.nn`` module: its weights, dtype and device; its two biases summed.

        Raises ValueError for what ours does not do: another recurrence, two directions, projections.
        """
        name = f"{cls.__name__}.from_torch"
        if not isinstance(module, cls.counterpart):
            raise ValueError(f"{name} takes a torch.nn.{cls.counterpart.__name__}, not a {type(module).__name__}")
        for option, allowed in (("bidirectional", False), ("proj_size", 0), ("nonlinearity", "tanh")):
            value = getattr(module, option, allowed)
            if value != allowed:
                raise ValueError(f"{name} takes modules with {option}={allowed!r} only, not {value!r}")
        weight = module.weight_hh_l0
        ours = cls(
            module.input_size,
            module.hidden_size,
            module.num_layers,
            module.bias,
            module.batch_first,
            dropout=module.dropout,
        )
        ours.to(device=weight.device, dtype=weight.dtype)
        with torch.no_grad():
            for layer in range(module.num_layers):
                for part in ("weight_ih", "weight_hh"):
                    getattr(ours, f"{part}_l{layer}").copy_(getattr(module, f"{part}_l{layer}"))
                if module.bias:
                    both = getattr(module, f"bias_ih_l{layer}") + getattr(module, f"bias_hh_l{layer}")
                    getattr(ours, f"bias_l{layer}").copy_(both)
        return ours

    def to_torch(self) -> nn.RNNBase:
        """The ``torch.nn`` module with these weights: bias_ih is our bias, bias_hh is zero."""
        weight = self.weights(0)[1]
        theirs = self.counterpart(
            self.input_size,
            self.hidden_size,
            self.num_layers,
            bias=self.bias,
            batch_first=self.batch_first,
            dropout=self.dropout,
            device=weight.device,
            dtype=weight.dtype,
        )
        with torch.no_grad():
            for layer in range(self.num_layers):
                for part in ("weight_ih", "weight_hh"):
                    getattr(theirs, f"{part}_l{layer}").copy_(getattr(self, f"{part}_l{layer}"))
                if self.bias:
                    getattr(theirs, f"bias_ih_l{layer}").copy_(getattr(self, f"bias_l{layer}"))
                    getattr(theirs, f"bias_hh_l{layer}").zero_()
        return theirs


class RNN(_Recurrent):
    """The vanilla RNN, equation (1), used as ``torch.nn.RNN`` is: ``output, h_n = rnn(input, h_0)``.

    input: (T, B, D), (B, T, D) with batch_first, or (T, D) without a batch; integers (T, B) stand for one-hot vectors.
    h_0, h_n: (L, B, H). output: (T, B, H), the last layer's h(t).
    """

    gates, states, counterpart = 1, ("h",), nn.RNN

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Output and h_n, see the class. Raises ValueError for shapes that do not fit."""
        output, h_n = self._run(input, (hx,))
        return output, h_n

    def _layer(self, layer: int, x: Tensor, states: tuple[Tensor, ...], sequence: bool) -> tuple[Any, ...]:
        (h_0,) = states
        return recurrence.rnn(x, h_0, *self.weights(layer))


class LSTM(_Recurrent):
    """The LSTM, equations (4)-(9), used as ``torch.nn.LSTM`` is: ``output, (h_n, c_n) = lstm(input, (h_0, c_0))``.

    input: (T, B, D), (B, T, D) with batch_first, or (T, D) without a batch; integers (T, B) stand for one-hot vectors.
    h_0, c_0, h_n, c_n: (L, B, H). output: (T, B, H), the last layer's h(t).
    Weights are stacked in torch.nn's order of gates, i, f, g, o, with one bias a gate.
    """

    gates, states, counterpart = 4, ("h", "c"), nn.LSTM

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Output and (h_n, c_n), see the class. Raises ValueError for shapes that do not fit."""
        output, h_n, c_n = self._run(input, hx or (None, None))
        return output, (h_n, c_n)

    def _layer(self, layer: int, x: Tensor, states: tuple[Tensor, ...], sequence: bool) -> tuple[Any, ...]:
        h_0, c_0 = states
        return recurrence.lstm(x, h_0, c_0, *self.weights(layer), backend=self.backend)


class TemporalGateLSTM(LSTM):
    """The LSTM behind a temporal gate, equations (12)-(16): ``output, (h_n, c_n) = lstm(input, (h_0, c_0), times)``.

    Each unit of each layer has its period tau, shift s and open ratio r_on, learned as the logarithm of tau, s, and
    the logit of r_on, so that tau > 0 and 0 < r_on <= 1 whatever the optimiser does. At first tau is log-uniform in
    1…100, s uniform in 0…tau and r_on 0.05, as in the Phased LSTM; :meth:`set_gate` sets others. leak: how far a shut
    gate opens *while training*, alpha phi, so that units that never open get a gradient; in use (``eval()``) it is 0.
    Where it pays, only the units that are open at a step are computed: :func:`rnnreport.recurrence.sparse_pays`.
    """

    def __init__(self, *args: Any, leak: float = 0.0, **options: Any) -> None:
        super().__init__(*args, **options)
        if not 0 <= leak <= 1:
            raise ValueError(f"leak must be a number from 0 to 1, not {leak!r}")
        self.leak = leak
        for layer in range(self.num_layers):
            for name in ("log_tau", "s", "logit_r_on"):
                self.register_parameter(f"{name}_l{layer}", nn.Parameter(torch.zeros(self.hidden_size)))
            self.draw_gate(1, 100, 0.05, layer)

    def draw_gate(self, shortest: float, longest: float, r_on: float, layer: int = 0) -> None:
        """Draw a layer's periods log-uniformly from shortest…longest, > 0, and its shifts uniformly from 0…tau."""
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
            getattr(self, f"log_tau_l{layer}").copy_(values["tau"].log())
            getattr(self, f"s_l{layer}").copy_(values["s"])
            getattr(self, f"logit_r_on_l{layer}").copy_(values["r_on"].logit())

    def gate(self, layer: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """tau, s and r_on of a layer's units, (H,) each, differentiable."""
        log_tau, s, logit_r_on = (getattr(self, f"{name}_l{layer}") for name in ("log_tau", "s", "logit_r_on"))
        return log_tau.exp(), s, logit_r_on.sigmoid()

    def openness(self, times: Tensor, layer: int = 0) -> Tensor:
        """k at the times, (T,) to (T, H) or (T, B) to (T, B, H); with the leak while training."""
        return temporal_gate(times.unsqueeze(-1), *self.gate(layer), self.leak if self.training else 0.0)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None, times: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Output and (h_n, c_n). times: (T,) or (T, B), also with batch_first; 1…T by default."""
        output, h_n, c_n = self._run(input, hx or (None, None), times=times)
        return output, (h_n, c_n)

    def _layer(
        self, layer: int, x: Tensor, states: tuple[Tensor, ...], sequence: bool, times: Tensor | None = None
    ) -> tuple[Any, ...]:
        h_0, c_0 = states
        steps, batch = x.shape[:2]
        if times is None:
            times = torch.arange(1, steps + 1)
        elif tuple(times.shape) not in ((steps,), (steps, batch)):
            raise ValueError(
                f"times must have the shape (T,) = ({steps},) or (T, B) = ({steps}, {batch}), not {tuple(times.shape)}"
            )
        k = self.openness(times.to(h_0), layer)
        if recurrence.sparse_pays(k, batch, self.backend):
            return recurrence.sparse_lstm(x, h_0, c_0, *self.weights(layer), k, sequence, self.backend)
        return recurrence.lstm(x, h_0, c_0, *self.weights(layer), k)

    def to_torch(self) -> nn.RNNBase:
        """The ``torch.nn.LSTM`` with these weights. It has no temporal gate: tau, s and r_on stay behind."""
        return super().to_torch()


RECURRENCES: dict[ModelName, type[RNN] | type[LSTM]] = {
    "rnn": RNN,
    "lstm": LSTM,
    "temporal-gate": TemporalGateLSTM,
}


class PalindromeClassifier(nn.Module):
    """Reads digits, says which one comes next: a recurrence and the output layer (2), (10) on its last h(T).

    encoding: "scalar", one number a digit as the course does, or "one-hot".
    initialisation: "normal" draws every weight and bias from N(0, 0.1), as the report does, 0.1 read as a standard
    deviation, "normal-variance" the same with 0.1 read as a variance; "uniform" as torch.nn does; "orthogonal" and
    "identity" make Whh so (each gate's), the rest as "uniform".
    forget_bias: added to the forget gate's bias. chrono: the longest memory asked for, in steps, for which the gates'
    biases are then drawn: log U(1, chrono - 1) for the forget gate, minus that for the input gate (Tallec and Ollivier
    2018). Raises ValueError for either where there are no gates, and for both at once.
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
    ) -> None:
        super().__init__()
        if model == "rnn" and (forget_bias or chrono is not None):
            raise ValueError("forget_bias must be 0 and chrono None for the RNN, which has no gates")
        if chrono is not None and (chrono < 3 or forget_bias):
            raise ValueError(f"chrono must be at least 3 steps, and forget_bias 0, not {chrono} and {forget_bias}")
        self.encoding = encoding
        self.recurrence: RNN | LSTM | TemporalGateLSTM = RECURRENCES[model](
            1 if encoding == "scalar" else classes, hidden_size, backend=backend
        )
        self.W_ph = nn.Parameter(torch.empty(classes, hidden_size))
        self.b_p = nn.Parameter(torch.empty(classes))
        nn.init.uniform_(self.W_ph, -(hidden_size**-0.5), hidden_size**-0.5)
        nn.init.zeros_(self.b_p)
        weight_ih, weight_hh, bias = self.recurrence.weights(0)
        if initialisation in ("normal", "normal-variance"):
            for parameter in (weight_ih, weight_hh, bias, self.W_ph, self.b_p):
                nn.init.normal_(parameter, std=0.1 if initialisation == "normal" else 0.1**0.5)
        elif initialisation in ("orthogonal", "identity"):
            for block in weight_hh.split(hidden_size):
                (nn.init.orthogonal_ if initialisation == "orthogonal" else nn.init.eye_)(block)
        with torch.no_grad():
            if forget_bias:
                bias.view(-1, hidden_size)[1] += forget_bias
            if chrono is not None:
                input_gate, forget_gate = bias.view(-1, hidden_size)[:2]
                forget_gate.uniform_(1, chrono - 1).log_()
                input_gate.copy_(-forget_gate)

    def encode(self, digits: Tensor) -> Tensor:
        """Digits, integers (T, B), as the numbers that a step reads: (T, B, 1) or, one-hot, (T, B, K)."""
        if self.encoding == "one-hot":
            return F.one_hot(digits, self.recurrence.input_size).to(self.W_ph.dtype)
        return digits.to(self.W_ph.dtype).unsqueeze(-1)

    def forward(self, digits: Tensor) -> Tensor:
        """digits: integers (T, B). Returns the logits p(T): (B, K)."""
        # A recurrence takes integers for one-hot vectors, and looks rows up in place of multiplying.
        h_T = self.recurrence.last_hidden(digits if self.encoding == "one-hot" else self.encode(digits))
        return h_T @ self.W_ph.T + self.b_p  # (2), (10)


class Sequences(NamedTuple):
    """Sequences of numbers at given times.

    x: (T, B, D). times: of the steps, (T,) or, different for each sequence, (T, B), any real numbers; None counts
    1…T. lengths: how many of the T steps belong to each sequence, (B,), the rest being padding; None for all.
    """

    x: Tensor
    times: Tensor | None = None
    lengths: Tensor | None = None

    def to(self, device: str | torch.device) -> Self:
        """The same on that device."""
        times, lengths = (None if part is None else part.to(device) for part in self[1:])
        return type(self)(self.x.to(device), times, lengths)


class SequenceNetwork(nn.Module):
    """Reads sequences of numbers, gives K outputs at the end of each: a recurrence and a linear map of its last h.

    An LSTM reads the time since the step before as a further number where the sequences have times; behind a temporal
    gate, time is what opens the gate. forget_bias: added to the forget gate's bias.
    """

    def __init__(
        self,
        model: Literal["lstm", "temporal-gate"],
        inputs: int,
        outputs: int,
        hidden_size: int = 128,
        timed: bool = False,
        forget_bias: float = 1.0,
        backend: Backend = "torch",
    ) -> None:
        super().__init__()
        self.reads_intervals = timed and model == "lstm"
        self.recurrence = RECURRENCES[model](inputs + self.reads_intervals, hidden_size, backend=backend)
        self.head = nn.Linear(hidden_size, outputs)
        with torch.no_grad():
            self.recurrence.weights(0)[2].view(-1, hidden_size)[1] += forget_bias

    def forward(self, sequences: Sequences) -> Tensor:
        """The outputs, (B, K)."""
        x, times, lengths = sequences
        options: dict[str, Any] = {}
        if self.reads_intervals and times is not None:
            x = torch.cat([x, times.diff(dim=0, prepend=times[:1]).unsqueeze(-1)], -1)
        elif times is not None:
            options["times"] = times
        if lengths is None:
            return self.head(self.recurrence.last_hidden(x, **options))
        h = self.recurrence(x, **options)[0]
        return self.head(h[lengths - 1, torch.arange(len(lengths))])


class CharLSTM(nn.Module):
    """Reads characters, says at every step which one comes next: the assignment's part 3, two layers by default.

    Trained with windows that start from a zero state, or, after :meth:`carry`, from the state that the batch before
    ended in; :meth:`run` carries the state on, for sampling.
    forget_bias: added to the forget gates' biases. dropout: of what a layer hands to the next and to the output layer,
    while training. tied: the first layer sees a character as its row of the output layer's weights (H numbers), in
    place of weights of its own (Press and Wolf 2017).
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
    ) -> None:
        super().__init__()
        self.lstm = LSTM(vocabulary_size, hidden_size, num_layers, backend=backend, dropout=dropout)
        self.head = nn.Linear(hidden_size, vocabulary_size)
        if tied:
            self.lstm.weight_ih_l0 = nn.Parameter(torch.empty(4 * hidden_size, hidden_size))
            nn.init.uniform_(self.lstm.weight_ih_l0, -(hidden_size**-0.5), hidden_size**-0.5)
            parametrize.register_parametrization(self.lstm, "weight_ih_l0", _OfRows(self.head), unsafe=True)
        if forget_bias:
            with torch.no_grad():
                for layer in range(num_layers):
                    self.lstm.weights(layer)[2].view(-1, hidden_size)[1] += forget_bias

    def carry(self, batch_size: int) -> tuple[Tensor, Tensor]:
        """From now on, carry h and c, (L, B, H) each, from one batch of training to the next, from zeros; these two."""
        weight = self.head.weight
        shape = (self.lstm.num_layers, batch_size, self.lstm.hidden_size)
        self.carried = weight.new_zeros(shape), weight.new_zeros(shape)
        return self.carried

    def run(self, symbols: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """symbols: integers (T, B); state: (h, c), (L, B, H) each. Returns logits (T, B, V) and the last state."""
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
    """Input weights, (4H, V), from (4H, H) and the rows of a layer's weights, (V, H)."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layers = (layer,)  # in a tuple, so that this module does not hold the weights a second time

    def forward(self, weight: Tensor) -> Tensor:
        (layer,) = self.layers
        return weight @ layer.weight.T
