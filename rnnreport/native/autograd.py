"""The kernels as functions that autograd can differentiate, once. Importing this builds and loads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from rnnreport.backward import Gradients, once
from rnnreport.native import library

if TYPE_CHECKING:
    from rnnreport.backends import Backend

library.load()
_kernels = torch.ops.rnnreport

fast_bf16: bool = _kernels.fast_bf16()  # whether the processor multiplies bfloat16 faster than float32


def multiplies_bf16(backend: Backend) -> bool:
    """Whether the LSTM's products take bfloat16 factors; their sums are float32 even then, as are states and gates."""
    return backend == "native-bf16" and fast_bf16


def description(backend: Backend) -> str:
    """The description of these kernels in a result's provenance."""
    return library.description("bf16" if multiplies_bf16(backend) else "float32")


def rnn(x: Tensor, h_0: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """As :func:`rnnreport.recurrence.rnn`."""
    return _RNN.apply(x, h_0, weight_ih, weight_hh, bias)


class _RNN(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, h_0: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        _kernels.check_rnn(x, h_0, weight_ih, weight_hh, bias)
        x = x.contiguous()
        h = _kernels.rnn_forward(x, h_0, weight_ih, weight_hh, bias)
        ctx.save_for_backward(x, weight_ih, weight_hh, h)
        ctx.set_materialize_grads(False)
        units = h[..., : len(weight_hh)]
        return units[1:].contiguous(), units[-1].clone(memory_format=torch.contiguous_format)

    @staticmethod
    @once
    def backward(ctx: Any, d_output: Tensor | None, d_h_last: Tensor | None) -> Gradients:
        return _kernels.rnn_backward(d_output, d_h_last, *ctx.saved_tensors, ctx.needs_input_grad[0])


def lstm(
    x: Tensor,
    h_0: Tensor,
    c_0: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor,
    k: Tensor | None = None,
    backend: Backend = "native",
    peepholes: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """As :func:`rnnreport.recurrence.lstm`, or with peepholes (3, H), see :func:`rnnreport.cells.peephole_lstm_step`.

    With k or peepholes the matrix products take float32 factors on every machine.
    """
    return _LSTM.apply(x, h_0, c_0, weight_ih, weight_hh, bias, k, peepholes, multiplies_bf16(backend))


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h_0: Tensor,
        c_0: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias: Tensor,
        k: Tensor | None,
        peepholes: Tensor | None,
        bf16: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        inputs = (x, h_0, c_0, weight_ih, weight_hh, bias, k)
        _kernels.check_lstm(*inputs)
        h, c, *kept = _kernels.lstm_forward(*inputs, peepholes, bf16)
        ctx.save_for_backward(weight_ih, weight_hh, k, peepholes, h, c, *kept)
        ctx.set_materialize_grads(False)
        H = h_0.shape[1]
        ends = (state[-1, :, :H].clone(memory_format=torch.contiguous_format) for state in (h, c))
        return h[1:, :, :H].contiguous(), *ends

    @staticmethod
    @once
    def backward(ctx: Any, d_output: Tensor | None, d_h_last: Tensor | None, d_c_last: Tensor | None) -> Gradients:
        needs_dx = ctx.needs_input_grad[0]
        return *_kernels.lstm_backward(d_output, d_h_last, d_c_last, *ctx.saved_tensors, needs_dx), None


def sparse_lstm(
    x: Tensor,
    h_0: Tensor,
    c_0: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor,
    k: Tensor,
    sequence: bool = True,
) -> tuple[Tensor | None, Tensor, Tensor]:
    """As :func:`rnnreport.recurrence.sparse_lstm`, k (T, H) or (T, B, H). Its factors are float32 on every machine."""
    pass_ = _SparseLSTM if k.dim() == 2 else _SparseSequences
    return pass_.apply(x, h_0, c_0, weight_ih, weight_hh, bias, k, sequence)


class _SparseLSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h_0: Tensor,
        c_0: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias: Tensor,
        k: Tensor,
        sequence: bool,
    ) -> tuple[Tensor | None, Tensor, Tensor]:
        _kernels.check_lstm(x, h_0, c_0, weight_ih, weight_hh, bias, k)
        step, unit = k.nonzero(as_tuple=True)
        openings = torch.bincount(step, minlength=len(k))
        W = torch.cat([weight_hh, weight_ih, bias[:, None]], 1).view(4, k.shape[1], -1).transpose(0, 1).contiguous()
        gate = (x.contiguous(), W, openings, unit, k[step, unit])
        output, h, c, *kept = _kernels.sparse_lstm_forward(gate[0], h_0, c_0, *gate[1:], sequence)
        ctx.save_for_backward(k, step, *gate, h, *kept)
        ctx.set_materialize_grads(False)
        output = None if output is None else output.transpose(1, 2).contiguous()
        return output, h.t().clone(memory_format=torch.contiguous_format), c.t().contiguous()

    @staticmethod
    @once
    def backward(ctx: Any, d_output: Tensor | None, d_h_last: Tensor | None, d_c_last: Tensor | None) -> Gradients:
        k, step, *gate, h, gates, h_old, c_old, c_new = ctx.saved_tensors
        unit = gate[3]
        d_output = None if d_output is None else d_output.transpose(1, 2).contiguous()
        d_h, d_c = (torch.zeros_like(h) if d is None else d.t() for d in (d_h_last, d_c_last))
        dx, dh_0, dc_0, dW, dk_open = _kernels.sparse_lstm_backward(
            d_output, d_h, d_c, *gate, h, gates, h_old, c_old, c_new, ctx.needs_input_grad[0]
        )
        H = len(h)
        dW = dW.permute(2, 1, 0).reshape(4 * H, -1)
        d_weight_hh, d_weight_ih, d_bias = dW.split([H, dW.shape[1] - H - 1, 1], 1)
        dk = torch.zeros_like(k).index_put_((step, unit), dk_open)
        dx = None if dx is None else dx.transpose(1, 2)
        return dx, dh_0.t(), dc_0.t(), d_weight_ih, d_weight_hh, d_bias[:, 0], dk, None


class _SparseSequences(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h_0: Tensor,
        c_0: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias: Tensor,
        k: Tensor,
        sequence: bool,
    ) -> tuple[Tensor | None, Tensor, Tensor]:
        _kernels.check_lstm(x, h_0, c_0, weight_ih, weight_hh, bias, k)
        H, D = k.shape[2], weight_ih.shape[1]
        step, place = k.flatten(1).nonzero(as_tuple=True)
        openings = torch.bincount(step, minlength=len(k))
        zeros = weight_hh.new_zeros(4 * H, -(H + D + 1) % 16)
        W = torch.cat([weight_hh, weight_ih, bias[:, None], zeros], 1).view(4, H, -1).transpose(0, 1).contiguous()
        gate = (W, openings, place, k.flatten(1)[step, place])
        x = x.contiguous()
        output, h, c, *kept = _kernels.sparse_sequences_forward(x, D, h_0, c_0, *gate, sequence)
        ctx.save_for_backward(k, step, x, *gate, h, *kept)
        ctx.set_materialize_grads(False)
        ctx.features = D
        return output, h.clone(), c

    @staticmethod
    @once
    def backward(ctx: Any, d_output: Tensor | None, d_h_last: Tensor | None, d_c_last: Tensor | None) -> Gradients:
        k, step, x, *gate, h, gates, states = ctx.saved_tensors
        d_output = None if d_output is None else d_output.contiguous()
        d_h, d_c = (torch.zeros_like(h) if d is None else d for d in (d_h_last, d_c_last))
        dx, dh_0, dc_0, dW, dk_open = _kernels.sparse_sequences_backward(
            d_output, d_h, d_c, x, ctx.features, *gate, h, gates, states, ctx.needs_input_grad[0]
        )
        H, D = h.shape[1], ctx.features
        dW = dW.transpose(0, 1).reshape(4 * H, -1)
        d_weight_hh, d_weight_ih, d_bias = dW[:, : H + D + 1].split([H, D, 1], 1)
        dk = torch.zeros_like(k.flatten(1)).index_put_((step, gate[2]), dk_open).view_as(k)
        return dx, dh_0, dc_0, d_weight_ih, d_weight_hh, d_bias[:, 0], dk, None


def temporal_gate(t: Tensor, tau: Tensor, s: Tensor, r_on: Tensor, leak: float = 0.0) -> Tensor:
    """As :func:`rnnreport.cells.temporal_gate`, at times of any shape for units (H,): k is (..., H).

    There is no gradient with respect to the times.
    """
    return _TemporalGate.apply(t, tau, s, r_on, leak)


class _TemporalGate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, t: Tensor, tau: Tensor, s: Tensor, r_on: Tensor, leak: float) -> Tensor:
        ctx.leak, times, gate = leak, t.double().flatten(), torch.stack([tau, s, r_on]).double()
        ctx.save_for_backward(times, gate)
        return _kernels.openness(times, gate, leak).view(*t.shape, len(tau))

    @staticmethod
    @once
    def backward(ctx: Any, d_k: Tensor) -> Gradients:
        d_gate = _kernels.openness_backward(d_k, *ctx.saved_tensors, ctx.leak).float()
        return None, *d_gate.unbind(0), None


sample = _kernels.sample  # like _run of rnnreport.sampling
