"""What decides whether a derivation is right: PyTorch's autograd, differences that need no calculus, and a distance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def by_autograd(function: Callable[..., Tensor], *at: Tensor) -> tuple[Tensor, ...]:
    """The derivative of ``function(*at)`` by each of its tensors, by PyTorch's autograd.

    The derivative by one tensor has the shape of the function's value followed by that of the tensor; for a loss, which
    has no dimensions, that of the tensor.
    """
    return torch.autograd.functional.jacobian(function, tuple(tensor.detach() for tensor in at))


def by_differences(function: Callable[..., Tensor], *at: Tensor, step: float = 1e-5) -> tuple[Tensor, ...]:
    """The same by central differences, moving one entry at a time by ± step: good to about step².

    All entries of a tensor are moved side by side (``torch.vmap``), so the function must not write into its tensors.
    """

    def by(place: int) -> Tensor:
        def moved(by: Tensor) -> Tensor:
            return function(*at[:place], at[place] + by, *at[place + 1 :])

        shape = at[place].shape
        moves = step * torch.eye(at[place].numel(), dtype=at[place].dtype).view(-1, *shape)
        slopes = torch.vmap(lambda move: moved(move) - moved(-move), chunk_size=256)(moves) / (2 * step)
        return slopes.movedim(0, -1).reshape((*slopes.shape[1:], *shape))

    with torch.no_grad():
        return tuple(by(place) for place in range(len(at)))


def relative_difference(value: Tensor, reference: Tensor) -> float:
    """‖value - reference‖ / ‖reference‖ over all entries; 0 where both are zero, inf where only the reference is."""
    difference, scale = float((value - reference).norm()), float(reference.norm())
    if scale == 0:
        return 0.0 if difference == 0 else float("inf")
    return difference / scale
