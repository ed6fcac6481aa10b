"""What backward passes that are written by hand share, in torch operations and in the native kernels alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

Gradients = tuple[Tensor | None, ...]


def once(backward: Callable[..., Gradients]) -> Callable[..., Gradients]:
    """A Function's backward pass that has no derivative of its own, and says so.

    torch's once_differentiable lets a second derivative pass as 0 where the incoming gradient asks for none.
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
