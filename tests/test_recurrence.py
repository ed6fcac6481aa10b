"""The recurrences over a whole sequence: their hand-written backward pass against differences and against the cells."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnreport import recurrence
from rnnreport.cells import lstm_step, peephole_lstm_step, rnn_step, temporal_gate, temporal_gate_lstm_step

quickly = settings(max_examples=25, deadline=None)
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6}
FORMS = ["rnn", "lstm", "gated by unit", "gated by sequence"]
SIZES = [(2, 3, 4, 5), (1, 3, 2, 4), (4, 1, 3, 2), (1, 1, 1, 1), (6, 2, 5, 3)]


def problem(form, T=2, B=3, D=4, H=5, *, symbols=False, dtype=torch.float64, seed=0):
    """The inputs of a recurrence, all but symbols asking for gradients.

    Weights are of the size that keeps the recurrence far from chaos, where rounding would grow from step to step.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape, scale=1.0):
        values = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
        return values.to(dtype).requires_grad_()

    rows = H if form == "rnn" else 4 * H
    x = torch.randint(D, (T, B), generator=generator) if symbols else draw(T, B, D)
    states = [draw(B, H)] if form == "rnn" else [draw(B, H), draw(B, H)]
    inputs = [x, *states, draw(rows, D, scale=D**-0.5), draw(rows, H, scale=0.5 * H**-0.5), draw(rows)]
    if form.startswith("gated"):
        shape = (T, H) if form == "gated by unit" else (T, B, H)
        k = torch.rand(shape, generator=generator, dtype=torch.float64)
        inputs.append(torch.where(k < 0.3, 0.0, k).to(dtype).requires_grad_())
    return inputs


def whole(form, inputs):
    """Outputs of the recurrence: h(1)...h(T), h(T), and c(T) where there is one."""
    return recurrence.rnn(*inputs) if form == "rnn" else recurrence.lstm(*inputs)


def by_steps(form, inputs, *peepholes):
    """The same from the step cells, under autograd."""
    x = inputs[0]
    if form == "rnn":
        _, h, *weights = inputs
        outputs = []
        for x_t in x:
            h = rnn_step(x_t, h, *weights)
            outputs.append(h)
        return torch.stack(outputs), h
    _, h, c, *weights = inputs[:6]
    outputs = []
    for t, x_t in enumerate(x):
        if form == "lstm":
            h, c = (peephole_lstm_step if peepholes else lstm_step)(x_t, h, c, *weights, *peepholes)
        else:
            h, c = temporal_gate_lstm_step(x_t, h, c, inputs[6][t], *weights, *peepholes)
        outputs.append(h)
    return torch.stack(outputs), h, c


def gradients(outputs, inputs, seed=1):
    """By every input that asks for one, of a fixed random combination of all outputs."""
    generator = torch.Generator().manual_seed(seed)
    total = sum(
        (torch.randn(part.shape, generator=generator, dtype=torch.float64).to(part) * part).mean() for part in outputs
    )
    return torch.autograd.grad(total, [value for value in inputs if value.requires_grad])


def assert_same(found, expected, tolerance):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_gradients_equal_differences(form, sizes):
    inputs = problem(form, *sizes)
    assert torch.autograd.gradcheck(lambda *values: whole(form, values), inputs)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_equal_differences_where_the_input_is_symbols(form):
    x, *others = problem(form, 3, 2, 4, 1, symbols=True)
    assert torch.autograd.gradcheck(lambda *values: whole(form, [x, *values]), others)


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
@pytest.mark.parametrize("form", FORMS)
@quickly
@given(st.tuples(*[st.integers(1, 6)] * 4), st.integers(0, 2**32))
def test_values_and_gradients_equal_those_of_the_cells(form, dtype, sizes, seed):
    inputs = problem(form, *sizes, dtype=dtype, seed=seed)
    found, expected = whole(form, inputs), by_steps(form, inputs)
    assert_same(found, expected, TOLERANCE[dtype])
    assert_same(gradients(found, inputs), gradients(expected, inputs), TOLERANCE[dtype])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
def test_long_sequences_equal_the_cells(form, dtype):
    inputs = problem(form, 60, 2, 3, 4, dtype=dtype)
    found, expected = whole(form, inputs), by_steps(form, inputs)
    assert_same(found, expected, TOLERANCE[dtype])
    assert_same(gradients(found, inputs), gradients(expected, inputs), TOLERANCE[dtype])


@pytest.mark.parametrize("form", FORMS)
@quickly
@given(st.tuples(*[st.integers(1, 6)] * 4), st.integers(0, 2**32))
def test_symbols_equal_one_hot_vectors(form, sizes, seed):
    x, *others = problem(form, *sizes, symbols=True, seed=seed)
    one_hot = F.one_hot(x, sizes[2]).double()
    found, expected = whole(form, [x, *others]), whole(form, [one_hot, *others])
    assert_same(found, expected, 1e-12)
    assert_same(gradients(found, others), gradients(expected, others), 1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_inputs_need_not_be_contiguous(form):
    inputs = problem(form, 3, 2, 4, 5)
    strided = []
    for value in inputs:
        scattered = torch.full((*value.shape, 2), 7.0, dtype=torch.float64)[..., 0].movedim(0, -1).contiguous()
        strided.append(scattered.movedim(-1, 0).copy_(value.detach()).requires_grad_())
    assert not any(value.is_contiguous() for value in strided if value.dim() > 1)
    found, expected = whole(form, strided), whole(form, inputs)
    assert_same(found, expected, 1e-12)
    assert_same(gradients(found, strided), gradients(expected, inputs), 1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_expanded_inputs_and_expanded_gradients(form):
    """One sequence seen as three, and a plain sum, whose gradient has strides of zero."""
    x, *others = problem(form, 3, 1, 4, 5)
    states, rest = (others[:1], others[1:]) if form == "rnn" else (others[:2], others[2:])
    if form == "gated by sequence":
        rest[-1] = rest[-1].expand(3, 3, 5)
    wide = [x.expand(3, 3, 4), *(state.expand(3, 5) for state in states), *rest]
    found, expected = whole(form, wide), by_steps(form, wide)
    leaves = [x, *others]
    assert_same(
        torch.autograd.grad(sum(part.sum() for part in found), leaves),
        torch.autograd.grad(sum(part.sum() for part in expected), leaves),
        1e-12,
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("used", [0, 1, 2], ids=["h alone", "h(T) alone", "c(T) alone"])
def test_a_loss_may_look_at_one_output_only(form, used):
    if form == "rnn" and used == 2:
        return
    inputs = problem(form, 3, 2, 4, 5)
    found = torch.autograd.grad(whole(form, inputs)[used].sum(), inputs)
    expected = torch.autograd.grad(by_steps(form, inputs)[used].sum(), inputs, allow_unused=True)
    assert_same(found, [torch.zeros_like(i) if e is None else e for e, i in zip(expected, inputs)], 1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_only_what_asks_for_a_gradient_gets_one(form):
    inputs = [value.detach() for value in problem(form)]
    inputs[-2].requires_grad_()
    outputs = whole(form, inputs)
    outputs[0].sum().backward()
    assert [value.grad is not None for value in inputs] == [value.requires_grad for value in inputs]
    assert not any(part.requires_grad for part in whole(form, [value.detach() for value in inputs]))


@pytest.mark.parametrize("form", FORMS)
def test_the_backward_pass_may_run_twice_over_one_graph(form):
    inputs = problem(form)
    total = sum(part.sum() for part in whole(form, inputs))
    first = torch.autograd.grad(total, inputs, retain_graph=True)
    for one, other in zip(first, torch.autograd.grad(total, inputs), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("form", FORMS)
def test_inputs_are_left_as_they_were(form):
    inputs = problem(form)
    before = [value.detach().clone() for value in inputs]
    sum(part.sum() for part in whole(form, inputs)).backward()
    for value, old in zip(inputs, before, strict=True):
        assert torch.equal(value, old)


@pytest.mark.parametrize("form", FORMS)
def test_an_output_changed_in_place_is_noticed(form):
    """The outputs are what the backward pass needs: changed, they would give wrong gradients without a word."""
    inputs = problem(form)
    outputs = whole(form, inputs)
    with pytest.raises(RuntimeError, match=r"in-?place"):
        outputs[0].mul_(2).sum().backward()


@pytest.mark.parametrize("form", FORMS)
def test_a_second_derivative_is_refused(form):
    inputs = problem(form)
    for loss in (whole(form, inputs)[0].square().sum(), whole(form, inputs)[0].sum()):
        with pytest.raises(RuntimeError, match="differentiated once: create_graph must be False"):
            torch.autograd.grad(loss, inputs[:1], create_graph=True)


@pytest.mark.parametrize("form", FORMS[2:])
@quickly
@given(st.tuples(*[st.integers(1, 6)] * 4), st.integers(0, 2**32))
def test_a_closed_gate_leaves_the_state_equal_to_the_bit(form, sizes, seed):
    inputs = problem(form, *sizes, seed=seed)
    with torch.no_grad():
        closed = torch.rand(inputs[-1].shape, generator=torch.Generator().manual_seed(seed)) < 0.5
        inputs[-1][closed] = 0
    _, h_0, c_0 = inputs[:3]
    h, *_ = whole(form, inputs)
    shut = (inputs[-1] == 0).expand(sizes[0], sizes[1], sizes[3]) if inputs[-1].dim() == 3 else (inputs[-1] == 0)
    before = torch.cat([h_0[None], h[:-1]])
    for t in range(sizes[0]):
        where = shut[t].expand(sizes[1], sizes[3])
        assert torch.equal(h[t][where], before[t][where])
    never = torch.zeros_like(inputs[-1], requires_grad=False)
    h, _, c = whole(form, [*inputs[:-1], never])
    assert torch.equal(h, h_0.expand_as(h))
    assert torch.equal(c, c_0)


@pytest.mark.parametrize("form", FORMS[2:])
def test_a_gate_that_is_open_throughout_gives_the_plain_lstm(form):
    inputs = problem(form, 4, 3, 2, 5)
    gated = whole(form, [*inputs[:-1], torch.ones_like(inputs[-1])])
    for found, plain in zip(gated, whole("lstm", inputs[:-1]), strict=True):
        assert torch.equal(found, plain)


# Open units only


def behind_a_gate(T, B, D, H, *, symbols=False, dtype=torch.float64, seed=0):
    """The inputs of a gated LSTM, with period, shift and open ratio of its units in place of k."""
    inputs = problem("lstm", T, B, D, H, symbols=symbols, dtype=dtype, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    tau = 1 + 9 * torch.rand(H, generator=generator, dtype=torch.float64)
    s = 8 * torch.rand(H, generator=generator, dtype=torch.float64) - 4
    r_on = 0.05 + 0.6 * torch.rand(H, generator=generator, dtype=torch.float64)
    return [*inputs, *(value.to(dtype).requires_grad_() for value in (tau, s, r_on))]


def gated(run, inputs, **options):
    """Outputs of a gated recurrence at the steps 1...T; the gradients go on to tau, s and r_on."""
    *others, tau, s, r_on = inputs
    times = torch.arange(1, len(inputs[0]) + 1).to(tau)
    return run(*others, temporal_gate(times[:, None], tau, s, r_on), **options)


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
@pytest.mark.parametrize("symbols", [False, True], ids=["features", "symbols"])
@quickly
@given(st.tuples(st.integers(1, 20), *[st.integers(1, 6)] * 3), st.integers(0, 2**32))
def test_open_units_alone_give_what_all_units_give(dtype, symbols, sizes, seed):
    inputs = behind_a_gate(*sizes, symbols=symbols, dtype=dtype, seed=seed)
    dense, sparse = gated(recurrence.lstm, inputs), gated(recurrence.sparse_lstm, inputs)
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5}[dtype]
    assert_same(sparse, dense, tolerance)
    assert_same(gradients(sparse, inputs), gradients(dense, inputs), tolerance)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_gradients_of_open_units_equal_differences(sizes):
    inputs = problem("gated by unit", *sizes)
    k = inputs.pop().detach()  # its zeros are left out
    assert torch.autograd.gradcheck(lambda *values: recurrence.sparse_lstm(*values, k), inputs)
    open_throughout = (0.1 + 0.9 * torch.rand(k.shape, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda values: recurrence.sparse_lstm(*inputs, values), [open_throughout])


def test_a_gradient_of_one_input_does_not_need_those_of_the_others():
    inputs = behind_a_gate(6, 3, 4, 5)
    for place, expected in enumerate(gradients(gated(recurrence.sparse_lstm, inputs), inputs)):
        alone = [value.detach().requires_grad_(at == place) for at, value in enumerate(inputs)]
        assert_same(gradients(gated(recurrence.sparse_lstm, alone), alone[place : place + 1]), [expected], 1e-12)


def test_the_last_state_can_be_had_without_the_sequence():
    inputs = behind_a_gate(12, 3, 4, 5)
    output, *last = gated(recurrence.sparse_lstm, inputs, sequence=False)
    assert output is None
    expected = gated(recurrence.lstm, inputs)[1:]
    assert_same(last, expected, 1e-12)
    assert_same(gradients(last, inputs), gradients(expected, inputs), 1e-12)


def test_a_gate_that_never_opens_passes_the_initial_state_and_its_gradient_on():
    x, h_0, c_0, *weights = problem("lstm", 3, 2, 4, 5)
    k = torch.zeros(3, 5, dtype=torch.float64, requires_grad=True)
    h, h_last, c_last = recurrence.sparse_lstm(x, h_0, c_0, *weights, k)
    assert torch.equal(h, h_0.expand_as(h))
    assert torch.equal(h_last, h_0)
    assert torch.equal(c_last, c_0)
    d_h, d_c, d_k = torch.autograd.grad(h_last.sum() + 2 * c_last.sum(), [h_0, c_0, k])
    assert torch.equal(d_h, torch.ones_like(h_0))
    assert torch.equal(d_c, torch.full_like(c_0, 2))
    assert torch.equal(d_k, torch.zeros_like(k))


def test_a_second_derivative_through_open_units_is_refused():
    inputs = behind_a_gate(4, 2, 3, 5)
    with pytest.raises(RuntimeError, match="differentiated once"):
        torch.autograd.grad(gated(recurrence.sparse_lstm, inputs)[1].sum(), inputs[:1], create_graph=True)


@pytest.mark.parametrize("form", FORMS)
def test_the_refusal_of_an_empty_batch_tells_steps_and_sequences(form):
    x, h_0, *others = problem(form, 3, 2, 4, 5)
    for state, said in ((h_0, "B = 2 > 0"), (h_0[:0], "B = 0 > 0")):
        told = rf"^x must hold at least one step of {said} sequences, as h_0 does, not \(3, 0\)$"
        with pytest.raises(ValueError, match=told):
            whole(form, [x[:, :0], state, *others])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("empty", ["steps", "sequences"])
def test_nothing_to_read_is_refused(form, empty):
    inputs = problem(form, 3, 2, 4, 5)
    inputs[0] = inputs[0][:0] if empty == "steps" else inputs[0][:, :0]
    with pytest.raises(ValueError, match="at least one step of B = 2 > 0 sequences"):
        whole(form, inputs)
    if form == "gated by unit":
        with pytest.raises(ValueError, match="at least one step"):
            recurrence.sparse_lstm(*inputs)


@pytest.mark.parametrize(
    ("open_share", "batch", "pays"), [(0.05, 128, True), (0.45, 128, True), (0.55, 128, False), (0.05, 1, False)]
)
def test_open_units_alone_are_computed_where_they_are_few_and_sequences_many(open_share, batch, pays):
    k = torch.zeros(10, 100)
    k[:, : round(100 * open_share)] = 0.5
    assert recurrence.sparse_pays(k, batch) is pays
    assert recurrence.sparse_pays(k[:, None].expand(10, batch, 100), batch) is False
