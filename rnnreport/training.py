"""One training loop for every network and task of the book, with checkpoints that resume to the bit.

A batch is (inputs, targets) from a seeded generator; the model turns inputs into outputs; a measure compares them with
the targets. The loss of :func:`classification`, the mean cross-entropy, is equation (3) or (17)-(18). Nothing here
plots or depends on a task.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from rnnreport import checksums, storage
from rnnreport.configuration import CHECKPOINT, OptimizerName, Recipe, check_device
from rnnreport.errors import ReaderError
from rnnreport.shown import brief

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h

Batches = Callable[[torch.Generator], tuple[Any, Tensor]]  # inputs: a tensor, or an object with its ``to``
# From outputs and targets to the mean loss and the share of correct outputs.
Measure = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

OPTIMIZERS: dict[OptimizerName, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda parameters, lr: torch.optim.SGD(parameters, lr, momentum=0.9),
    "nesterov": lambda parameters, lr: torch.optim.SGD(parameters, lr, momentum=0.9, nesterov=True),
    "rmsprop": torch.optim.RMSprop,  # smoothing 0.99, as the course's default
    "adam": torch.optim.Adam,
}


_log = logging.getLogger("rnnreport")


class TrainingError(ReaderError, RuntimeError):
    """Training that cannot continue; the message is one sentence for the reader."""


class DivergedError(TrainingError):
    """Training whose loss or gradient's norm is not finite. history: the rows until then."""

    history: pd.DataFrame  # set, not passed: an error of a worker comes back with its message as the only argument


def use_one_thread() -> None:
    """Set up this process for training small recurrent nets: one thread, and numbers below 1e-38 flushed to zero.

    A second thread gains little and loses much if anything else runs; run several trainings in parallel instead.
    Denormal gradients, which occur with long sequences, are some 15 times slower than zeros. glibc is set to keep
    the memory that a step frees for the next step, instead of requesting zeroed pages from the system every time.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    with suppress(OSError, AttributeError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        if mallopt(M_MMAP_THRESHOLD, 2**30) or mallopt(M_MMAP_THRESHOLD, 2**25):  # older ones take 32 MB at most
            mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def classification(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy of logits (…, K) and targets, classes (…,), and the share whose largest logit is right."""
    logits, targets = logits.flatten(0, -2), targets.flatten()
    return F.cross_entropy(logits, targets), (logits.detach().argmax(-1) == targets).double().mean()


def train(
    model: nn.Module,
    batches: Batches,
    recipe: Recipe,
    *,
    measure: Measure = classification,
    folder: Path | None = None,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    watch: Callable[[torch.optim.Optimizer], dict[str, float]] | None = None,
    until: Callable[[dict[str, float]], bool] = lambda row: False,
    snapshots: Collection[int] = (),
    carried: Mapping[str, Tensor] = MappingProxyType({}),
    header: Mapping[str, Any] = MappingProxyType({}),
    checkpoint_seconds: float = 30.0,
    on_steps: Callable[[int], None] = lambda steps: None,
) -> pd.DataFrame:
    """Train the model in place and return its history: a row for every ``recipe.record_every`` steps and the last.

    The history has the columns step, loss and accuracy (``measure``, mean over the *training batches* since the
    previous row), seconds since the start (those that the processor spent on it; elapsed ones on another device), and
    the values of ``evaluate(model)``, from step 0 on, and of ``watch(optimizer)``, such as :func:`step_sizes`. Training
    ends early after a row for which ``until(row)`` holds.

    folder: where to keep ``checkpoint.safetensors`` (written with a row once ``checkpoint_seconds`` have passed; a run
    that finds one resumes from it, with the same result as without the interruption on the same kind of processor)
    and ``weights-<step>.safetensors`` for every step in ``snapshots``. If an earlier run's files cannot be read, the
    log says so and the run starts anew. carried: tensors that the model or the batches change in place from step to
    step, such as carried states; they belong to the checkpoint. header: metadata of checkpoint and weights, see
    :func:`load_weights`. on_steps: called with the number of steps done since its last call, for a progress bar.
    Raises DivergedError if the loss or the gradient's norm is not finite, TrainingError if the checkpoint is of another
    run.
    """
    device = check_device(recipe.device)
    model.to(device).train()
    optimizer = OPTIMIZERS[recipe.optimizer](model.parameters(), lr=recipe.learning_rate)
    generator = torch.Generator().manual_seed(recipe.seed)
    training = _Training(recipe, model, optimizer, generator, carried, header)
    checkpoint = folder / CHECKPOINT if folder else None
    step, seconds = 0, 0.0
    rows: list[dict[str, float]] = []
    if folder:
        storage.clear(folder)
    if checkpoint and (found := _left(checkpoint, snapshots)):
        step, rows, seconds = _resume(checkpoint, *found, training)
        on_steps(step)
    elif evaluate:
        rows.append({"step": 0, "loss": math.nan, "accuracy": math.nan, "seconds": 0.0, **_evaluated(model, evaluate)})
    if folder and step == 0 and 0 in snapshots:
        save_weights(model, folder / "weights-0.safetensors", header)

    clock = time.process_time if device.type == "cpu" else time.monotonic
    losses, hits, saved, started = [], [], time.monotonic(), clock() - seconds
    while step < recipe.steps and not (rows and until(rows[-1])):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        inputs, targets = (part.to(device) for part in batches(generator))
        loss, right = measure(model(inputs), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        step += 1
        losses.append(loss.item())
        hits.append(right.item())
        for what, value in (("loss", losses[-1]), ("gradient's norm", norm.item())):
            if not math.isfinite(value):
                diverged = DivergedError(
                    f"the {what} became {value} at step {step} of {recipe.steps} (learning rate "
                    f"{recipe.learning_rate}); a smaller learning_rate or clip_norm may help"
                )
                diverged.history = pd.DataFrame(rows)
                raise diverged
        optimizer.step()
        if step in snapshots and folder:
            save_weights(model, folder / f"weights-{step}.safetensors", header)
        if step % recipe.record_every == 0 or step == recipe.steps:
            row = {"step": step, "loss": sum(losses) / len(losses), "accuracy": sum(hits) / len(hits)}
            row |= {"seconds": clock() - started, **_evaluated(model, evaluate)}
            rows.append(row | watch(optimizer) if watch else row)
            on_steps(len(losses))
            losses, hits = [], []
            if checkpoint and (time.monotonic() - saved > checkpoint_seconds or step == recipe.steps):
                _save(checkpoint, step, rows, training)
                saved = time.monotonic()
    model.eval()
    return pd.DataFrame(rows).astype({"step": int})


def step_sizes(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """The size of the optimizer's last step over all parameters, for ``OPTIMIZERS``; needs the step's gradients.

    effective_rate: the median over parameters of the factor on a constant gradient: for SGD the learning rate, with
    momentum that over (1 - momentum), for RMSprop and Adam that over the root of the parameter's mean squared gradient;
    effective_rate_low and _high: its first and last deciles. update: the root mean square of the step.
    """
    rates, updates = [], []
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state, gradient = optimizer.state[parameter], parameter.grad
            if "exp_avg_sq" in state:  # Adam, its running means corrected for their start at zero
                first, second = (1 - beta ** float(state["step"]) for beta in group["betas"])
                rate = group["lr"] / ((state["exp_avg_sq"] / second).sqrt() + group["eps"])
                updates.append(rate * state["exp_avg"] / first)
            elif "square_avg" in state:  # RMSprop
                rate = group["lr"] / (state["square_avg"].sqrt() + group["eps"])
                updates.append(rate * gradient)
            else:
                momentum, running = group["momentum"], state.get("momentum_buffer", gradient)
                rate = torch.full_like(gradient, group["lr"] / (1 - momentum))
                updates.append(group["lr"] * (gradient + momentum * running if group["nesterov"] else running))
            rates.append(rate.flatten())
    ordered = torch.cat(rates).sort().values
    low, median, high = (ordered[round(share * (len(ordered) - 1))].item() for share in (0.1, 0.5, 0.9))
    update = torch.cat([update.flatten() for update in updates]).square().mean().sqrt().item()
    return {"effective_rate": median, "effective_rate_low": low, "effective_rate_high": high, "update": update}


def save_weights(model: nn.Module, path: Path, header: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Write the model's parameters and a header to a safetensors file, whole or not at all."""
    _write(path, {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}, header)


def load_weights(model: nn.Module, path: Path, header: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Read the model's parameters from a file of :func:`save_weights`.

    Raises TrainingError if the file is damaged, does not match its folder's manifest, belongs to another network, or
    has another header, such as another vocabulary.
    """
    tensors, found = _read(path)
    try:
        checksums.verify(path)
    except checksums.DamagedError as error:
        raise TrainingError(str(error)) from error
    _check_header(path, found, header)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise TrainingError(f"{path} does not hold the weights of this {type(model).__name__}") from error


def is_readable(path: Path) -> bool:
    """Whether the file is an undamaged checkpoint or weights file."""
    try:
        _read(path)
    except TrainingError:
        return False
    return True


def _evaluated(model: nn.Module, evaluate: Callable[[nn.Module], dict[str, float]] | None) -> dict[str, float]:
    if evaluate is None:
        return {}
    model.eval()
    with torch.inference_mode():
        values = evaluate(model)
    model.train()
    return values


class _Training(NamedTuple):
    """A training's settings, and all state that its steps change."""

    recipe: Recipe
    model: nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    carried: Mapping[str, Tensor]
    header: Mapping[str, Any]


def _save(path: Path, step: int, rows: list[dict[str, float]], training: _Training) -> None:
    """Write everything the next step depends on to one file of tensors with a JSON header."""
    recipe, model, optimizer, generator, carried, header = training
    tensors = {f"model.{name}": tensor.detach() for name, tensor in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items() if value is not None}
    tensors |= {"generator": generator.get_state(), "global_generator": torch.get_rng_state()}
    if (device := next(model.parameters()).device).type == "cuda":  # dropout draws from the device's own generator
        tensors["cuda_generator"] = torch.cuda.get_rng_state(device)
    tensors |= {f"carried.{name}": tensor for name, tensor in carried.items()}
    history = pd.DataFrame(rows)
    tensors |= {f"history.{name}": torch.tensor(history[name].to_numpy(float)) for name in history}
    _write(path, tensors, {"step": step, "recipe": recipe.written(), "columns": list(history), **header})


def _left(path: Path, snapshots: Collection[int]) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The checkpoint that a training left; None if there is none, or if one of that training's files cannot be read."""
    if not path.exists():
        return None
    try:
        tensors, header = _read(path)
        for step in snapshots:
            if step <= header.get("step", -1):
                _read(path.with_name(f"weights-{step}.safetensors"))
    except TrainingError as error:
        aside = path.with_suffix(".aside")
        storage.put(path, aside)
        _log.warning("%s; the training starts anew, its checkpoint is put aside as %s", error, aside.name)
        return None
    return tensors, header


def _resume(
    path: Path, tensors: dict[str, Tensor], found: dict[str, Any], training: _Training
) -> tuple[int, list[dict[str, float]], float]:
    """Restore everything that :func:`_save` wrote; returns step, rows and seconds of the run. Raises TrainingError."""
    recipe, model, optimizer, generator, carried, header = training
    try:
        _check_header(path, found, header)
    except TrainingError as error:
        raise TrainingError(f"{error}; delete it to start anew") from error
    # Older checkpoints lack some settings: those take their default values.
    if (
        found.get("recipe") is None
        or {**Recipe(steps=recipe.steps).model_dump(), **found["recipe"]} != recipe.model_dump()
        or found["step"] > recipe.steps
    ):
        which = f"{found.get('recipe')}, step {found.get('step')}"
        raise TrainingError(f"{path} belongs to another run ({which}); delete it to start anew")
    parts: dict[str, dict[str, Any]] = {"model": {}, "optimizer": {}, "history": {}, "carried": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[rest] = tensor
    shapes, wanted = ({name: tuple(part.shape) for name, part in some.items()} for some in (parts["carried"], carried))
    if shapes != wanted:
        raise TrainingError(f"{path} carries {shapes} from step to step, not {wanted}; delete it to start anew")
    try:
        model.load_state_dict(parts["model"])
    except RuntimeError as error:
        raise TrainingError(f"{path} is of another network than this; delete it to start anew") from error
    whole = optimizer.state_dict()
    for name, tensor in parts["optimizer"].items():
        index, _, key = name.partition(".")
        whole["state"].setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict(whole)
    generator.set_state(tensors["generator"])
    if "global_generator" in tensors:
        torch.set_rng_state(tensors["global_generator"])
    if "cuda_generator" in tensors:
        torch.cuda.set_rng_state(tensors["cuda_generator"], recipe.device)
    for name, tensor in carried.items():
        tensor.copy_(parts["carried"][name])
    rows = pd.DataFrame({name: parts["history"][name].numpy() for name in found["columns"]}).to_dict("records")
    return found["step"], rows, rows[-1]["seconds"]  # type: ignore[return-value]


def _check_header(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        if found.get(name) != value:
            raise TrainingError(f"{path} has another {name} than this: {brief(found.get(name))}, not {brief(value)}")


def _write(path: Path, tensors: dict[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors, a JSON header and a hash of both to one file, whole or not at all; equal input, equal bytes."""
    words = {name: json.dumps(value) for name, value in header.items()}
    words["sha256"] = _digest(tensors, words)
    data = save(tensors)
    end = 8 + int.from_bytes(data[:8], "little")
    # safetensors writes the metadata in a different order every time
    head = json.dumps({"__metadata__": dict(sorted(words.items())), **json.loads(data[8:end])}).encode()
    head += b" " * (-len(head) % 8)
    checksums.write(path, len(head).to_bytes(8, "little") + head + data[end:])


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The content of a file of :func:`_write`. Raises TrainingError if the file is damaged."""
    try:
        with safe_open(path, "pt") as file:
            words = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"{path} does not hold tensors that can be read ({error})") from error
    if words.pop("sha256", None) != _digest(tensors, words):
        raise TrainingError(f"{path} does not hold what was written into it: its content has another hash")
    return tensors, {name: json.loads(text) for name, text in words.items()}


def _digest(tensors: dict[str, Tensor], words: dict[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
