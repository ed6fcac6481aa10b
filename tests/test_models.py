"""The networks held against torch.nn's and against the recurrences they are made of."""

import copy
import math
import pickle
import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

import rnnreport
from rnnreport import recurrence
from rnnreport.cells import lstm_step, rnn_step, temporal_gate, temporal_gate_lstm_step
from rnnreport.models import (
    LSTM,
    RECURRENCES,
    RNN,
    CharLSTM,
    PalindromeClassifier,
    PhasedLSTM,
    SequenceNetwork,
    Sequences,
    TemporalGateLSTM,
)

quickly = settings(max_examples=20, deadline=None)
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6}
PAIRS = [(RNN, nn.RNN), (LSTM, nn.LSTM)]
MODELS = [RNN, LSTM, TemporalGateLSTM]
T, B, D, H = 2, 3, 4, 5
WANTED = {  # of an initial state, by whether it is the RNN's
    True: "^the initial state must be a tensor h_0",
    False: r"^the initial state must be a pair of tensors \(h_0, c_0\), each",
}


def draw(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()


def states_of(module, *shape, dtype=torch.float64):
    """An initial state, or the pair an LSTM takes."""
    h = draw(*shape, seed=11, dtype=dtype)
    return h if isinstance(module, (RNN, nn.RNN)) else (h, draw(*shape, seed=12, dtype=dtype))


def listed(states):
    return list(states) if isinstance(states, tuple) else [states]


def same(found, expected, tolerance=1e-12):
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def total(output, last, seed=3):
    """A fixed random combination of all that comes out."""
    parts = [output, *listed(last)]
    return sum((draw(*part.shape, seed=seed + i).detach().to(part) * part).mean() for i, part in enumerate(parts))


def network(kind, *args, dtype=torch.float64, seed=0, **kwargs):
    torch.manual_seed(seed)
    made = kind(*args, **kwargs).to(dtype)
    if isinstance(made, TemporalGateLSTM):
        for layer in range(made.num_layers):
            made.set_gate(torch.linspace(1.5, 6, made.hidden_size), torch.linspace(-1, 3, made.hidden_size), 0.8, layer)
    return made


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=["RNN", "LSTM"])
@quickly
@given(
    sizes=st.tuples(*[st.integers(1, 5)] * 4),
    num_layers=st.integers(1, 3),
    bias=st.booleans(),
    batch_first=st.booleans(),
    batched=st.booleans(),
    with_states=st.booleans(),
    copy_back=st.booleans(),
)
def test_as_torch_nn(ours, theirs, dtype, sizes, num_layers, bias, batch_first, batched, with_states, copy_back):
    """Output, last states and all gradients, weights copied over in either direction."""
    steps, batch, features, units = sizes
    torch.manual_seed(sum(sizes))
    if copy_back:
        our = ours(features, units, num_layers, bias=bias, batch_first=batch_first).to(dtype)
        their = our.to_torch()
    else:
        their = theirs(features, units, num_layers, bias=bias, batch_first=batch_first, dtype=dtype)
        our = ours.from_torch(their)
    shape = (steps, features) if not batched else (batch, steps, features) if batch_first else (steps, batch, features)
    x = draw(*shape, dtype=dtype)
    state_shape = (num_layers, batch, units) if batched else (num_layers, units)
    states = states_of(our, *state_shape, dtype=dtype) if with_states else None
    results = []
    for module in (our, their):
        output, last = module(x, states)
        asked = [x, *(listed(states) if with_states else []), *module.parameters()]
        results.append(([output, *listed(last)], torch.autograd.grad(total(output, last), asked)))
    (our_values, our_gradients), (their_values, their_gradients) = results
    for found, expected in zip(our_values, their_values, strict=True):
        assert found.shape == expected.shape
        same(found, expected, TOLERANCE[dtype])
    leading = 1 + (len(listed(states)) if with_states else 0)
    for found, expected in zip(our_gradients[:leading], their_gradients[:leading], strict=True):
        same(found, expected, TOLERANCE[dtype])
    by_name = dict(zip([name for name, _ in their.named_parameters()], their_gradients[leading:], strict=True))
    for (name, _), found in zip(our.named_parameters(), our_gradients[leading:], strict=True):
        expected = [
            by_name[name.replace("bias", part)] for part in (("bias_ih", "bias_hh") if "bias" in name else [""])
        ]
        for gradient in expected:  # of a sum of two biases: by each of them the same
            same(found, gradient, TOLERANCE[dtype])


@pytest.mark.parametrize("kind", [LSTM, TemporalGateLSTM])
def test_gradients_through_peepholes_agree_with_differences(kind):
    net, x = opened(kind, D, H, 2, peepholes=True).double(), draw(T + 1, B, D)
    names, parameters = zip(*net.named_parameters())
    assert {"peepholes_l0", "peepholes_l1"} < set(names)

    def outputs(x, *parameters):
        output, last = torch.func.functional_call(net, dict(zip(names, parameters)), (x,))
        return output, *last

    assert torch.autograd.gradcheck(outputs, (x, *parameters))


@pytest.mark.parametrize("kind", [LSTM, TemporalGateLSTM])
def test_peepholes_of_zero_change_nothing(kind):
    torch.manual_seed(0)
    net, x = kind(D, H, 2, peepholes=True), torch.randn(T, B, D)
    plain = kind(D, H, 2)
    lost = plain.load_state_dict(net.state_dict(), strict=False)
    assert lost.unexpected_keys == ["peepholes_l0", "peepholes_l1"]
    assert all(net.get_parameter(name).abs().max() > 0 for name in lost.unexpected_keys)
    for name in lost.unexpected_keys:
        nn.init.zeros_(net.get_parameter(name))
    same(net(x)[0], plain(x)[0], 1e-6)


def test_what_has_no_peepholes_refuses_them():
    with pytest.raises(ValueError, match=r"^peepholes must be False for gru: only the LSTM's gates can see its cell$"):
        SequenceNetwork("gru", D, 2, H, peepholes=True)
    with pytest.raises(ValueError, match=r"^LSTM.from_torch copies weights alone, and those of torch.nn have no peep"):
        LSTM.from_torch(torch.nn.LSTM(D, H), peepholes=True)


def test_what_would_be_without_effect_is_refused():
    with pytest.raises(ValueError, match=r"^forget_bias must be 0 and chrono None for networks without biases$"):
        LSTM(D, H, bias=False).remember(1.0)
    LSTM(D, H, bias=False).remember()
    with pytest.raises(ValueError, match=r"^reads must be interval for this temporal-gate, which reads no times$"):
        SequenceNetwork("temporal-gate", D, 2, H, timed=True, reads="time")
    with pytest.raises(ValueError, match=r"^reads must be interval for this lstm, which reads no times$"):
        SequenceNetwork("lstm", D, 2, H, reads="time")
    with pytest.raises(ValueError, match="peepholes_l0"):
        LSTM(D, H, peepholes=True).to_torch()


@pytest.mark.parametrize("kind", MODELS)
def test_a_sequence_alone_with_its_states_is_a_batch_of_one(kind):
    net, x = network(kind, D, H, 2), draw(T, D)
    states = states_of(net, 2, H)
    alone, last = net(x, states)
    batched = [state[:, None] for state in listed(states)]
    together, lasts = net(x[:, None], tuple(batched) if isinstance(states, tuple) else batched[0])
    same(alone, together[:, 0])
    for found, expected in zip(listed(last), listed(lasts), strict=True):
        same(found, expected[:, 0])


@pytest.mark.parametrize("kind", MODELS)
def test_two_layers_with_a_loop_of_step_cells(kind):
    net, x = network(kind, D, H, 2), draw(T + 3, B, D)
    states = states_of(net, 2, B, H)
    output, last = net(x, states)
    times, below, ends = torch.arange(1, T + 4).double(), x, []
    for layer in range(2):
        h, *c = (state[layer] for state in listed(states))
        outputs = []
        for t, x_t in zip(times, below):
            if kind is RNN:
                h = rnn_step(x_t, h, *net.weights(layer))
            elif kind is LSTM:
                h, c[0] = lstm_step(x_t, h, c[0], *net.weights(layer))
            else:
                k = temporal_gate(t, *net.gate(layer))
                h, c[0] = temporal_gate_lstm_step(x_t, h, c[0], k, *net.weights(layer))
            outputs.append(h)
        below = torch.stack(outputs)
        ends.append((h, *c))
    same(output, below)
    for found, expected in zip(listed(last), zip(*ends), strict=True):
        same(found, torch.stack(expected))
    asked = [x, *listed(states), *net.parameters()]
    by_loop = total(below, tuple(torch.stack(state) for state in zip(*ends)))
    for found, expected in zip(torch.autograd.grad(total(output, last), asked), torch.autograd.grad(by_loop, asked)):
        same(found, expected)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=["RNN", "LSTM"])
@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
def test_a_copy_keeps_dtype_options_and_weights_and_shares_nothing(ours, theirs, dtype):
    module = theirs(D, H, 2, batch_first=True, dtype=dtype)
    copy = ours.from_torch(module)
    assert (copy.input_size, copy.hidden_size, copy.num_layers, copy.batch_first, copy.bias) == (D, H, 2, True, True)
    assert {parameter.dtype for parameter in copy.parameters()} == {dtype}
    assert all(parameter.requires_grad for parameter in copy.parameters())
    assert torch.equal(copy.bias_l1, module.bias_ih_l1 + module.bias_hh_l1)
    assert torch.equal(copy.weight_hh_l0, module.weight_hh_l0)
    with torch.no_grad():
        module.weight_hh_l0.zero_()
    assert copy.weight_hh_l0.abs().min() > 0


@pytest.mark.parametrize(("ours", "theirs"), [*PAIRS, (TemporalGateLSTM, nn.LSTM)])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_copy_keeps_mode_device_and_what_is_trained(ours, theirs, training, device):
    module = theirs(D, H, 2, dropout=0.5, device=device).train(training)
    for name in ("weight_ih_l1", "bias_ih_l0", "bias_hh_l0", "bias_hh_l1"):
        getattr(module, name).requires_grad_(False)
    module.weight_hh_l0.grad = torch.ones_like(module.weight_hh_l0)
    copied = ours.from_torch(module)
    assert (copied.training, copied.dropout) == (training, 0.5)
    assert {weight.device.type for weight in copied.parameters()} == {device}
    frozen = {name for name, weight in copied.named_parameters() if not weight.requires_grad}
    assert frozen == {"weight_ih_l1", "bias_l0"}  # the bias of layer 1 is a sum of which one part is trained
    assert all(weight.grad is None for weight in copied.parameters())
    back = copied.to_torch()
    assert (back.training, back.dropout) == (training, 0.5)
    assert {weight.device.type for weight in back.parameters()} == {device}
    frozen = {name for name, weight in back.named_parameters() if not weight.requires_grad}
    assert frozen == {"weight_ih_l1", "bias_ih_l0", "bias_hh_l0"}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("training", [True, False])
def test_there_and_back_is_the_same_module(kind, training):
    net = network(kind, D, H, 2, batch_first=True, dropout=0.25, backend="native").train(training)
    net.weight_hh_l1.requires_grad_(False)
    net.bias_l0.requires_grad_(False)
    options = {"leak": 0.5} if kind is TemporalGateLSTM else {}
    back = kind.from_torch(net.to_torch(), backend="native", **options)
    for option in ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "backend", "training"):
        assert getattr(back, option) == getattr(net, option), option
    assert getattr(back, "leak", 0.5) == 0.5
    for (name, weight), (other, found) in zip(net.named_parameters(), back.named_parameters(), strict=True):
        assert (name, weight.dtype, weight.requires_grad) == (other, found.dtype, found.requires_grad)
        assert torch.equal(weight, found) or name.startswith(net.per_unit)


class Peephole(nn.LSTM):
    def forward(self, input, hx=None):
        return super().forward(input, hx)


def with_buffer(module):
    module.register_buffer("mask", torch.ones(1))


def with_shared_weights(module):
    module.weight_hh_l1 = module.weight_hh_l0


@pytest.mark.parametrize("kind", [LSTM, nn.LSTM])
@pytest.mark.parametrize(
    ("more", "named"),
    [
        (lambda m: nn.utils.parametrizations.weight_norm(m, "weight_hh_l0"), "parametrizations.weight_hh_l0.original0"),
        (lambda m: prune.l1_unstructured(m, "weight_hh_l0", 0.5), "weight_hh_l0_orig"),
        (lambda m: m.register_forward_hook(lambda *_: None), "forward_hooks"),
        (lambda m: m.register_full_backward_pre_hook(lambda *_: None), "backward_pre_hooks"),
        (lambda m: m.weight_hh_l0.register_hook(lambda d: d.clamp(-1, 1)), "hooks of weight_hh_l0"),
        (lambda m: m.register_parameter("peephole", nn.Parameter(torch.ones(1))), "peephole"),
        (with_buffer, "mask"),
        (with_shared_weights, "parameters that are one"),
    ],
    ids=["weight norm", "pruning", "hook", "backward hook", "gradient's hook", "parameter", "buffer", "shared"],
)
def test_what_a_copy_would_lose_is_refused(kind, more, named):
    module = kind(D, H, 2)
    more(module)
    with pytest.raises(ValueError, match=r"LSTM\.(from|to)_torch copies weights alone.*" + re.escape(named)):
        module.to_torch() if kind is LSTM else LSTM.from_torch(module)


def test_a_hook_that_was_removed_is_no_hindrance():
    module = nn.LSTM(D, H)
    module.register_forward_hook(lambda *_: None).remove()
    module.weight_hh_l0.register_hook(lambda d: d).remove()
    assert torch.equal(LSTM.from_torch(module).weight_hh_l0, module.weight_hh_l0)


def test_a_module_whose_forward_is_another_is_refused():
    class Named(nn.LSTM):
        pass

    LSTM.from_torch(Named(D, H))
    with pytest.raises(ValueError, match=r"from_torch takes a torch\.nn\.LSTM, not a Peephole"):
        LSTM.from_torch(Peephole(D, H))


@pytest.mark.parametrize(("kind", "theirs"), [*PAIRS, (TemporalGateLSTM, nn.LSTM)])
def test_a_torch_module_with_our_weights_has_one_bias_and_a_zero(kind, theirs):
    net = network(kind, D, H, 2, dtype=torch.float32)
    module = net.to_torch()
    assert type(module) is theirs
    for layer in range(2):
        weight_ih, weight_hh, bias = net.weights(layer)
        assert torch.equal(getattr(module, f"weight_ih_l{layer}"), weight_ih)
        assert torch.equal(getattr(module, f"weight_hh_l{layer}"), weight_hh)
        assert torch.equal(getattr(module, f"bias_ih_l{layer}"), bias)
        assert not getattr(module, f"bias_hh_l{layer}").any()


@pytest.mark.parametrize("kind", MODELS)
def test_there_and_back_is_the_same_weights(kind):
    net = network(kind, D, H, 2, bias=False, batch_first=True)
    back = kind.from_torch(net.to_torch())
    stacked = [name for name in net.state_dict() if name.startswith("weight")]
    assert len(stacked) == 4
    assert all(torch.equal(net.state_dict()[name], back.state_dict()[name]) for name in stacked)
    assert back.batch_first
    assert not back.bias


@pytest.mark.parametrize(
    ("kind", "module", "named"),
    [
        (RNN, nn.LSTM(D, H), "LSTM"),
        (LSTM, nn.RNN(D, H), "RNN"),
        (LSTM, nn.GRU(D, H), "GRU"),
        (LSTM, nn.LSTM(D, H, bidirectional=True), "bidirectional"),
        (LSTM, nn.LSTM(D, H, proj_size=2), "proj_size"),
        (RNN, nn.RNN(D, H, nonlinearity="relu"), "nonlinearity"),
    ],
)
def test_what_ours_does_not_do_is_refused(kind, module, named):
    with pytest.raises(ValueError, match=named):
        kind.from_torch(module)


@pytest.mark.parametrize("name", ["input_size", "hidden_size", "num_layers"])
@pytest.mark.parametrize("value", [0, -1, 2.0, "3"])
@pytest.mark.parametrize("kind", MODELS)
def test_a_size_that_is_no_positive_integer_is_refused(kind, name, value):
    sizes = {"input_size": D, "hidden_size": H, "num_layers": 1, name: value}
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1, not {value!r}"):
        kind(**sizes)


@pytest.mark.parametrize("kind", MODELS)
def test_arguments_are_torch_nns_in_its_order(kind):
    options = {"num_layers": 2, "bias": False, "batch_first": True, "dropout": 0.5, "bidirectional": False}
    options |= {"device": "cpu", "dtype": torch.float64} | (
        {"nonlinearity": "tanh"} if kind is RNN else {"proj_size": 0}
    )
    by_name = kind(input_size=D, hidden_size=H, **options)
    by_place = kind(D, H, 2, *(["tanh"] if kind is RNN else []), False, True, 0.5, False)
    assert [(name, weight.shape) for name, weight in by_name.named_parameters()] == [
        (name, weight.shape) for name, weight in by_place.named_parameters()
    ]
    for net, dtype in ((by_name, torch.float64), (by_place, torch.float32)):
        assert (net.num_layers, net.bias, net.batch_first, net.dropout) == (2, False, True, 0.5)
        assert (net.bidirectional, net.proj_size, net.backend) == (False, 0, "torch")
        assert {weight.dtype for weight in net.parameters()} == {dtype}
        theirs = net.counterpart(D, H, 2, bias=False)
        assert [[weight.shape for weight in layer] for layer in net.all_weights] == [
            [weight.shape for weight in layer] for layer in theirs.all_weights
        ]
        assert net.all_weights[1][0] is net.weight_ih_l1
        assert net.flatten_parameters() is None
    assert kind(D, H, device="meta").weight_hh_l0.is_meta


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[("bidirectional", True), ("proj_size", 2), ("dropout", "torch"), ("dropout", 1), ("bias", 0.5)],
        *[("bias", None), ("batch_first", 1), ("num_layers", True), ("backend", 0.5)],
    ],
)
def test_an_option_that_ours_does_not_have_is_refused(kind, option, value):
    with pytest.raises(ValueError, match=f"{option}.* not {value!r}"):
        kind(D, H, **{option: value})


def test_another_nonlinearity_is_refused():
    for arguments in ((D, H, 1, "relu"), (D, H, 1, True)):  # in its place the LSTM has the bias
        with pytest.raises(ValueError, match=f"RNN does nonlinearity='tanh' only, not {arguments[-1]!r}"):
            RNN(*arguments)


@pytest.mark.parametrize("kind", MODELS)
def test_parameters_are_reset_as_they_were_drawn(kind):
    torch.manual_seed(3)
    net = kind(D, H, 2)
    drawn = copy.deepcopy(net.state_dict())
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    torch.manual_seed(3)
    net.reset_parameters()
    assert all(torch.equal(net.state_dict()[name], weight) for name, weight in drawn.items())
    net = CharLSTM(D, H, tied=True).lstm
    before = [weight.clone() for weight in net.parameters()]
    net.reset_parameters()
    assert not any(torch.equal(*pair) for pair in zip(before, net.parameters()))


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    ("input", "message"),
    [
        (nn.utils.rnn.pack_padded_sequence(torch.zeros(T, B, D), [2, 2, 1]), "not a PackedSequence: .*pad_packed_sequ"),
        (torch.zeros(T, B, D).numpy(), "input must be a tensor of real numbers, .* not ndarray"),
        (torch.zeros(T, B, D, dtype=torch.complex64), "input must be a tensor of real numbers, .*complex64"),
        (torch.zeros(T, B, dtype=torch.bool), "input must be a tensor of real numbers, .*bool"),
        (torch.zeros(T, B, D).double(), "the weights' kind, torch.float32 on cpu, not torch.float64 on cpu"),
        (torch.zeros(T, B, D).half(), "the weights' kind, torch.float32 on cpu, not torch.float16 on cpu"),
        (torch.zeros(T, B, D).to("meta"), "the weights' kind, torch.float32 on cpu, not torch.float32 on meta"),
    ],
    ids=["packed", "numpy", "complex", "bool", "float64", "float16", "meta"],
)
def test_an_input_of_another_kind_is_refused(kind, input, message):
    with pytest.raises(ValueError, match=message):
        kind(D, H)(input)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((D,), r"input must have the shape"),
        ((T, B, D, 1), r"input must have the shape"),
        ((T, B, D + 1), rf"{D} features"),
        ((0, B, D), "at least one step"),
        ((T, 0, D), "one sequence"),
    ],
)
def test_an_input_of_another_shape_is_refused(kind, shape, message):
    with pytest.raises(ValueError, match=message):
        kind(D, H)(torch.zeros(shape))


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("symbol", [-1, D])
def test_a_symbol_outside_the_vocabulary_is_refused(kind, symbol):
    with pytest.raises(ValueError, match=f"0…{D - 1}"):
        kind(D, H)(torch.tensor([[0, symbol, 1]]))


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("shape", [(B, H), (1, B + 1, H), (2, B, H), (1, B, H + 1), (1, 1, H)], ids=str)
def test_a_state_of_another_shape_is_refused(kind, shape):
    net = kind(D, H)
    with pytest.raises(ValueError, match=WANTED[kind is RNN]):
        net(torch.zeros(T, B, D), states_of(net, *shape, dtype=torch.float32))
    if kind is not RNN:
        states = torch.zeros(1, B, H), torch.zeros(shape)
        with pytest.raises(ValueError, match=re.escape(f"(1, 3, 5), torch.float32 on cpu; {shape}, torch.float32")):
            net(torch.zeros(T, B, D), states)


state = torch.zeros(1, B, H)


@pytest.mark.parametrize("kind", [*MODELS, CharLSTM])
@pytest.mark.parametrize(
    ("hx", "told"),
    [
        ((state, state, state), "tuple [(1, 3, 5), torch.float32 on cpu; "),
        ([state], "list [(1, 3, 5), torch.float32 on cpu]"),
        ((), "tuple []"),
        ((None, None), "tuple [NoneType; NoneType]"),
        (0, "not int"),
        (state.numpy(), "not ndarray"),
        (
            [state[0]] * 9,
            "list [(3, 5), torch.float32 on cpu; (3, 5), torch.float32 on cpu; (3, 5), torch.float32 on cpu; …]",
        ),
        ((state, state.double()), "(1, 3, 5), torch.float64 on cpu]"),
        ((state, state.to("meta")), "(1, 3, 5), torch.float32 on meta]"),
    ],
    ids=["three", "one", "none", "None", "0", "numpy", "many", "dtype", "device"],
)
def test_what_is_no_initial_state_is_refused_in_one_sentence(kind, hx, told):
    read = CharLSTM(D, H, num_layers=1).run if kind is CharLSTM else kind(D, H)
    wanted = WANTED[kind is RNN] + r" \(L, B, H\) = \(1, 3, 5\), torch.float32 on cpu, "
    with pytest.raises(ValueError, match=wanted + ".*" + re.escape(told)):
        read(torch.zeros(T, B, dtype=torch.int64), hx)


@pytest.mark.parametrize("kind", MODELS)
def test_a_state_of_the_other_network_is_refused(kind):
    pair = (state, state)
    with pytest.raises(ValueError, match=WANTED[kind is RNN]):
        kind(D, H)(torch.zeros(T, B, D), pair if kind is RNN else state)
    with pytest.raises(ValueError, match=r"\(L, H\) = \(1, 5\), torch.float32 on cpu, not .*\(1, 3, 5\)"):
        kind(D, H)(torch.zeros(T, D), state if kind is RNN else pair)
    two = kind(D, H, 2)  # a tensor whose first dimension, L, could be taken for the pair
    with pytest.raises(ValueError, match=WANTED[kind is RNN]):
        two(torch.zeros(T, B, D), torch.zeros(2, 2, B, H))


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_symbols_equal_one_hot_vectors(kind, batched, batch_first):
    net = network(kind, D, H, 2, batch_first=batch_first)
    symbols = torch.tensor([[0, 3, 1], [2, 2, 0]] if batched else [0, 3, 1])
    found, expected = net(symbols), net(F.one_hot(symbols, D).double())
    same(found[0], expected[0])
    for one, other in zip(listed(found[1]), listed(expected[1]), strict=True):
        same(one, other)
    parameters = list(net.parameters())
    for one, other in zip(
        torch.autograd.grad(total(*found), parameters), torch.autograd.grad(total(*expected), parameters), strict=True
    ):
        same(one, other)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32], ids=str)
def test_symbols_may_be_integers_of_any_width(dtype):
    net, symbols = network(LSTM, D, H), torch.tensor([[0, 3, 1], [2, 2, 0]])
    found, expected = net(symbols.to(dtype)), net(symbols)
    assert torch.equal(found[0], expected[0])
    parameters = list(net.parameters())
    for one, other in zip(
        torch.autograd.grad(total(*found), parameters), torch.autograd.grad(total(*expected), parameters), strict=True
    ):
        assert torch.equal(one, other)


@pytest.mark.parametrize("kind", MODELS)
def test_an_initial_state_is_of_a_batch_unless_that_is_denied(kind):
    net = network(kind, D, H, 2)
    states = states_of(net, 2, B, H)
    assert all(map(torch.equal, net.initial_state(states, B), listed(states)))


@pytest.mark.parametrize("kind", MODELS)
def test_a_sequence_in_two_parts_equals_one_go(kind):
    net, x = network(kind, D, H, 2), draw(7, B, D)
    whole, end = net(x)
    first, middle = net(x[:4])
    later = {"times": torch.arange(5, 8)} if kind is TemporalGateLSTM else {}
    second, found = net(x[4:], middle, **later)
    same(torch.cat([first, second]), whole)
    for one, other in zip(listed(found), listed(end), strict=True):
        same(one, other)


@pytest.mark.parametrize("kind", MODELS)
def test_without_a_given_state_all_start_from_zero(kind):
    """Whatever memory held before: here torch fills all that nobody sets with NaN."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    states = kind(D, H, 2).initial_state(None, B)
    torch.use_deterministic_algorithms(deterministic)
    assert all(torch.equal(state, torch.zeros(2, B, H)) for state in states)


@pytest.mark.parametrize("kind", MODELS)
def test_without_bias_there_is_none(kind):
    net = network(kind, D, H, bias=False)
    assert not any("bias" in name for name, _ in net.named_parameters())
    if kind is not TemporalGateLSTM:
        output, _ = net(torch.zeros(T, B, D, dtype=torch.float64))
        assert not output.any()


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(("features", "units", "layers"), [(1, 2, 1), (3, 4, 1), (4, 3, 3)])
def test_the_number_of_parameters_is_the_formulas(kind, features, units, layers):
    gates = 1 if kind is RNN else 4
    weights = gates * units * (features + units + 1) + (layers - 1) * gates * units * (2 * units + 1)
    gate = 3 * units * layers if kind is TemporalGateLSTM else 0
    assert sum(parameter.numel() for parameter in kind(features, units, layers).parameters()) == weights + gate


@pytest.mark.parametrize("kind", MODELS)
def test_a_network_says_its_sizes(kind):
    assert repr(kind(D, H, 2)) == f"{kind.__name__}({D}, {H}, num_layers=2)"


def test_the_networks_are_importable_from_the_package():
    assert {getattr(rnnreport, name).__name__ for name in rnnreport.__all__} == set(rnnreport.__all__)
    with pytest.raises(AttributeError, match="GRU"):
        rnnreport.GRU  # noqa: B018


# As torch.nn's are used


def opened(kind, *args, **options):
    """A network whose gates, if it has any, are open at every step, some of the units at least."""
    torch.manual_seed(0)
    net = kind(*args, **options)
    if isinstance(net, TemporalGateLSTM):
        for layer in range(net.num_layers):
            tau, s = torch.linspace(1.3, 7, net.hidden_size), torch.linspace(0.13, 3.07, net.hidden_size)
            net.set_gate(tau, s, 0.3, layer)
    return net


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("backend", ["torch", "native"])
@pytest.mark.parametrize("given", [True, False])
def test_in_autocast_the_weights_dtype_is_kept(kind, backend, given):
    """A layer before hands bfloat16 on, to the input and to the state; the gradient goes back to it."""
    net, below = opened(kind, D, H, 2, backend=backend), nn.Linear(D, D)
    x, h = torch.randn(6, B, D), torch.randn(2, B, H)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        read = below(x)
        hx = None if not given else h.bfloat16() if kind is RNN else (h.bfloat16(), h)
        output, last = net(read, hx)
    assert read.dtype == torch.bfloat16
    assert {part.dtype for part in (output, *listed(last))} == {torch.float32}
    outside = None if not given else h.bfloat16().float() if kind is RNN else (h.bfloat16().float(), h)
    assert torch.equal(output, net(read.float(), outside)[0])
    output.sum().backward()
    assert below.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("backend", ["torch", "native"])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("shape", [(7, 150, D), (7, 1, D), (7, D)], ids=str)  # a batch in which few open units pay
def test_what_comes_out_is_contiguous(kind, backend, batch_first, shape):
    output, last = opened(kind, D, 20, 2, batch_first=batch_first, backend=backend)(torch.zeros(shape))
    assert all(part.is_contiguous() for part in (output, *listed(last)))
    output.view(-1)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("backend", ["torch", "native"])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("batch", [1, 150])
@pytest.mark.parametrize("changed", [0, 1, 2], ids=["output", "h", "c"])
@pytest.mark.parametrize("silently", [True, False])
def test_what_is_changed_in_place_is_noticed_or_does_no_harm(kind, backend, batch_first, batch, changed, silently):
    if kind is RNN and changed == 2:
        return
    net = opened(kind, D, 20, batch_first=batch_first, backend=backend)
    x = torch.randn((batch, 5, D) if batch_first else (5, batch, D))

    def gradients_of(double):
        output, last = net(x)
        parts = [output, *listed(last)]
        parts = [double(part) if place == changed else part for place, part in enumerate(parts)]
        return torch.autograd.grad(sum((part * part.detach().cos()).sum() for part in parts), list(net.parameters()))

    def in_place(part):
        with torch.set_grad_enabled(not silently):
            return part.mul_(2)

    expected = gradients_of(lambda part: part * (1 if silently else 2) + (part.detach() if silently else 0))
    found, refusal = [], "modified inplace"
    try:
        found = gradients_of(in_place)
    except RuntimeError as error:
        refusal = str(error)
    assert re.search("modified (by an )?inplace", refusal)
    for one, other in zip(found, expected):
        same(one, other, 1e-5)


FOLLOWED = [(kind, backend) for kind in MODELS for backend in ("torch", "native")]


@pytest.mark.parametrize(("kind", "backend"), FOLLOWED)
@pytest.mark.parametrize("symbols", [True, False])
def test_torch_func_sees_through(kind, backend, symbols):
    net = opened(kind, D, H, 2, backend=backend)
    weights = dict(net.named_parameters())
    x = torch.randint(D, (4, 6, B)) if symbols else torch.randn(4, 6, B, D)

    def loss(weights, x):
        output, last = torch.func.functional_call(net, weights, (x,))
        return output.square().sum() + sum(part.sin().sum() for part in listed(last))

    by_func = torch.func.grad(loss)(weights, x[0])
    expected = dict(zip(weights, torch.autograd.grad(loss(weights, x[0]), list(weights.values()))))
    each = torch.vmap(torch.func.grad(loss), (None, 0))(weights, x)
    for name, gradient in expected.items():
        same(by_func[name], gradient, 1e-5)
        same(each[name][0], gradient, 1e-5)
    same(torch.vmap(lambda x: net(x)[0])(x)[2], net(x[2])[0], 1e-5)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("symbol", [-1, D])
def test_a_symbol_outside_the_vocabulary_is_noticed_there_too(kind, symbol):
    net, symbols = kind(D, H), torch.tensor([[0, symbol, 1]])
    for read in (torch.vmap(lambda x: net(x)[0]), torch.compile(lambda x: net(x[0])[0], backend="eager")):
        with pytest.raises((IndexError, RuntimeError), match="index out of range"):
            read(symbols.unsqueeze(0))


@pytest.mark.parametrize(("kind", "backend"), FOLLOWED)
def test_torch_func_goes_forward_and_twice(kind, backend):
    net = opened(kind, 2, 3, backend=backend).double()
    x = torch.randn(3, 2, 2, dtype=torch.float64)

    def loss(x):
        return net(x)[0].square().sum()

    d = torch.randn_like(x)
    _, along = torch.func.jvp(loss, (x,), (d,))
    (gradient,) = torch.autograd.grad(loss(x.requires_grad_()), x)
    same(along, (gradient * d).sum())
    x = x.detach()
    curved = torch.func.hessian(loss)(x).reshape(12, 12)
    step = 1e-5 * d
    slopes = [torch.autograd.grad(loss(y), y)[0] for y in ((x + step).requires_grad_(), (x - step).requires_grad_())]
    same(curved @ d.flatten(), (slopes[0] - slopes[1]).flatten() / 2e-5, 1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "backend"), FOLLOWED)
@pytest.mark.filterwarnings("ignore")  # of jit's, which is deprecated, and of its tracer at every check
def test_a_module_can_be_traced_exported_and_compiled(kind, backend):
    net, x = opened(kind, D, H, 2, backend=backend).eval(), torch.randn(6, B, D)
    expected = net(x)
    traced, other = torch.jit.trace(net, (x,)), torch.randn(6, 2 * B, D)
    same(traced(other)[0], net(other)[0], 1e-5)
    with pytest.raises(RuntimeError, match="Expected 6 elements in a list but found 5"):
        traced(x[:5])  # the number of steps is the traced one: not a wrong answer
    forms = [torch.export.export(net, (x,)).module(), torch.compile(net, backend="eager", fullgraph=True)]
    for found in (form(x) for form in (traced, *forms)):
        for one, two in zip([found[0], *listed(found[1])], [expected[0], *listed(expected[1])], strict=True):
            same(one, two, 1e-5)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("again", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["copy", "pickle"])
def test_a_module_can_be_copied_and_stored(kind, again):
    net, x = opened(kind, D, H, 2, backend="native", dropout=0.5).eval(), torch.randn(6, B, D)
    other = again(net)
    assert torch.equal(other(x)[0], net(x)[0])
    assert (other.backend, other.dropout, other.training) == ("native", 0.5, False)
    fresh = kind(D, H, 2).eval()
    fresh.load_state_dict(net.state_dict())
    same(fresh(x)[0], net(x)[0], 2**-7)
    with pytest.raises(RuntimeError, match="bias_hh_l0"):  # one bias a gate: from_torch sums the two
        fresh.load_state_dict(net.to_torch().state_dict())


# The temporal gate


def test_a_gate_stays_as_it_was_set():
    net = network(TemporalGateLSTM, D, 3, 2)
    net.set_gate(6.0, torch.tensor([-1.0, 0.0, 3.0]), 0.2, layer=1)
    tau, s, r_on = net.gate(1)
    same(tau, torch.full((3,), 6.0, dtype=torch.float64))
    same(s, torch.tensor([-1.0, 0.0, 3.0], dtype=torch.float64))
    same(r_on, torch.full((3,), 0.2, dtype=torch.float64))
    same(net.gate(0)[0], torch.linspace(1.5, 6, 3).double(), 1e-6)


def test_a_gate_that_is_never_shut_can_be_set_and_trained():
    net = network(TemporalGateLSTM, D, H)
    net.set_gate(4, 1, 1)
    assert torch.equal(net.gate()[2], torch.ones(H, dtype=torch.float64))
    output, _ = net(draw(T, B, D))
    assert all(value.isfinite().all() for value in torch.autograd.grad(output.sum(), list(net.parameters())))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("tau", value) for value in (0.0, -1.0, math.nan, math.inf)],
        *[("s", value) for value in (math.nan, -math.inf)],
        *[("r_on", value) for value in (0.0, -0.1, 1.01, math.nan, math.inf)],
    ],
)
@pytest.mark.parametrize("for_one_unit", [True, False])
def test_a_gate_out_of_range_is_refused_and_nothing_set(name, value, for_one_unit):
    net = TemporalGateLSTM(D, 2)
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    good = {"tau": 6.0, "s": 3.0, "r_on": 0.2}
    bad = torch.tensor([good[name], value]) if for_one_unit else value
    with pytest.raises(ValueError, match=f"^{name} must be"):
        net.set_gate(**{**good, name: bad})
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())


@quickly
@given(st.integers(0, 2**32))
def test_a_new_gate_is_drawn_as_documented(seed):
    torch.manual_seed(seed)
    tau, s, r_on = TemporalGateLSTM(1, 50, 2).gate(1)
    assert ((tau >= 1) & (tau <= 100.001)).all()
    assert ((s >= 0) & (s <= tau)).all()
    same(r_on, torch.full_like(r_on, 0.05), 1e-6)
    assert tau.log().std() > 0.8  # log-uniform over 1…100 has 1.33


@pytest.mark.parametrize(("drawn", "tau"), [(torch.zeros, 1), (torch.ones, 100)])
def test_a_new_gates_periods_reach_from_1_to_100(monkeypatch, drawn, tau):
    monkeypatch.setattr(torch, "rand", drawn)
    same(TemporalGateLSTM(1, H).gate()[0], torch.full((H,), float(tau)), 1e-5)


@pytest.mark.parametrize("shortest", [0, -0.5])
def test_periods_that_are_not_above_0_are_not_drawn(shortest):
    with pytest.raises(ValueError, match=r"^periods must lie in a range above 0, not from"):
        TemporalGateLSTM(1, H).draw_gate(shortest, 10, 0.5)


def test_periods_without_end_are_not_drawn():
    with pytest.raises(ValueError, match=r"^periods must lie in a range above 0, not from 1 to inf"):
        TemporalGateLSTM(1, H).draw_gate(1, math.inf, 0.5)


def test_a_period_below_1_can_be_set():
    net = network(TemporalGateLSTM, D, H)
    net.set_gate(0.25, 0, 0.5)
    same(net.gate()[0], torch.full((H,), 0.25, dtype=torch.float64))


def test_the_ends_of_what_a_gate_is_drawn_from_are_allowed():
    net = TemporalGateLSTM(D, H, leak=1)
    net.draw_gate(7, 7, 0.5)
    same(net.gate()[0], torch.full((H,), 7.0), 1e-5)


@pytest.mark.parametrize("leak", [-0.5, 1.5])
def test_a_leak_out_of_range_is_refused(leak):
    with pytest.raises(ValueError, match=r"^leak must be a number from 0 to 1, not"):
        TemporalGateLSTM(D, H, leak=leak)


@pytest.mark.parametrize("batch_first", [True, False])
def test_times_default_to_1_to_the_last_and_may_differ_by_sequence(batch_first):
    net = network(TemporalGateLSTM, D, H, 2, batch_first=batch_first)
    x = draw(B, T, D) if batch_first else draw(T, B, D)
    by_default, _ = net(x)
    assert torch.equal(net(x, times=torch.tensor([1, 2]))[0], by_default)
    assert torch.equal(net(x, None, torch.tensor([[1.0] * B, [2.0] * B]))[0], by_default)
    times = draw(T, B, seed=5).detach() * 5
    together, _ = net(x, times=times)
    for b in range(B):
        alone = x[b] if batch_first else x[:, b]
        same(together[b] if batch_first else together[:, b], net(alone, times=times[:, b])[0])


def test_openness_is_equation_12_for_every_unit():
    net = network(TemporalGateLSTM, D, H)
    times = draw(T, B).detach() * 10
    k = net.openness(times)
    assert k.shape == (T, B, H)
    assert torch.equal(k[1, 2], temporal_gate(times[1, 2], *net.gate()))
    assert net.openness(times[:, 0]).shape == (T, H)


@pytest.mark.parametrize("backend", ["torch", "native"])
@pytest.mark.parametrize("dtype", [torch.int64, torch.float64], ids=str)
@pytest.mark.parametrize("by_sequence", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_unix_seconds_keep_their_phase(backend, dtype, by_sequence, training):
    """In float32 those of 200 seconds would be 3 distinct times."""
    net = opened(TemporalGateLSTM, D, 20, 2, backend=backend, leak=0.1).train(training)
    exact = copy.deepcopy(net).double()
    exact.gate = lambda layer: [value.double() for value in net.gate(layer)]  # another exp would be other periods
    times = (1_700_000_000 + torch.arange(200)).to(dtype)
    times = times[:, None].expand(200, B) if by_sequence else times
    x = torch.randn(200, B, D)
    assert len(net.openness(times).flatten(1).unique(dim=0)) > 150
    same(net(x, times=times)[0], exact(x.double(), times=times)[0].float(), 2**-6 if backend == "native" else 1e-4)


@pytest.mark.parametrize("model", ["lstm", "temporal-gate"])
@pytest.mark.parametrize(
    ("times", "told"),
    [
        (torch.tensor([1.0, math.nan]), "float32.* not nan$"),
        (torch.tensor([[1.0] * B, [2.0, math.inf, 3.0]]), "float32.* not inf$"),
        (torch.tensor([1.0, -math.inf]).double(), "float64.* not -inf$"),
        (torch.tensor([1.0, 1.7e9]), r"as torch\.float32, from -16,777,216 to 16,777,216, not 17000.*subtracted"),
        (torch.tensor([1.0, 2100]).half(), r"as torch\.float16, from -2,048 to 2,048, not 2100"),
        (torch.tensor([1, 1_700_000_000_000_000_000]), r"as torch\.int64, from -9,007.* not 1700000000000000000;"),
        (torch.tensor([1, -(2**63)]), r"as torch\.int64, from -9,007.* not -9223372036854775808;"),
    ],
    ids=["nan", "inf", "-inf", "float32", "float16", "nanoseconds", "least"],
)
def test_times_that_are_no_numbers_or_lost_their_units_are_refused(model, times, told):
    net = SequenceNetwork(model, D, 1, H, timed=True)
    with pytest.raises(ValueError, match="^times must be finite and, .*" + told):
        net(Sequences(torch.zeros(T, B, D), times))


@pytest.mark.parametrize("dtype", [torch.int64, torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("model", ["lstm", "temporal-gate"])
def test_a_network_reads_times_of_any_type_shared_or_not(model, dtype):
    """Intervals are taken before they are rounded to the weights' type."""
    torch.manual_seed(0)
    net, x = SequenceNetwork(model, D, 1, H, timed=True), torch.randn(4, B, D)
    times = torch.tensor([2, 3, 7, 8])
    expected = net(Sequences(x, times[:, None].expand(4, B).float()))
    same(net(Sequences(x, times.to(dtype))), expected, 1e-6)
    if model == "lstm" and dtype != torch.float32:
        same(net(Sequences(x, times.to(dtype) + 1_700_000_000)), expected, 1e-6)


def test_the_leak_is_of_training_alone():
    net = opened(TemporalGateLSTM, D, 20, leak=0.5)
    times = torch.arange(1, 30)
    leaking, tight = net.openness(times), net.eval().openness(times)
    shut = tight == 0
    assert 0 < shut.double().mean() < 1
    assert torch.equal(leaking[~shut], tight[~shut])
    assert (leaking[shut] > 0).all()
    assert torch.equal(tight, temporal_gate(times[:, None], *net.gate()))


def test_gates_are_drawn_for_the_first_layer_unless_another_is_named():
    net = TemporalGateLSTM(D, H, 2)
    before = {name: weight.clone() for name, weight in net.state_dict().items()}

    def moved():
        return {name for name, weight in net.state_dict().items() if not torch.equal(weight, before[name])}

    net.draw_gate(200, 300, 0.5)
    assert moved() == {"log_tau_l0", "s_l0", "logit_r_on_l0"}
    assert ((net.gate()[0] > 199) & (net.gate()[0] < 301)).all()
    net.draw_gate(200, 300, 0.5, 1)
    assert {name[-1] for name in moved()} == {"0", "1"}


def test_of_several_times_the_first_that_cannot_be_is_named():
    net = network(TemporalGateLSTM, D, H)
    with pytest.raises(ValueError, match=r"not 1.*e\+30; float64 holds larger ones"):
        net.openness(torch.tensor([1.0, 1e30, math.inf]))
    with pytest.raises(ValueError, match=r"not inf$"):
        net.openness(torch.tensor([1.0, math.inf, 1e30]))


@pytest.mark.parametrize(
    ("last", "next_"),
    [
        (torch.tensor(2.0**24), 2.0**24 + 2),
        (torch.tensor(2**53), 2**53 + 1),
        (torch.tensor(2.0**53).double(), 2.0**53 + 2),
    ],
)
def test_times_are_taken_up_to_where_whole_units_are_distinct(last, next_):
    net = network(TemporalGateLSTM, D, H)
    for sign in (1, -1):
        assert net.openness(sign * last[None]).isfinite().all()
        with pytest.raises(ValueError, match=r"^times must be finite and, as"):
            net.openness(torch.tensor([sign * next_], dtype=last.dtype))


@pytest.mark.parametrize("shape", [(T + 1,), (B, T), (T, B + 1), (T, B, H), (1,), ()], ids=str)
def test_times_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"times must have the shape"):
        TemporalGateLSTM(D, H)(torch.zeros(T, B, D), times=torch.zeros(shape))


def test_the_phased_lstm_learns_its_gate_itself():
    plain, phased = network(TemporalGateLSTM, D, H), network(PhasedLSTM, D, H)
    for net in (plain, phased):
        net.set_gate(7.0, 3.0, 0.05)
    torch.testing.assert_close(phased.gate(), plain.gate(), rtol=1e-12, atol=0)
    assert phased.r_on_l0.tolist() == [0.05] * H
    for net, name in ((plain, "logit_r_on_l0"), (phased, "r_on_l0")):  # Adam's first step is the learning rate
        parameter = getattr(net, name)
        optimizer = torch.optim.Adam([parameter], lr=1e-3)
        (-parameter.sum()).backward()
        optimizer.step()
    torch.testing.assert_close(phased.gate()[2], torch.full((H,), 0.051).double(), rtol=1e-6, atol=0)
    torch.testing.assert_close(plain.gate()[2], torch.full((H,), 0.05 + 0.05 * 0.95e-3).double(), rtol=1e-4, atol=0)
    with torch.no_grad():
        phased.tau_l0.neg_()
        phased.r_on_l0.copy_(torch.tensor([-1.5, -0.75, 0.0, 0.75, 1.5]))
    tau, _, r_on = phased.gate()
    assert (tau == 7).all()
    assert r_on.tolist() == [1.0, 0.75, 0.0, 0.75, 1.0]


@pytest.mark.parametrize("kind", [TemporalGateLSTM, PhasedLSTM])
def test_gradients_reach_the_gates_three_parameters(kind):
    net = network(kind, D, H)
    x, times = draw(4, B, D), draw(4, B, seed=9).detach() * 7
    names = [f"{name}0" for name in kind.per_unit]

    def outputs(*values):
        found, (h, c) = torch.func.functional_call(net, dict(zip(names, values)), (x.detach(), None, times))
        return found, h, c

    asked = [getattr(net, name).detach().clone().requires_grad_() for name in names]
    assert torch.autograd.gradcheck(outputs, asked)


def test_units_that_never_open_keep_their_state_to_the_bit():
    net = network(TemporalGateLSTM, D, 3)
    net.set_gate(100.0, torch.tensor([1.0, 50.0, 60.0]), 0.1)
    h_0, c_0 = draw(1, B, 3, seed=1), draw(1, B, 3, seed=2)
    output, (h_n, c_n) = net(draw(5, B, D), (h_0, c_0))
    assert torch.equal(output[..., 1:], h_0[0, :, 1:].expand(5, B, 2))
    assert torch.equal(c_n[..., 1:], c_0[..., 1:])
    assert not torch.isclose(h_n[..., 0], h_0[..., 0]).any()


# The two networks of the report


@pytest.mark.parametrize("encoding", ["scalar", "one-hot"])
@pytest.mark.parametrize("model", RECURRENCES)
def test_the_palindrome_classifier_is_a_recurrence_and_an_output_layer(model, encoding):
    torch.manual_seed(0)
    net = PalindromeClassifier(model, H, encoding=encoding).double()
    digits = torch.tensor([[1, 9], [0, 4], [7, 7]])
    x = digits.double()[..., None] if encoding == "scalar" else F.one_hot(digits, 10).double()
    output = net.recurrence(x)[0]
    logits = net(digits)
    assert logits.shape == (2, 10)
    same(logits, output[-1] @ net.W_ph.T + net.b_p)
    assert type(net.recurrence) is RECURRENCES[model]


@pytest.mark.parametrize("model", RECURRENCES)
def test_what_was_read_before_changes_no_answer(model):
    net = PalindromeClassifier(model, H, encoding="one-hot")
    digits = torch.tensor([[1, 9], [0, 4], [7, 7]])
    first, _, again = net(digits), net(digits.flip(0)), net(digits)
    assert torch.equal(first, again)


def test_the_reports_initialisation_has_a_standard_deviation_of_a_tenth():
    torch.manual_seed(0)
    net = PalindromeClassifier("lstm", 60, encoding="one-hot")
    for parameter in net.parameters():
        n = parameter.numel()  # bounds: five standard errors
        assert parameter.std().item() == pytest.approx(0.1, rel=5 / math.sqrt(2 * n))
        assert abs(parameter.mean().item()) < 5 * 0.1 / math.sqrt(n)


def test_the_uniform_initialisation_is_torch_nns():
    torch.manual_seed(0)
    net = PalindromeClassifier("rnn", 100, encoding="one-hot", initialisation="uniform")
    weights = [*net.recurrence.weights(0), net.W_ph]
    assert all(0.09 < weight.abs().max() <= 0.1 for weight in weights)
    assert not net.b_p.any()


@pytest.mark.parametrize("model", [name for name in RECURRENCES if RECURRENCES[name].reads_state])
def test_the_orthogonal_initialisation_makes_every_gates_whh_orthogonal(model):
    net = PalindromeClassifier(model, 7, initialisation="orthogonal")
    blocks = net.recurrence.weight_hh_l0.detach().split(7)
    for block in blocks:
        same(block @ block.T, torch.eye(7), 1e-5)
        assert (block - torch.eye(7)).abs().max() > 0.1  # the identity is one too
    assert len({block[0, 0].item() for block in blocks}) == len(blocks)  # each gate's is drawn


@pytest.mark.parametrize("model", ["lstm", "temporal-gate"])
def test_the_forget_bias_goes_to_the_forget_gate_alone(model):
    biases = []
    for forget_bias in (0.0, 1.5):
        torch.manual_seed(4)
        biases.append(PalindromeClassifier(model, H, forget_bias=forget_bias).recurrence.bias_l0.detach())
    same(biases[1] - biases[0], torch.tensor([0.0, 1.5, 0.0, 0.0]).repeat_interleave(H), 1e-6)


@pytest.mark.parametrize("model", ["rnn", "lstm"])
def test_the_identity_initialisation_makes_every_gates_whh_the_identity(model):
    net = PalindromeClassifier(model, 5, initialisation="identity")
    for block in net.recurrence.weight_hh_l0.split(5):
        assert torch.equal(block, torch.eye(5))


def test_a_tenth_read_as_a_variance_is_a_deviation_of_its_root():
    torch.manual_seed(0)
    net = PalindromeClassifier("lstm", 100, initialisation="normal-variance")
    assert net.recurrence.weight_hh_l0.std().item() == pytest.approx(0.1**0.5, rel=0.02)


def test_chrono_draws_the_gates_biases_for_a_memory_of_that_length():
    torch.manual_seed(0)
    net = PalindromeClassifier("lstm", 500, initialisation="uniform", chrono=50)
    i, f, g, o = net.recurrence.bias_l0.detach().chunk(4)
    assert torch.equal(i, -f)
    assert ((f >= 0) & (f <= math.log(49))).all()
    assert f.exp().mean().item() == pytest.approx(25, rel=0.05)  # uniform from 1 to 49
    assert torch.cat([g, o]).abs().max() <= 500**-0.5


def test_the_shortest_memory_that_chrono_knows_is_3_steps():
    net = PalindromeClassifier("lstm", 2000, initialisation="uniform", chrono=3)
    forget_gate = net.recurrence.bias_l0.detach().chunk(4)[1].exp()
    assert 1 <= forget_gate.min() < 1.01 < 1.99 < forget_gate.max() <= 2


def test_the_classifier_has_128_units_unless_others_are_asked_for():
    assert PalindromeClassifier("rnn").W_ph.shape == (10, 128)


def test_the_output_layer_is_drawn_between_both_bounds():
    torch.manual_seed(0)
    W_ph = PalindromeClassifier("rnn", 100, initialisation="uniform").W_ph.detach()
    assert -0.1 <= W_ph.min() < -0.095
    assert 0.095 < W_ph.max() <= 0.1


@pytest.mark.parametrize(
    ("model", "options"), [("rnn", {"forget_bias": 1.0}), ("rnn", {"chrono": 20}), ("lstm", {"chrono": 2})]
)
def test_biases_that_cannot_be_set_are_refused(model, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        PalindromeClassifier(model, 4, **options)


def test_a_sequence_network_has_128_units_and_a_forget_bias_of_1_unless_others_are_asked_for():
    networks = []
    for options in ({}, {"forget_bias": 0.0}):
        torch.manual_seed(0)
        networks.append(SequenceNetwork("lstm", 1, 2, **options))
    moved = {
        name: weight - networks[1].state_dict()[name]
        for name, weight in networks[0].state_dict().items()
        if not torch.equal(weight, networks[1].state_dict()[name])
    }
    assert [*moved] == ["recurrence.bias_l0"]
    same(moved["recurrence.bias_l0"], torch.tensor([0.0, 1.0, 0.0, 0.0]).repeat_interleave(128), 1e-6)


@pytest.mark.parametrize("model", ["lstm", "temporal-gate"])
@pytest.mark.parametrize("timed", [True, False])
def test_only_an_lstm_of_sequences_with_times_reads_one_number_more(model, timed):
    net = SequenceNetwork(model, D, 1, H, timed=timed)
    assert net.recurrence.input_size == D + (timed and model == "lstm")


def test_sequences_have_no_times_unless_that_is_said():
    assert SequenceNetwork("lstm", D, 1, H).recurrence.input_size == D


@pytest.mark.parametrize("backend", ["torch", "native"])
def test_a_gates_openness_has_a_gradient_by_the_times(backend):
    net = network(TemporalGateLSTM, D, H, backend=backend, dtype=torch.float32)
    times = torch.tensor([1.0, 2.5, 3.0], requires_grad=True)
    (found,) = torch.autograd.grad(net.openness(times).sum(), times)
    (expected,) = torch.autograd.grad(temporal_gate(times[:, None], *net.gate()).sum(), times)
    same(found, expected, 1e-5)


def test_of_a_long_tuple_three_parts_are_told():
    net, h = LSTM(D, H), torch.zeros(1, B, H)
    for parts, told in ((3, "[^…]*"), (4, "[^…]*; …")):
        with pytest.raises(ValueError, match=rf"not tuple \[{told}\]$"):
            net(torch.zeros(T, B, D), (h,) * parts)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("padded", [True, False])
def test_an_lstm_reads_the_time_since_the_step_before_and_answers_at_the_last(shared, padded):
    torch.manual_seed(0)
    net, x = SequenceNetwork("lstm", D, 2, H, timed=True).double(), draw(4, B, D)
    times = torch.tensor([[3.0, 30.0, 5.0], [4.0, 31.5, 9.0], [6.5, 32.0, 9.5], [7.0, 40.0, 11.0]]).double()
    lengths = torch.tensor([4, 1, 3]) if padded else None
    found = net(Sequences(x, times[:, 0] if shared else times, lengths))
    since = torch.cat([torch.zeros(1, B), times[1:] - times[:-1]])[..., None]
    output, _ = net.recurrence(torch.cat([x, since[:, :1].expand(-1, B, -1) if shared else since], -1))
    last = [output[(4, 1, 3)[b] - 1 if padded else -1, b] for b in range(B)]
    same(found, net.head(torch.stack(last)))


def test_tied_weights_are_drawn_between_both_bounds():
    torch.manual_seed(0)
    own = CharLSTM(4, 100, tied=True).lstm.parametrizations.weight_ih_l0.original.detach()
    assert -0.1 <= own.min() < -0.0995
    assert 0.0995 < own.max() <= 0.1


def test_the_character_model_has_two_layers_of_128_units_unless_others_are_asked_for():
    net = CharLSTM(4)
    assert (net.lstm.num_layers, net.lstm.hidden_size, net.lstm.dropout) == (2, 128, 0)
    torch.manual_seed(0)
    with_none = CharLSTM(4, H, forget_bias=0.0).state_dict()
    torch.manual_seed(0)
    assert all(torch.equal(weight, with_none[name]) for name, weight in CharLSTM(4, H).state_dict().items())


def test_the_character_model_is_two_layers_and_a_head():
    torch.manual_seed(0)
    net = CharLSTM(7, H).double()
    symbols = torch.tensor([[0, 6], [3, 2], [5, 5]])
    logits, (h, c) = net.run(symbols)
    output, (h_n, c_n) = nn.LSTM.forward(net.lstm.to_torch(), F.one_hot(symbols, 7).double())
    same(logits, output @ net.head.weight.T + net.head.bias)
    same(h, h_n)
    same(c, c_n)
    assert logits.shape == (3, 2, 7)
    assert torch.equal(net(symbols), logits)


def test_the_character_model_carries_its_state_on():
    torch.manual_seed(0)
    net = CharLSTM(7, H, num_layers=3).double()
    symbols = torch.tensor([[0, 6], [3, 2], [5, 5], [1, 0]])
    logits, state = net.run(symbols[:1])
    rest, _ = net.run(symbols[1:], state)
    same(torch.cat([logits, rest]), net(symbols))


V = 7  # characters


def characters(steps, batch=3, seed=0):
    return torch.randint(V, (steps, batch), generator=torch.Generator().manual_seed(seed))


def character_model(seed=0, **options):
    torch.manual_seed(seed)
    return CharLSTM(V, H, **options).double()


def gradients(model, loss):
    """The loss's gradients by the parameters' names."""
    return dict(zip(dict(model.named_parameters()), torch.autograd.grad(loss, list(model.parameters()))))


@quickly
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(1, 3), st.integers(1, 4), st.booleans())
def test_batches_with_the_state_carried_are_the_whole_text_read_at_once(lengths, num_layers, batch, tied):
    net = character_model(num_layers=num_layers, tied=tied)
    symbols = characters(sum(lengths), batch)
    whole, state = net.run(symbols)
    carried = net.carry(batch)
    assert net.carried is carried
    assert [part.tolist() for part in carried] == [torch.zeros(num_layers, batch, H).tolist()] * 2
    same(torch.cat([net(part) for part in symbols.split(lengths)]), whole)
    for kept, last in zip(carried, state):  # in place, as a checkpoint needs it
        same(kept, last)
        assert not kept.requires_grad


def test_no_gradient_flows_from_a_batch_into_the_one_before():
    net, symbols = character_model(), characters(9)
    net.carry(3)
    net(symbols[:4]).square().sum().backward()
    state = tuple(part.clone() for part in net.carried)
    found = gradients(net, net(symbols[4:]).square().sum())  # the first batch's graph is gone
    expected = gradients(net, net.run(symbols[4:], state)[0].square().sum())
    for name, gradient in expected.items():
        same(found[name], gradient)
    assert expected["lstm.weight_hh_l0"].abs().min() > 0
    through = gradients(net, net.run(symbols)[0][4:].square().sum())
    assert not torch.allclose(through["lstm.weight_hh_l0"], expected["lstm.weight_hh_l0"])


def test_an_evaluation_starts_from_zero_and_leaves_the_carried_state():
    net, symbols = character_model(), characters(6)
    net.carry(3)
    net(symbols)
    kept = [part.clone() for part in net.carried]
    net.eval()
    same(net(symbols), net.run(symbols)[0])
    net(symbols[:, :2])  # of another batch size as well
    assert all(map(torch.equal, net.carried, kept))
    net.train()
    same(net(symbols), net.run(symbols, tuple(kept))[0])


def test_a_batch_of_another_size_than_the_carried_state_is_refused():
    net = character_model()
    net.carry(3)
    with pytest.raises(ValueError, match=r"\(L, B, H\) = \(2, 2, 5\), .* not tuple \[\(2, 3, 5\)"):
        net(characters(6, batch=2))
    assert not any(part.any() for part in net.carried)


@pytest.mark.parametrize("num_layers", [2, 3])
def test_dropout_is_where_torch_nn_has_it_and_before_the_output_layer(num_layers):
    """The same numbers drawn from the global generator in the same order fall on the same units."""
    net, symbols = character_model(num_layers=num_layers, dropout=0.4), characters(6)
    theirs = net.lstm.to_torch()
    assert theirs.dropout == 0.4
    torch.manual_seed(5)
    logits = net(symbols)
    torch.manual_seed(5)
    output, _ = theirs(F.one_hot(symbols, V).double())
    same(logits, net.head(F.dropout(output, 0.4)))
    assert not torch.allclose(net(symbols), logits)  # drawn anew every time


@pytest.mark.parametrize("tied", [False, True])
def test_dropout_is_for_training_alone(tied):
    dropped, plain = (character_model(dropout=dropout, tied=tied).eval() for dropout in (0.9, 0.0))
    symbols, before = characters(6), torch.get_rng_state()
    same(dropped(symbols), plain(symbols))
    assert torch.equal(torch.get_rng_state(), before)
    plain.train()(symbols)
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_cuts_neither_the_states_nor_their_way_through_time():
    net = character_model(num_layers=1, dropout=0.5)
    symbols = characters(6)
    _, state = net.run(symbols)
    for found, expected in zip(state, net.eval().run(symbols)[1]):
        same(found, expected)


@pytest.mark.parametrize("dropout", [1.0, -0.1, math.nan, 2])
def test_a_dropout_out_of_range_is_refused(dropout):
    with pytest.raises(ValueError, match=f"dropout must be a number from 0 to below 1, not {dropout}"):
        CharLSTM(V, H, dropout=dropout)


def test_tied_weights_are_made_of_the_output_layers_rows():
    net = character_model(tied=True)
    own = net.lstm.parametrizations.weight_ih_l0.original
    assert own.shape == (4 * H, H)
    same(net.lstm.weight_ih_l0, own @ net.head.weight.T)
    before = net.lstm.weight_ih_l0.detach().clone()
    with torch.no_grad():
        net.head.weight[3] += 1
    changed = (net.lstm.weight_ih_l0 != before).any(0)
    assert changed.tolist() == [symbol == 3 for symbol in range(V)]
    assert len({id(weight) for weight in net.parameters()}) == len(list(net.parameters()))
    assert net.state_dict().keys() == dict(net.named_parameters()).keys()


def test_tied_weights_get_the_gradients_of_both_their_uses():
    tied, free = character_model(tied=True), character_model()
    free.load_state_dict(
        {name: tensor for name, tensor in tied.state_dict().items() if "parametrizations" not in name}
        | {"lstm.weight_ih_l0": tied.lstm.weight_ih_l0.detach()}
    )
    symbols = characters(6)
    found, apart = (gradients(net, net(symbols).square().sum()) for net in (tied, free))
    own = tied.lstm.parametrizations.weight_ih_l0.original
    same(found["head.weight"], apart["head.weight"] + apart["lstm.weight_ih_l0"].T @ own)
    same(found["lstm.parametrizations.weight_ih_l0.original"], apart["lstm.weight_ih_l0"] @ tied.head.weight)
    same(found["lstm.weight_hh_l1"], apart["lstm.weight_hh_l1"])


@pytest.mark.parametrize("tied", [False, True])
def test_the_character_models_gradients_are_the_numeric_ones(tied):
    torch.manual_seed(0)
    net = CharLSTM(3, 2, tied=tied).double()
    net.carry(2)
    symbols = torch.tensor([[0, 2], [1, 1], [2, 0]])
    state = tuple(torch.randn_like(part) for part in net.carried)
    names = list(dict(net.named_parameters()))

    def logits(*weights):
        for kept, part in zip(net.carried, state):
            kept.copy_(part)
        return torch.func.functional_call(net, dict(zip(names, weights)), (symbols,))

    assert torch.autograd.gradcheck(logits, [weight.detach().requires_grad_() for weight in net.parameters()])


@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("tied", [False, True])
def test_the_character_models_parameters_are_counted(num_layers, tied):
    inputs = H if tied else V
    layers = 4 * H * (inputs + H + 1) + (num_layers - 1) * 4 * H * (2 * H + 1)
    net = character_model(num_layers=num_layers, tied=tied, forget_bias=1.0, dropout=0.1)
    assert sum(weight.numel() for weight in net.parameters()) == layers + V * H + V


@pytest.mark.parametrize("tied", [False, True])
def test_the_forget_bias_of_the_character_model_is_every_layers(tied):
    plain, biased = (character_model(tied=tied, num_layers=3, forget_bias=bias) for bias in (0.0, 2.5))
    for (name, weight), changed in zip(plain.named_parameters(), biased.parameters()):
        moved = torch.zeros_like(weight)
        if name.startswith("lstm.bias"):
            moved[H : 2 * H] = 2.5
        torch.testing.assert_close(changed - weight, moved, rtol=0, atol=1e-6)  # added in single precision


def test_a_layer_calls_the_recurrence_once_for_the_whole_sequence(monkeypatch):
    calls = []
    original = recurrence.lstm
    monkeypatch.setattr(
        recurrence, "lstm", lambda *args, **options: calls.append(len(args[0])) or original(*args, **options)
    )
    LSTM(D, H, 2)(torch.zeros(9, B, D))
    assert calls == [9, 9]


@pytest.mark.parametrize("network", [RNN, LSTM, TemporalGateLSTM])
def test_a_backend_that_does_not_exist_is_refused_by_name(network):
    with pytest.raises(ValueError, match="backend must be one of torch, native, native-bf16, auto, not 'cuda'"):
        network(D, H, backend="cuda")


def test_the_gate_s_way_of_computing_does_not_show():
    """Sparse or dense, as the batch decides: the numbers are the same."""
    torch.manual_seed(0)
    net = TemporalGateLSTM(D, 40, num_layers=2).double()
    x = torch.randn(30, 100, D, dtype=torch.float64)
    many, one = net(x), net(x[:, :1])
    same(many[0][:, :1], one[0])
    for both, alone in zip(many[1], one[1]):
        same(both[:, :1], alone)
    same(net.last_hidden(x), many[0][-1])


@pytest.mark.parametrize("kind", MODELS)
def test_autocast_changes_nothing_where_torch_follows_every_operation(kind):
    net, x = opened(kind, D, H, 2), torch.randn(2, 6, B, D)
    expected = torch.stack([net(one)[0] for one in x])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = torch.func.vmap(lambda one: net(one)[0])(x)
    same(found, expected, 1e-6)


def test_in_autocast_tied_weights_are_multiplied_in_their_own_dtype():
    net, symbols = character_model(tied=True).float(), torch.randint(V, (T, B))
    expected, _ = net.lstm(symbols)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, _ = net.lstm(symbols)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("kind", MODELS)
def test_weights_are_drawn_from_the_whole_of_their_interval_and_nothing_else(kind):
    torch.manual_seed(0)
    for weight in kind(D, 100).weights(0):
        low, high = weight.min().item(), weight.max().item()
        assert (low, high) == (pytest.approx(-0.1, rel=0.1), pytest.approx(0.1, rel=0.1))
        assert -0.1 <= low < high <= 0.1


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ((T, B, D + 2), rf"^input must have {D} features \(input_size\), not {D + 2}$"),
        ((0, B, D), rf"^input must hold at least one step and one sequence, not \(0, {B}\) of them$"),
        ((T, 0, D), rf"^input must hold at least one step and one sequence, not \({T}, 0\) of them$"),
    ],
)
def test_the_refusal_of_an_input_tells_what_it_has(kind, shape, told):
    with pytest.raises(ValueError, match=told):
        kind(D, H)(torch.zeros(shape))


def test_sequences_move_with_their_times_and_lengths_if_they_have_any():
    x, times, lengths = torch.zeros(T, B, D), torch.arange(T), torch.ones(B, dtype=torch.long)
    for parts in ((x, times, lengths), (x, None, None), (x, times, None), (x, None, lengths)):
        moved = Sequences(*parts).to("meta")
        assert isinstance(moved, Sequences)
        for before, after in zip(parts, moved, strict=True):
            assert after is None if before is None else after.is_meta


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64], ids=str)
def test_times_may_be_integers_of_any_size(dtype):
    net, x = opened(TemporalGateLSTM, D, H), torch.randn(4, B, D)
    times = torch.tensor([1, 2, 100, 127])
    assert torch.equal(net(x, times=times.to(dtype))[0], net(x, times=times)[0])
