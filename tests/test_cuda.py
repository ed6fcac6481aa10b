"""That ``device`` may be ``cuda``: the numbers are those of the CPU, and a training resumes to the bit."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
import torch
from torch import nn

from rnnreport import build
from rnnreport.experiments.palindromes import PalindromeRun, train_palindromes
from rnnreport.models import LSTM, RNN, CharLSTM, PalindromeClassifier, TemporalGateLSTM
from rnnreport.training import Recipe, check_device, train

# No machine of CI has one, so that this is skipped there too.
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")

DEVICE = "cuda"
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when the device is first used
BACKENDS = ("torch", "auto", "native")
MODELS: dict[str, Callable[[str], nn.Module]] = {
    "RNN": lambda backend: RNN(4, 5, num_layers=2, dtype=torch.float64, backend=backend),
    "LSTM": lambda backend: LSTM(4, 5, num_layers=2, dtype=torch.float64, backend=backend),
    "temporal gate": lambda backend: TemporalGateLSTM(4, 5, dtype=torch.float64, backend=backend),
}


def on(device: str, model: nn.Module, *inputs: torch.Tensor) -> list[torch.Tensor]:
    """What comes out on that device, and the gradients of its sum."""
    model = copy.deepcopy(model).to(device)
    moved = [value.to(device).requires_grad_(value.is_floating_point()) for value in inputs]
    found = model(*moved)
    parts = [found] if isinstance(found, torch.Tensor) else [found[0], *torch.utils._pytree.tree_leaves(found[1])]
    asked = [weight for weight in model.parameters() if weight.requires_grad]
    asked += [value for value in moved if value.requires_grad]
    gradients = torch.autograd.grad(sum((part * torch.cos(part)).sum() for part in parts), asked)
    assert {part.device.type for part in (*parts, *gradients)} == {device}
    return [part.cpu() for part in (*parts, *gradients)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", MODELS)
def test_values_and_gradients_are_those_of_the_cpu(name: str, backend: str) -> None:
    torch.manual_seed(0)
    model, x = MODELS[name](backend), torch.randn(30, 3, 4, dtype=torch.float64)
    for found, expected in zip(on(DEVICE, model, x), on("cpu", model, x), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("model", ["rnn", "lstm", "temporal-gate"])
@pytest.mark.parametrize("encoding", ["scalar", "one-hot"])
def test_logits_and_gradients_of_a_classifier_are_those_of_the_cpu(model: Any, encoding: Any) -> None:
    torch.manual_seed(0)
    network = PalindromeClassifier(model, 16, encoding=encoding)
    digits = torch.randint(10, (19, 8))
    for found, expected in zip(on(DEVICE, network, digits), on("cpu", network, digits), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.fixture
def in_order() -> Iterator[None]:
    """Sums are added up in one order, which otherwise is left to the device."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def characters(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Batches of a text that can be learned: each character is the one before it plus one."""
    first = torch.randint(7, (1, 16), generator=generator)
    text = (first + torch.arange(13)[:, None]) % 7
    return text[:-1], text[1:]


def trained(folder: Path | None = None, device: str = DEVICE, dropout: float = 0.3, cut: int = 0) -> tuple[Any, Any]:
    """History and network of a training; cut: the step in which it is interrupted."""
    torch.manual_seed(3)
    model, steps = CharLSTM(7, 24, num_layers=2, dropout=dropout), 0

    def batches(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal steps
        steps += 1
        if steps == cut:
            raise KeyboardInterrupt
        return characters(generator)

    recipe = Recipe(steps=40, learning_rate=0.02, optimizer="adam", record_every=5, clip_norm=5.0, device=device)
    return train(model, batches, recipe, folder=folder, checkpoint_seconds=-1), model


def test_a_training_learns_what_it_learns_on_the_cpu() -> None:
    """Rounding differs, and dropout is another generator's: without it the curves stay close for a while."""
    (here, _), (there, _) = trained(dropout=0), trained(dropout=0, device="cpu")
    assert here["loss"].to_list()[:4] == pytest.approx(there["loss"].to_list()[:4], rel=1e-3)
    assert here["loss"].iloc[-1] < 0.5 < 1.5 < here["loss"].iloc[0]


@pytest.mark.parametrize("cut", [6, 11, 23])
def test_a_training_with_dropout_that_is_cut_ends_as_if_it_had_not_been(
    in_order: None, tmp_path: Path, cut: int
) -> None:
    whole, model = trained()
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, cut=cut)
    assert (tmp_path / "checkpoint.safetensors").exists()
    torch.cuda.manual_seed_all(99)  # another process's generator
    found, again = trained(tmp_path)
    pd.testing.assert_frame_equal(found.drop(columns="seconds"), whole.drop(columns="seconds"), check_exact=True)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_a_run_on_palindromes_is_the_same_twice(in_order: None, tmp_path: Path) -> None:
    recipe = Recipe(steps=20, record_every=5, device=DEVICE)
    run = PalindromeRun(model="lstm", length=6, hidden_size=16, batch_size=16, test_palindromes=200, recipe=recipe)
    tables = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        tables.append(train_palindromes(run, tmp_path / name, lambda steps: None).drop(columns="seconds"))
    pd.testing.assert_frame_equal(*tables, check_exact=True)


@pytest.mark.parametrize("chapter", ["02_rnn_versus_lstm", "03_temporal_gate", "04_text_generation"])
def test_a_chapter_runs_on_it(chapter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNREPORT_RUNS_DIR", str(tmp_path / "runs"))
    values = build.parameters(chapter) | {"device": DEVICE}
    build.check(chapter, values)
    output = tmp_path / "chapter.ipynb"
    build.execute(chapter, values, output)
    shown = [cell for cell in nbformat.read(output, as_version=4).cells if "report-figure" in str(cell.get("outputs"))]
    assert len(shown) > 5
    assert any((tmp_path / "runs").glob("*/run.json"))


def test_it_is_named_where_a_device_can_be_chosen() -> None:
    assert check_device(DEVICE).type == "cuda"
    count = torch.cuda.device_count()
    assert check_device(f"cuda:{count - 1}").index == count - 1
    with pytest.raises(
        ValueError, match=rf"must be one that this machine has \(1 cpu, {count} cuda, .*not 'cuda:{count}'"
    ):
        check_device(f"cuda:{count}")
