"""The native kernels against the torch recurrences, and the ways in which a machine may be unable to have them.

Compiled once into the user's cache, or into the folder that RNNREPORT_NATIVE_DIR names.
"""

import importlib
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pooch
import pytest
import torch
from conftest import ROOT, eventually, posix, require
from hypothesis import given, settings
from hypothesis import strategies as st
from test_recurrence import FORMS, assert_same, behind_a_gate, by_steps, gated, gradients, problem

from rnnreport import backends, recurrence
from rnnreport.backends import in_use, kernels
from rnnreport.cells import temporal_gate
from rnnreport.models import LSTM, RNN, CharLSTM, TemporalGateLSTM
from rnnreport.sampling import sample

quickly = settings(max_examples=40, deadline=None)
SIZES = st.tuples(*[st.integers(1, 7)] * 4)  # T, B, D, H
SINGLE = torch.float32


@pytest.fixture(scope="module")
def compiled():
    """The kernels as this machine uses them."""
    require(shutil.which(os.environ.get("CXX", "c++")), "no C++ compiler on this machine")
    return importlib.import_module("rnnreport.native.autograd")


@pytest.fixture
def rounding(compiled, monkeypatch):
    """The LSTM with bfloat16 factors, also where they are slow, as long as the processor can multiply them."""
    monkeypatch.setattr(compiled, "fast_bf16", True)

    def lstm(*inputs):
        return compiled.lstm(*inputs, backend="native-bf16")

    try:
        lstm(*problem("lstm", dtype=SINGLE))
    except RuntimeError as error:  # also in CI: nothing can be installed that would change it
        pytest.skip(f"this processor does not multiply bfloat16 ({error})")
    return lstm


# Values and gradients


def both(native, form):
    """A dense kernel and its torch counterpart."""
    return (native.rnn, recurrence.rnn) if form == "rnn" else (native.lstm, recurrence.lstm)


@pytest.mark.parametrize("symbols", [False, True], ids=["features", "symbols"])
@pytest.mark.parametrize("form", FORMS)
@quickly
@given(SIZES, st.integers(0, 2**32))
def test_values_and_gradients_equal_those_of_torch(compiled, form, symbols, sizes, seed):
    inputs = problem(form, *sizes, symbols=symbols, dtype=SINGLE, seed=seed)
    found, expected = (run(*inputs) for run in both(compiled, form))
    assert_same(found, expected, 1e-5)
    assert_same(gradients(found, inputs), gradients(expected, inputs), 1e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sizes", [(6, 3, 4, 5), (1, 1, 1, 1), (4, 2, 3, 20)], ids=str)
def test_values_and_gradients_equal_those_of_the_cells(compiled, form, sizes):
    inputs = problem(form, *sizes, dtype=SINGLE)
    found, expected = both(compiled, form)[0](*inputs), by_steps(form, inputs)
    assert_same(found, expected, 1e-5)
    assert_same(gradients(found, inputs), gradients(expected, inputs), 1e-5)


@pytest.mark.parametrize("form", [form for form in FORMS if form != "rnn"])
@quickly
@given(st.tuples(*[st.integers(1, 7)] * 3, st.integers(1, 20)), st.integers(0, 2**32))
def test_peepholes_equal_those_of_the_cells(compiled, form, sizes, seed):
    inputs = problem(form, *sizes, dtype=SINGLE, seed=seed)
    peepholes = torch.randn(3, sizes[-1], generator=torch.Generator().manual_seed(seed)).requires_grad_()
    found, expected = compiled.lstm(*inputs, peepholes=peepholes), by_steps(form, inputs, peepholes)
    assert_same(found, expected, 1e-5)
    every = [*inputs, peepholes]
    assert_same(gradients(found, every), gradients(expected, every), 1e-5)


@pytest.mark.parametrize("symbols", [False, True], ids=["features", "symbols"])
@pytest.mark.parametrize("kind", [LSTM, TemporalGateLSTM])
def test_a_network_with_peepholes_equals_that_without_kernels(compiled, kind, symbols):
    torch.manual_seed(0)
    native, torchs = (kind(5, 20, 2, peepholes=True, backend=backend) for backend in ("native", "torch"))
    torchs.load_state_dict(native.state_dict())
    x = torch.randint(5, (7, 3)) if symbols else torch.randn(7, 3, 5)
    (one, last), (other, expected) = native(x), torchs(x)
    assert_same([one, *last], [other, *expected], 1e-5)
    one.square().mean().backward()
    other.square().mean().backward()
    assert_same([p.grad for p in native.parameters()], [p.grad for p in torchs.parameters()], 1e-6)


@pytest.mark.parametrize("kind", [RNN, LSTM])
def test_a_network_equals_that_of_torch_nn(compiled, kind):
    torch.manual_seed(0)
    x = torch.randn(7, 3, 5)
    theirs = kind.counterpart(5, 20, 2)
    ours = kind.from_torch(theirs, backend="native")
    output, expected = ours(x)[0], theirs(x)[0]
    assert_same([output], [expected], 1e-5)
    output.square().mean().backward()
    expected.square().mean().backward()
    pairs = [(our.grad, theirs.grad) for our, pair in ours._pairs(theirs) for theirs in pair]
    assert_same([one for one, _ in pairs], [other for _, other in pairs], 1e-6)


@pytest.mark.parametrize("symbols", [False, True], ids=["features", "symbols"])
@quickly
@given(st.tuples(st.integers(1, 20), *[st.integers(1, 7)] * 3), st.integers(0, 2**32))
def test_the_sparse_gate_equals_torch(compiled, symbols, sizes, seed):
    inputs = problem("gated by unit", *sizes, symbols=symbols, dtype=SINGLE, seed=seed)
    found, expected = compiled.sparse_lstm(*inputs), recurrence.sparse_lstm(*inputs)
    assert_same(found, expected, 1e-5)
    assert_same(gradients(found, inputs), gradients(expected, inputs), 1e-5)


@pytest.mark.parametrize("symbols", [False, True], ids=["features", "symbols"])
@quickly
@given(st.tuples(st.integers(1, 20), *[st.integers(1, 7)] * 3), st.integers(0, 2**32))
def test_the_sparse_gate_of_each_sequence_equals_torch(compiled, symbols, sizes, seed):
    """But for the gradient by k where k = 0, which is left out."""
    inputs = problem("gated by sequence", *sizes, symbols=symbols, dtype=SINGLE, seed=seed)
    found, expected = compiled.sparse_lstm(*inputs), recurrence.lstm(*inputs)
    assert_same(found, expected, 1e-5)
    *others, d_k = gradients(expected, inputs)
    assert_same(gradients(found, inputs), [*others, d_k.where(inputs[-1] != 0, 0)], 1e-5)
    output, *last = compiled.sparse_lstm(*inputs, sequence=False)
    assert output is None
    assert_same(last, found[1:], 0)


def test_the_sparse_gate_can_leave_the_sequence_out(compiled):
    inputs = behind_a_gate(12, 3, 4, 5, dtype=SINGLE)
    output, *last = gated(compiled.sparse_lstm, inputs, sequence=False)
    assert output is None
    expected = gated(recurrence.lstm, inputs)[1:]
    assert_same(last, expected, 1e-5)
    assert_same(gradients(last, inputs), gradients(expected, inputs), 1e-5)


def test_a_gate_that_never_opens_passes_state_and_gradient_on(compiled):
    x, h_0, c_0, *weights = problem("lstm", 3, 2, 4, 5, dtype=SINGLE)
    h, h_last, c_last = compiled.sparse_lstm(x, h_0, c_0, *weights, torch.zeros(3, 5))
    assert torch.equal(h, h_0.expand_as(h))
    d_h, d_c = torch.autograd.grad(h_last.sum() + 2 * c_last.sum(), [h_0, c_0])
    assert torch.equal(d_h, torch.ones_like(h_0))
    assert torch.equal(d_c, torch.full_like(c_0, 2))


@pytest.mark.parametrize("symbols", [False, True], ids=["features", "symbols"])
@pytest.mark.parametrize("sizes", [(30, 64, 87, 128), (5, 300, 70, 33), (300, 1, 3, 17)], ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_gradients_equal_those_in_float64(compiled, form, symbols, sizes):
    """Sizes that fill the kernels' panels and leave odd ends. Gradients add up over T and B: compared by their norm."""
    double = problem(form, *sizes, symbols=symbols)
    run, oracle = both(compiled, form)
    single = [value.detach().to(value if value.dtype == torch.int64 else SINGLE) for value in double]
    for value in single:
        value.requires_grad_(value.is_floating_point())
    found = gradients(run(*single), single)
    for one, other in zip(found, gradients(oracle(*double), double), strict=True):
        assert (one.double() - other).norm() <= 1e-5 * other.norm()


class Rounded(torch.autograd.Function):
    """a b in float64, of factors rounded to bfloat16, also in the backward pass."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a.bfloat16().double() @ b.bfloat16().double()

    @staticmethod
    def backward(ctx, d):
        a, b = (factor.bfloat16().double() for factor in ctx.saved_tensors)
        d = d.bfloat16().double()
        return d @ b.t(), a.t() @ d


def rounded_lstm(x, h, c, weight_ih, weight_hh, bias):
    """The LSTM's steps under autograd, as the kernels with bfloat16 factors do them."""
    outputs = []
    for x_t in x:
        into = Rounded.apply(x_t, weight_ih.t()) if x.is_floating_point() else weight_ih.t()[x_t]
        i, f, g, o = (into + Rounded.apply(h, weight_hh.t()) + bias).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        outputs.append(h)
    return torch.stack(outputs), h, c


@pytest.mark.parametrize("symbols", [False, True], ids=["features", "symbols"])
@pytest.mark.parametrize("sizes", [(5, 3, 3, 7), (1, 1, 1, 1), (6, 4, 8, 6)], ids=str)
def test_bfloat16_rounds_the_factors_and_nothing_else(rounding, symbols, sizes):
    """Equal to 1e-5 where float32 and float64 round each factor to the same side, which is so in nearly every draw.

    Where one is rounded to the other side it is off by its distance to the next bfloat16, 2^-8 of it at most.
    """
    worst = []
    for seed in range(15):
        double = problem("lstm", *sizes, symbols=symbols, seed=seed)
        single = [value.detach().to(value if value.dtype == torch.int64 else SINGLE) for value in double]
        for value in single:
            value.requires_grad_(value.is_floating_point())
        double = [value.detach().double().requires_grad_() if value.is_floating_point() else value for value in single]
        outputs, expected = rounding(*single), rounded_lstm(*double)
        pairs = zip((*outputs, *gradients(outputs, single)), (*expected, *gradients(expected, double)), strict=True)
        worst.append(max(((one - other).abs().max() / (1 + other.abs().max())).item() for one, other in pairs))
    assert sorted(worst)[len(worst) // 2] <= 1e-5
    assert max(worst) <= 2**-8


@pytest.mark.parametrize("symbols", [False, True], ids=["features", "symbols"])
def test_bfloat16_costs_what_its_rounding_explains(rounding, symbols):
    """Each factor is off by 2^-9 of itself at most, so each product of two by 2^-8: in norm no result by more."""
    inputs = problem("lstm", 30, 64, 87, 128, symbols=symbols, dtype=SINGLE)
    outputs, expected = rounding(*inputs), recurrence.lstm(*inputs)
    found = (*outputs, *gradients(outputs, inputs))
    for one, other in zip(found, (*expected, *gradients(expected, inputs)), strict=True):
        assert (one - other).norm() <= 2**-8 * other.norm()


def kernels_with_inputs(native):
    """Each kernel with its torch counterpart and inputs."""
    inputs = {form: problem(form, 3, 2, 4, 5, dtype=SINGLE) for form in FORMS}
    dense = [(*both(native, form), inputs[form]) for form in FORMS]
    by_unit = (native.sparse_lstm, recurrence.sparse_lstm, inputs["gated by unit"])
    open_ = [value.detach() for value in inputs["gated by sequence"]]  # everywhere: no gradient by k is left out
    open_[-1] = open_[-1].clamp_min(0.1)
    return *dense, by_unit, (native.sparse_lstm, recurrence.lstm, [value.requires_grad_() for value in open_])


def test_inputs_need_not_be_contiguous(compiled):
    for run, _, inputs in kernels_with_inputs(compiled):
        strided = []
        for value in inputs:
            scattered = torch.full((*value.shape, 2), 7.0)[..., 0].movedim(0, -1).contiguous()
            strided.append(scattered.movedim(-1, 0).copy_(value.detach()).requires_grad_())
        found, expected = run(*strided), run(*inputs)
        assert_same(found, expected, 1e-6)
        assert_same(gradients(found, strided), gradients(expected, inputs), 1e-6)


def test_expanded_inputs_and_expanded_gradients(compiled):
    x, *others = problem("gated by unit", 3, 1, 4, 5, dtype=SINGLE)
    wide = [x.expand(3, 3, 4), *(state.expand(3, 5) for state in others[:2]), *others[2:]]
    leaves = [x, *others]
    for name, count in (("lstm", 6), ("lstm", 7), ("sparse_lstm", 7)):
        found, expected = (
            torch.autograd.grad(getattr(where, name)(*wide[:count])[0].sum(), leaves[:count])
            for where in (compiled, recurrence)
        )
        assert_same(found, expected, 1e-5)
    (x, h_0, *weights) = problem("rnn", 3, 1, 4, 5, dtype=SINGLE)
    found, expected = (
        torch.autograd.grad(where.rnn(x.expand(3, 3, 4), h_0.expand(3, 5), *weights)[0].sum(), [x, h_0, *weights])
        for where in (compiled, recurrence)
    )
    assert_same(found, expected, 1e-5)


@pytest.mark.parametrize("used", [0, 1, -1], ids=["h alone", "h(T) alone", "the last alone"])
def test_a_loss_may_look_at_one_output_only(compiled, used):
    for run, oracle, inputs in kernels_with_inputs(compiled):
        found, expected = (torch.autograd.grad(f(*inputs)[used].sum(), inputs) for f in (run, oracle))
        assert_same(found, expected, 1e-5)


def test_only_what_asks_for_a_gradient_gets_one(compiled):
    for run, _, inputs in kernels_with_inputs(compiled):
        values = [value.detach() for value in inputs]
        assert not any(part.requires_grad for part in run(*values))
        values[-2].requires_grad_()
        run(*values)[0].sum().backward()
        assert [value.grad is not None for value in values] == [value.requires_grad for value in values]


@pytest.mark.parametrize("sizes", [(3, 2, 4, 5), (3, 1, 1, 1)], ids=str)
def test_inputs_are_left_as_they_were_and_the_backward_pass_may_run_twice(compiled, sizes):
    sparse = [(compiled.sparse_lstm, form) for form in FORMS[2:]]
    for run, form in (*((both(compiled, form)[0], form) for form in FORMS), *sparse):
        inputs = problem(form, *sizes, dtype=SINGLE)
        before = [value.detach().clone() for value in inputs]
        total = sum(part.sum() for part in run(*inputs))
        first = torch.autograd.grad(total, inputs, retain_graph=True)
        for one, other in zip(first, torch.autograd.grad(total, inputs), strict=True):
            assert torch.equal(one, other)
        for value, old in zip(inputs, before, strict=True):
            assert torch.equal(value, old)


def test_a_second_derivative_is_refused(compiled):
    for run, _, inputs in kernels_with_inputs(compiled):
        with pytest.raises(RuntimeError, match="differentiated once: create_graph must be False"):
            torch.autograd.grad(run(*inputs)[1].sum(), inputs[:1], create_graph=True)


def test_what_is_no_number_stays_none(compiled):
    for run, oracle, inputs in kernels_with_inputs(compiled):
        x, *others = (value.detach() for value in inputs)
        x[1, 0, 0] = torch.nan
        expected = oracle(x, *others)[0].isnan()
        assert torch.equal(run(x, *others)[0].isnan(), expected)
        assert expected.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, h, c, *w: (x[:, :, :3], h, c, *w), "D = 4"),
        (lambda x, h, c, *w: (x[:, :1], h, c, *w), "2 > 0 sequences"),
        (lambda x, h, c, *w: (x.double(), h, c, *w), "must be float32"),
        (lambda x, h, c, *w: (x[..., 0].long() + 4, h, c, *w), "symbols must lie in 0...3"),
        (lambda x, h, c, *w: (x, h[:, :3], c, *w), "h_0 and c_0"),
        (lambda x, h, c, *w: (x, h, c, *w[:2], w[2][:7]), "4H = 20 rows"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(compiled, change, message):
    inputs = [value.detach().abs() for value in problem("lstm", 3, 2, 4, 5, dtype=SINGLE)]
    with pytest.raises(RuntimeError, match=re.escape(message)):
        compiled.lstm(*change(*inputs))
    with pytest.raises(RuntimeError, match=re.escape(message)):
        compiled.sparse_lstm(*change(*inputs), torch.ones(3, 5))
    with pytest.raises(RuntimeError, match=re.escape("k must have the shape (T, H)")):
        compiled.lstm(*inputs, torch.ones(3, 2, 4))
    with pytest.raises(RuntimeError, match=re.escape("k must have the shape (T, H)")):
        compiled.sparse_lstm(*inputs, torch.ones(3, 2, 4))
    with pytest.raises(RuntimeError, match=re.escape("peepholes must have the shape (3, H)")):
        compiled.lstm(*inputs, peepholes=torch.ones(3, 4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, h, *w: (x[:, :, :3], h, *w), "D = 4"),
        (lambda x, h, *w: (x[:, :1], h, *w), "2 > 0 sequences"),
        (lambda x, h, *w: (x.double(), h, *w), "must be float32"),
        (lambda x, h, *w: (x[..., 0].long() + 4, h, *w), "symbols must lie in 0...3"),
        (lambda x, h, *w: (x, h[:, :3], *w), "h_0 must have"),
        (lambda x, h, *w: (x, h, *w[:2], w[2][:4]), "H = 5 rows"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_by_the_rnn(compiled, change, message):
    inputs = [value.detach().abs() for value in problem("rnn", 3, 2, 4, 5, dtype=SINGLE)]
    with pytest.raises(RuntimeError, match=re.escape(message)):
        compiled.rnn(*change(*inputs))


@pytest.mark.parametrize("leak", [0.0, 0.3])
@pytest.mark.parametrize("shape", [(40,), (40, 3)], ids=str)
@pytest.mark.parametrize("start", [-20.0, 0.0, 1_732_000_000.0])
def test_the_openness_equals_that_of_the_cells(compiled, shape, start, leak):
    generator = torch.Generator().manual_seed(0)

    def draw(low, high, *shape):
        return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)

    times = start + draw(0, 40, *shape)
    times[:10] = start + torch.arange(10.0).view(-1, *[1] * (len(shape) - 1))  # whole periods of some units too
    gate = [draw(1, 9, 11), draw(-3, 3, 11), draw(0.05, 1, 11)]
    gate[0][:4], gate[1][:4], gate[2][0] = torch.tensor([1.0, 2.0, 0.5, 3.0]), 0.0, 1.0
    gate = [part.float().requires_grad_() for part in gate]
    found, expected = compiled.temporal_gate(times, *gate, leak), temporal_gate(times.unsqueeze(-1), *gate, leak)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    weights = torch.randn(found.shape, generator=generator)
    for one, other in zip(*(torch.autograd.grad((weights * k).sum(), gate) for k in (found, expected)), strict=True):
        assert (one - other).norm() <= 1e-4 * other.norm()


@pytest.mark.parametrize(
    ("shape", "openness", "pays"),
    [((10, 100), 0.4, True), ((10, 100), 0.6, False), ((10, 3, 100), 0.1, True), ((10, 3, 100), 0.3, False)],
)
def test_open_units_alone_pay_where_few_are_open(compiled, shape, openness, pays):
    k = torch.zeros(shape)
    k[..., : round(100 * openness)] = 1
    assert recurrence.sparse_pays(k, 1, "native") is pays


# Sampling


@pytest.mark.parametrize("temperature", [0, 0.7, 1e-300])
@pytest.mark.parametrize("layers", [1, 3])
def test_texts_are_those_of_torch(compiled, layers, temperature):
    torch.manual_seed(0)
    models = [CharLSTM(11, 9, layers, backend=backend) for backend in ("torch", "native")]
    for parameter in models[0].parameters():
        parameter.data.mul_(3)
    models[1].load_state_dict(models[0].state_dict())
    start = torch.randint(11, (4, 3), generator=torch.Generator().manual_seed(1))
    texts, states = zip(
        *(sample(m, start, 200, temperature=temperature, generator=torch.Generator().manual_seed(2)) for m in models)
    )
    assert torch.equal(*texts)
    assert_same(states[1], states[0], 1e-4)
    strided = [part.transpose(1, 2).contiguous().transpose(1, 2) for part in states[0]]  # another order in memory
    going_on = [sample(m, start[-1:], 20, temperature=0, state=tuple(strided))[0] for m in models]
    assert torch.equal(*going_on)


# The choice of a backend


def test_the_backend_of_a_model_is_used(compiled):
    torch.manual_seed(0)
    x = torch.randn(4, 3, 5)
    ours, native = LSTM(5, 6, 2), LSTM(5, 6, 2, backend="native")
    native.load_state_dict(ours.state_dict())
    assert "_LSTMBackward" in str(native(x)[0].grad_fn)
    assert not torch.equal(native(x)[0], ours(x)[0])
    torch.testing.assert_close(native(x)[0], ours(x)[0])


@pytest.mark.parametrize("fast", [False, True])
def test_provenance_names_the_kernels(compiled, fast, monkeypatch):
    monkeypatch.setattr(compiled, "fast_bf16", fast)
    assert in_use("torch") == "torch"
    assert re.fullmatch("native float32 [0-9a-f]{12}", in_use("native"))
    assert in_use("auto") == in_use("native")
    assert in_use("native-bf16") == in_use("native").replace("float32", "bf16" if fast else "float32")


ASKED = """
import sys
from rnnreport.backends import in_use
print(in_use("auto"), in_use("native"), "torch" in sys.modules)
"""


def test_whether_the_kernels_are_in_use_is_told_without_torch(compiled, damaged, tmp_path):
    told, lines = finish(start(ASKED))
    assert told == f"{in_use('auto')} {in_use('native')} False\n"
    assert lines == []
    folder = damaged("rnnreport_native.so", "a bit")
    told, (warned, *_) = finish(start(ASKED, RNNREPORT_NATIVE_DIR=folder.parent, PATH=tmp_path))
    assert told == "torch torch True\n"
    assert "are damaged" in warned


def test_a_backend_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="backend must be one of torch, native, native-bf16, auto, not 'cuda'"):
        kernels("cuda")


@pytest.mark.parametrize(("backend", "level"), [("native", logging.WARNING), ("auto", logging.INFO)])
def test_what_the_kernels_do_not_take_goes_to_torch_with_one_line(backend, level, caplog, monkeypatch):
    monkeypatch.setattr(backends, "_said", set())
    with caplog.at_level(logging.INFO, "rnnreport"):
        for _ in range(3):
            assert kernels(backend, torch.zeros(1), torch.zeros(1, dtype=torch.float64)) is None
    (record,) = caplog.records
    assert record.levelno == level
    assert "float32 on the CPU, not torch.float64 on cpu" in record.getMessage()


# Machines. Each test starts Python anew, with a cache of its own.

TRAIN = """
import torch
from rnnreport import models
from rnnreport.backends import in_use
torch.manual_seed(0)
model = models.LSTM(3, 4, backend="native")
output, _ = model(torch.randn(5, 2, 3))
output.sum().backward()
print(in_use("native").split()[0], f"{output.sum():.1f}")
"""


def start(code=TRAIN, **variables):
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **{name: str(value) for name, value in variables.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process):
    """What it wrote: (stdout, the lines of stderr)."""
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out, err.splitlines()


@pytest.fixture(scope="module")
def expected():
    """What the torch backend prints."""
    out, _ = finish(start(TRAIN.replace('backend="native"', 'backend="torch"').replace('("native")', '("torch")')))
    return out


def fell_back(process, expected, reason):
    """Torch did the work, and one line says why."""
    out, lines = finish(process)
    assert out == expected
    assert "Going on with torch instead of the native kernels" in lines[-1]
    assert reason in lines[-1]
    assert len(lines) == 1


def test_without_the_folder_torch_does_the_work(expected):
    gone = """
import sys
class Gone:
    def find_spec(name, path=None, target=None):
        if name.startswith("rnnreport.native"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Gone)
"""
    fell_back(start(gone + TRAIN), expected, "No module named 'rnnreport.native'")


def test_without_a_compiler_torch_does_the_work(tmp_path, expected):
    nowhere = start(RNNREPORT_NATIVE_DIR=tmp_path, PATH=tmp_path, CXX="")
    fell_back(nowhere, expected, "no C++ compiler")
    fell_back(start(RNNREPORT_NATIVE_DIR=tmp_path, CXX="not-a-compiler"), expected, "'not-a-compiler'")


@posix
def test_with_a_compiler_that_fails_torch_does_the_work(compiled, tmp_path, expected):
    broken = tmp_path / "broken"
    broken.write_text('#!/bin/sh\n[ "$1" = -MMD ] && echo "fatal error: out of order" >&2 && exit 1\nexec c++ "$@"\n')
    broken.chmod(0o755)
    fell_back(start(RNNREPORT_NATIVE_DIR=tmp_path, CXX=broken), expected, "fatal error: out of order")
    assert not list(tmp_path.glob("*/*.so"))


@pytest.fixture
def damaged(compiled, tmp_path):
    """Damages a file of a copy of this machine's kernels, and returns their folder, which is alone in a cache."""
    cache = Path(os.environ.get("RNNREPORT_NATIVE_DIR") or pooch.os_cache("rnnreport") / "native")
    kept = tmp_path / "native" / compiled.library._key()
    shutil.copytree(cache / kept.name, kept)

    def damage(name, how):
        data = bytearray((kept / name).read_bytes())
        data[len(data) // 2] ^= 4
        (kept / name).write_bytes({"empty": b"", "half": data[: len(data) // 2], "a bit": data, "{}": b"{}"}[how])
        return kept

    return damage


@pytest.fixture
def copier(compiled, tmp_path):
    """A compiler that copies this machine's kernels; told to hold, it waits until the file is gone, and fails.

    For tests of all that goes on around the compiler, which takes 20 seconds.
    """
    cache = Path(os.environ.get("RNNREPORT_NATIVE_DIR") or pooch.os_cache("rnnreport") / "native")
    library, script = cache / compiled.library._key() / compiled.library.LIBRARY, tmp_path / "copier"
    script.write_text(
        f"""#!/bin/sh
for word; do [ "$before" = -o ] && out=$word; before=$word; done
if [ "$out" ] && [ -e "$0.hold" ]; then
    touch "$0.holds"
    while [ -e "$0.hold" ]; do sleep 0.1; done
    exit 1
fi
case " $* " in
    *" -shared "*) exec cp '{library}' "$out" ;;
    *" -c "*) exec touch "$out" ;;
    *) exec c++ "$@" ;;
esac
"""
    )
    script.chmod(0o755)
    return script


@pytest.mark.parametrize("how", ["empty", "half", "a bit", "{}"])
@pytest.mark.parametrize("name", ["rnnreport_native.so", "SHA256SUMS"])
def test_damaged_kernels_are_never_loaded(compiled, damaged, name, how, monkeypatch):
    folder = damaged(name, how)
    monkeypatch.setattr(torch.ops, "load_library", lambda path: pytest.fail(f"{path} is loaded"))
    assert not compiled.library._load_kept(folder)


@posix
def test_damaged_kernels_are_built_anew_with_one_line(compiled, damaged, copier, expected, monkeypatch):
    folder = damaged("rnnreport_native.so", "empty")
    monkeypatch.setenv("CXX", str(copier))
    folder = folder.rename(folder.with_name(compiled.library._key()))
    out, lines = finish(start(RNNREPORT_NATIVE_DIR=folder.parent))
    assert out == expected.replace("torch", "native")
    assert lines == [f"The native kernels kept in {folder} are damaged; compiling them anew"]
    assert finish(start(RNNREPORT_NATIVE_DIR=folder.parent)) == (out, [])
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name, f"{folder.name}.lock"]


def test_without_a_compiler_damaged_kernels_are_told_of_all_the_same(damaged, tmp_path):
    folder = damaged("rnnreport_native.so", "half")
    _, lines = finish(start(TRAIN.replace('"native"', '"auto"'), RNNREPORT_NATIVE_DIR=folder.parent, PATH=tmp_path))
    assert lines == [f"The native kernels kept in {folder} are damaged; compiling them anew"]


@pytest.mark.parametrize("backend", ["native", "auto"])
@pytest.mark.parametrize(
    ("error", "broken"),
    [
        (ModuleNotFoundError("No module named 'rnnreport.native'", name="rnnreport.native"), False),
        (ImportError("there is no C++ compiler 'c++' on this machine", name="rnnreport.native"), False),
        (ModuleNotFoundError("No module named 'setuptools'", name="setuptools"), True),
        (RuntimeError("Error building extension\nfatal error: out of order"), True),
        (OSError("rnnreport_native.so: undefined symbol"), True),
    ],
)
def test_what_is_broken_is_told_louder_than_what_is_absent(backend, error, broken, caplog, monkeypatch):
    def fails(name):
        raise error

    monkeypatch.setattr(backends, "_said", set())
    monkeypatch.setattr(backends, "_native", backends._native.__wrapped__)
    with monkeypatch.context() as patch, caplog.at_level(logging.INFO, "rnnreport"):
        patch.setattr(importlib, "import_module", fails)
        assert kernels(backend) is None
    (record,) = caplog.records
    assert record.levelno == (logging.WARNING if broken or backend == "native" else logging.INFO)


def test_without_a_folder_to_write_to_torch_does_the_work(compiled, tmp_path, expected):
    taken = tmp_path / "a file"
    taken.touch()
    fell_back(start(RNNREPORT_NATIVE_DIR=taken / "kept"), expected, f"{taken / 'kept'}, cannot be written")


@posix
@pytest.mark.slow
def test_a_compiler_that_does_not_know_the_processor_builds_for_any_of_its_kind(compiled, tmp_path, expected):
    plain = tmp_path / "plain"
    plain.write_text('#!/bin/sh\ncase "$*" in *=native*) exit 1 ;; esac\nexec c++ "$@" -O0\n')  # -O0: sooner done
    plain.chmod(0o755)
    out, lines = finish(start(RNNREPORT_NATIVE_DIR=tmp_path, CXX=plain))
    assert out == expected.replace("torch", "native")
    assert lines == []


VALUES = "values_and_gradients or gradients_equal or sparse_gate or openness_equals or texts_are or network_equals"


@posix
@pytest.mark.slow
def test_kernels_for_avx2_alone_compute_the_same(tmp_path):
    """The tests above again, in a process of their own, as on a processor without AVX-512."""
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        pytest.skip("this processor has no AVX2")
    require(shutil.which("c++"), "no C++ compiler on this machine")
    older = tmp_path / "older"
    older.write_text('#!/bin/sh\nexec c++ "$@" -march=haswell\n')  # of two, the last one counts
    older.chmod(0o755)
    macros = [older, "-march=native", "-dM", "-E", "-x", "c++", os.devnull]
    known = subprocess.run(macros, capture_output=True, text=True, check=True).stdout
    assert "__AVX2__" in known
    assert "__AVX512F__" not in known
    code = f"import pytest, sys; sys.stdout = sys.stderr; sys.exit(pytest.main(['-q', '-k', '{VALUES}', '{__file__}']))"
    avx2 = {"CXX": older, "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    finish(start(code, RNNREPORT_NATIVE_DIR=tmp_path, **avx2))
    assert list(tmp_path.glob("*/*.so"))  # it was compiled, and kept


@posix
@pytest.mark.slow
def test_a_killed_builder_stops_nobody_and_two_at_once_build_one_library(copier, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", str(copier))
    (hold := copier.with_suffix(".hold")).touch()
    kept = tmp_path / "kept"
    killed = start(RNNREPORT_NATIVE_DIR=kept)
    eventually(copier.with_suffix(".holds").exists)  # in the middle of compiling
    os.killpg(killed.pid, signal.SIGKILL)
    hold.unlink()
    killed.communicate()
    assert list(kept.glob("*.lock"))
    assert not list(kept.glob("*/*.so"))
    told = "import logging; logging.basicConfig(); logging.getLogger('rnnreport').setLevel('INFO')\n" + TRAIN
    together = [start(told, RNNREPORT_NATIVE_DIR=kept) for _ in range(2)]
    texts = [finish(process) for process in together]
    assert len({out for out, _ in texts}) == 1
    assert texts[0][0].startswith("native ")
    assert sorted(len(lines) for _, lines in texts) == [0, 1]  # one of them compiled
    assert len(list(kept.glob("*/*.so"))) == 1
    assert not list(kept.rglob("*.tmp"))


@pytest.mark.parametrize("isa", ["AVX2", "SSE41"])
def test_an_old_processor_multiplies_float32(compiled, isa, expected):
    """As far as oneDNN is concerned, which does the products."""
    code = TRAIN + "assert 'float32' in in_use('native')\n"
    out, lines = finish(start(code, ONEDNN_MAX_CPU_ISA=isa))
    assert out == expected.replace("torch", "native")
    assert lines == []


def test_another_processor_has_a_library_of_its_own(compiled, monkeypatch):
    here = compiled.library._key()
    monkeypatch.setattr(compiled.library, "_processor", lambda: "a processor from elsewhere")
    assert compiled.library._key() != here
