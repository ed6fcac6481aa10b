"""The cells that chapter 3b compares: over a sequence as by steps, as torch.nn has them, and their starts."""

import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rnnreport import recurrence
from rnnreport.models import GRU, CharLSTM, MinGRU, MinLSTM, PalindromeClassifier, ReLURNN, SequenceNetwork, Sequences

KINDS = [ReLURNN, GRU, MinGRU, MinLSTM]
NAMES = ["relu-rnn", "gru", "min-gru", "min-lstm"]
B, D, H = 3, 4, 5
quickly = settings(max_examples=15, deadline=None)


def same(found, expected, tolerance=1e-10):
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def made(kind, *args, seed=0, **options):
    torch.manual_seed(seed)
    return kind(*args, dtype=torch.float64, **options)


def read(network, x, h):
    """The output and the last state of a network, and the gradients of a random combination of both."""
    output, last = network(x, h)
    return differentiated(network, x, h, output, last)


def differentiated(network, x, h, output, last):
    generator = torch.Generator().manual_seed(7)
    factors = [torch.randn(part.shape, generator=generator, dtype=part.dtype) for part in (output, last)]
    total = (output * factors[0]).sum() + (last * factors[1]).sum()
    asked = [value for value in (x, h, *network.parameters()) if value.requires_grad]
    return [output, last, *torch.autograd.grad(total, asked)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("T", [1, 2, 3, 7, 8, 13, 100])
@pytest.mark.parametrize("symbols", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_a_sequence_is_read_as_step_by_step(kind, T, symbols, bias):
    network = made(kind, D, H, 2, bias=bias)
    x = torch.randint(D, (T, B)) if symbols else torch.randn(T, B, D, dtype=torch.float64, requires_grad=True)
    h = torch.randn(2, B, H, dtype=torch.float64, requires_grad=True)
    below, ends = nn.functional.one_hot(x, D).double() if symbols else x, []
    for layer in range(2):
        state, outputs = h[layer], []
        for x_t in below:
            state = kind.cell(x_t, state, *network.weights(layer))
            outputs.append(state)
        below = torch.stack(outputs)
        ends.append(state)
    expected = differentiated(network, x, h, below, torch.stack(ends))
    for one, other in zip(read(network, x, h), expected, strict=True):
        same(one, other)


@pytest.mark.parametrize("kind", [ReLURNN, GRU])
@pytest.mark.parametrize("there", [True, False])
@quickly
@given(sizes=st.tuples(*[st.integers(1, 5)] * 4), layers=st.integers(1, 3), bias=st.booleans())
def test_as_torch_nn(kind, there, sizes, layers, bias):
    T, batch, features, units = sizes
    options = {"nonlinearity": "relu"} if kind is ReLURNN else {}
    if there:
        theirs = made(kind.counterpart, features, units, layers, bias=bias, **options)
        ours = kind.from_torch(theirs)
    else:
        ours = made(kind, features, units, layers, bias=bias)
        theirs = ours.to_torch()
    x = torch.randn(T, batch, features, dtype=torch.float64, requires_grad=True)
    h = torch.randn(layers, batch, units, dtype=torch.float64, requires_grad=True)
    found, expected = read(ours, x, h), read(theirs, x, h)
    for one, other in zip(found[:4], expected[:4], strict=True):  # both outputs, and the gradients by x and h
        same(one, other)
    names = [name for name, _ in theirs.named_parameters()]
    by_name = dict(zip(names, expected[4:], strict=True))
    for (name, _), gradient in zip(ours.named_parameters(), found[4:], strict=True):
        if "bias" not in name:
            same(gradient, by_name[name])
            continue
        outside, inside = (by_name[name.replace("bias", f"bias_{part}")] for part in ("ih", "hh"))
        same(gradient, torch.cat([outside, inside[-units:]]) if kind is GRU else outside)


def test_weights_survive_the_way_to_torch_and_back():
    ours = made(GRU, D, H, 2)
    for name, weight in GRU.from_torch(ours.to_torch()).state_dict().items():
        same(weight, ours.state_dict()[name], 0)
    with pytest.raises(ValueError, match=r"^MinGRU has no counterpart in torch\.nn$"):
        made(MinGRU, D, H).to_torch()
    with pytest.raises(ValueError, match=r"^MinLSTM has no counterpart in torch\.nn$"):
        MinLSTM.from_torch(nn.LSTM(D, H))
    with pytest.raises(ValueError, match="nonlinearity='relu' only, not 'tanh'"):
        ReLURNN.from_torch(nn.RNN(D, H))


@quickly
@given(st.integers(1, 70), st.integers(0, 2**31))
def test_a_scan_is_the_loop(T, seed):
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(T, 2, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    h = h_0 = torch.randn(2, 3, generator=generator, dtype=torch.float64)
    expected = torch.stack([h := a_t * h + b_t for a_t, b_t in zip(a, b)])
    same(recurrence.scan(a, b, h_0), expected)


@pytest.mark.parametrize("T", [1, 2, 5, 6])
def test_a_scans_gradient_is_that_of_differences(T):
    torch.manual_seed(0)
    a, b = (torch.randn(T, 2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(recurrence.scan, (a, b, torch.randn(2, 3, dtype=torch.float64, requires_grad=True)))


def test_gates_far_out_give_no_nan():
    network = MinLSTM(1, 1)
    with torch.no_grad():
        network.weight_ih_l0.zero_()
        network.bias_l0.copy_(torch.tensor([-300.0, -200.0, 1.0]))  # both gates are 0 in float32
    assert network(torch.zeros(3, 1, 1))[0].flatten().tolist() == [0.0, 0.0, 0.0]  # f is e^100 times i: all is kept


@pytest.mark.parametrize("kind", KINDS)
def test_what_torch_offers_works_with_them(kind):
    network, x = made(kind, D, H, 2), torch.randn(6, 4, B, D, dtype=torch.float64)
    same(torch.vmap(lambda x: network(x)[0])(x)[2], network(x[2])[0])
    by_func = torch.func.grad(lambda x: network(x)[0].square().sum())(x[0])
    asked = x[0].clone().requires_grad_()
    same(by_func, torch.autograd.grad(network(asked)[0].square().sum(), asked)[0])
    same(pickle.loads(pickle.dumps(network))(x[0])[0], network(x[0])[0], 0)
    first = kind(D, H, batch_first=True, dtype=torch.float64)
    assert first(torch.randn(2, 7, D, dtype=torch.float64))[0].shape == (2, 7, H)
    assert first(torch.randn(7, D, dtype=torch.float64))[0].shape == (7, H)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", ["native", "native-bf16"])
def test_native_kernels_are_refused_and_auto_does_without(kind, backend):
    message = f"^{kind.__name__} has no native kernels: backend must be torch or auto, not {backend}$"
    with pytest.raises(ValueError, match=message):
        kind(D, H, backend=backend)
    torch.manual_seed(0)
    x, network = torch.randn(4, B, D), kind(D, H, backend="auto")
    plain = kind(D, H)
    plain.load_state_dict(network.state_dict())
    assert torch.equal(network(x)[0], plain(x)[0])


def biases(name, **options):
    """Of the first layer, by blocks of units."""
    torch.manual_seed(3)
    return PalindromeClassifier(name, 400, initialisation="uniform", num_layers=2, **options).recurrence.weights(1)[-1]


@pytest.mark.parametrize(
    ("name", "change"), [("lstm", [0, 2, 0, 0]), ("gru", [0, 2, 0, 0]), ("min-gru", [-2, 0]), ("min-lstm", [-2, 2, 0])]
)
def test_a_forget_bias_keeps_in_every_layer(name, change):
    difference = biases(name, forget_bias=2.0) - biases(name)
    same(difference.view(len(change), -1), torch.tensor(change).float()[:, None].expand(-1, 400), 1e-6)


@pytest.mark.parametrize("kind", [MinGRU, MinLSTM])
def test_a_forget_bias_decides_what_a_minimal_cell_keeps_at_first(kind):
    network = kind(D, H)
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    network.remember(2.0)
    h = torch.randn(1, B, H)
    same(network(torch.zeros(3, B, D), h)[1], h * torch.sigmoid(torch.tensor(2.0)) ** 3, 1e-6)


@pytest.mark.parametrize(
    ("name", "keeps", "sign", "lets_in"), [("gru", 1, 1, None), ("min-gru", 0, -1, None), ("min-lstm", 1, 1, 0)]
)
def test_chrono_draws_the_gate_that_keeps(name, keeps, sign, lets_in):
    drawn, plain = biases(name, chrono=100).view(-1, 400), biases(name).view(-1, 400)
    lasts = (sign * drawn[keeps]).exp()  # uniform in 1…99
    assert 1 <= lasts.min() < 3
    assert 97 < lasts.max() <= 99
    assert lasts.mean().item() == pytest.approx(50, rel=0.1)
    for place in set(range(len(drawn))) - {keeps, lets_in}:
        assert torch.equal(drawn[place], plain[place])
    if lets_in is not None:
        assert torch.equal(drawn[lets_in], -drawn[keeps])


def test_a_start_that_a_cell_cannot_have_is_refused():
    with pytest.raises(ValueError, match="must not be identity for MinGRU, which has no Whh"):
        PalindromeClassifier("min-gru", H, initialisation="identity")
    with pytest.raises(ValueError, match="forget_bias must be 0 and chrono None for the ReLURNN, which has no gates"):
        SequenceNetwork("relu-rnn", 1, 1, H)
    with pytest.raises(ValueError, match="tied must be False for gru"):
        CharLSTM(D, H, tied=True, model="gru")


def test_with_the_identity_and_no_input_the_relu_rnn_keeps_its_state():
    network = SequenceNetwork("relu-rnn", D, 1, H, forget_bias=0.0, initialisation="identity").recurrence
    network.bias_l0.detach().zero_()
    h = torch.rand(1, 2, H)
    assert torch.equal(network(torch.zeros(50, 2, D), h)[1], h)


@pytest.mark.parametrize("name", ["lstm", *NAMES[1:]])
def test_they_read_text_and_answer_at_every_step(name):
    symbols = torch.randint(D, (6, B))
    network = CharLSTM(D, H, model=name).eval()
    logits, state = network.run(symbols)
    first, state = network.run(symbols[:4])
    again, _ = network.run(symbols[4:], state)
    same(torch.cat([first, again]), logits, 1e-5)
    every = SequenceNetwork(name, D, 2, H, every_step=True)
    assert every(Sequences(torch.randn(6, B, D))).shape == (6, B, 2)
