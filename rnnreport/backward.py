"""Shared by all hand-written backward passes, in torch operations and in the native kernels."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

Gradients = tuple[Tensor | None, ...]


def once(backward: Callable[..., Gradients]) -> Callable[..., Gradients]:
    """Make a Function's backward pass raise RuntimeError if it is itself differentiated.

    torch's once_differentiable silently returns 0 as second derivative if the incoming gradient requires none.
    """

    @wraps(backward)
    def checked(ctx: Any, *gradients: Tensor | None) -> Gradients:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "a recurrence of rnnreport.recurrence can be differentiated once: create_graph must be False; "
                "for second derivatives, take torch.func of a network, or loop over rnnreport.cells"
            )
        return backward(ctx, *gradients)

    return checked
