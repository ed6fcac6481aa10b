"""Optional kernels in C++ that do what :mod:`rnnreport.recurrence` does, faster. Nothing else needs this folder.

They are chosen by ``backend="native"`` or ``"auto"``, see :mod:`rnnreport.backends`; float32 on the CPU only. Matrix
products take bfloat16 factors where the processor multiplies them fast, float32 ones elsewhere; their sums, the states
and the activations are float32 throughout. One thread.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rnnreport.native import library
from rnnreport.recurrence import Gradients, once

library.load()
_kernels = torch.ops.rnnreport

bf16: bool = _kernels.fast_bf16()  # the factors' type, for every call from now on


def description() -> str:
    """What a result's provenance says of these kernels: the factors' type and a hash of the sources."""
    return f"native {'bf16' if bf16 else 'float32'} {library.source_hash()}"


def lstm(
    x: Tensor, h_0: Tensor, c_0: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """As :func:`rnnreport.recurrence.lstm` without k."""
    return _LSTM.apply(x, h_0, c_0, weight_ih, weight_hh, bias)


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, h_0: Tensor, c_0: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        _kernels.check(x, h_0, c_0, weight_ih, weight_hh, bias, None)
        output, gates, c, h, x_rows = _kernels.lstm_forward(x, h_0, c_0, weight_ih, weight_hh, bias, bf16)
        ctx.save_for_backward(x_rows, weight_ih, weight_hh, gates, c, h)
        ctx.set_materialize_grads(False)
        return output, output[-1].clone(), c[-1].clone()

    @staticmethod
    @once
    def backward(ctx: Any, d_output: Tensor | None, d_h_last: Tensor | None, d_c_last: Tensor | None) -> Gradients:
        return _kernels.lstm_backward(d_output, d_h_last, d_c_last, *ctx.saved_tensors, ctx.needs_input_grad[0])


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
    """As :func:`rnnreport.recurrence.sparse_lstm`. Its matrix products take float32 factors everywhere."""
    return _SparseLSTM.apply(x, h_0, c_0, weight_ih, weight_hh, bias, k, sequence)


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
        _kernels.check(x, h_0, c_0, weight_ih, weight_hh, bias, k)
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


sample = _kernels.sample  # as _run of rnnreport.sampling
