"""Sampling: greedy, by temperature, in batches, and with the state carried on."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnreport.models import CharLSTM
from rnnreport.sampling import entropy, probabilities, sample

quickly = settings(max_examples=50, deadline=None)
V = 7
logits = st.lists(st.floats(-20, 20), min_size=2, max_size=9).map(lambda v: torch.tensor(v, dtype=torch.float64))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    made = CharLSTM(V, 5).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(4)  # far enough from uniform that the texts differ
    return made


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def by_hand(model, start, length):
    """Greedy continuation by reading the whole text anew for every character."""
    text = start.tolist()
    for _ in range(length):
        text.append(int(model(torch.tensor(text)[:, None])[-1, 0].argmax()))
    return text[len(start) :]


def test_greedy_says_the_likeliest_character_each_time(model):
    start = torch.tensor([3, 1, 4])
    text, _ = sample(model, start, 12, temperature=0)
    assert text.tolist() == by_hand(model, start, 12)


def test_greedy_needs_no_generator_and_repeats_itself(model):
    start = torch.tensor([[2, 5], [0, 6]])
    first, second = (sample(model, start, 10, temperature=0.0, generator=seeded(seed))[0] for seed in (1, 2))
    assert torch.equal(first, second)
    assert torch.equal(first, sample(model, start, 10, temperature=0.0)[0])


def test_a_seed_gives_the_same_text_and_another_another(model):
    start = torch.tensor([1])
    first, again, other = (sample(model, start, 60, generator=seeded(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("temperature", [0.0, 0.8])
@pytest.mark.parametrize("shape", [(2,), (2, 3)], ids=["one text", "a batch"])
@pytest.mark.parametrize("cut", [1, 4, 9])
def test_a_text_in_two_parts_with_the_state_carried_equals_one_go(model, temperature, shape, cut):
    start = torch.randint(V, shape, generator=seeded(5))
    one_go, end = sample(model, start, 10, temperature=temperature, generator=seeded())
    generator = seeded()
    first, state = sample(model, start, cut, temperature=temperature, generator=generator)
    second, last = sample(model, first[-1:], 10 - cut, temperature=temperature, generator=generator, state=state)
    assert torch.equal(torch.cat([first, second]), one_go)
    for one, other in zip(last, end, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_the_state_is_the_one_after_the_last_character_but_one(model):
    start = torch.tensor([3, 1])
    text, (h, c) = sample(model, start, 5, temperature=0)
    _, (h_read, c_read) = model.run(torch.cat([start, text[:-1]])[:, None])
    torch.testing.assert_close(h, h_read, rtol=0, atol=1e-6)
    torch.testing.assert_close(c, c_read, rtol=0, atol=1e-6)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_text_follows_the_logits_that_the_model_gives(layers, batch, dtype):
    """Chosen step by step from model.run, by the first symbol whose cumulated probability reaches a random number."""
    torch.manual_seed(0)
    model = CharLSTM(V, 5, layers).to(dtype)
    for parameter in model.parameters():
        parameter.data.mul_(4)
    start = torch.randint(V, (3, batch), generator=seeded(5))
    state = tuple(torch.randn(layers, batch, 5, dtype=dtype, generator=seeded(seed)) for seed in (6, 7))
    text, end = sample(model, start, 20, temperature=0.7, generator=seeded(), state=state)
    symbols = start
    for step, row in enumerate(1 - torch.rand(20, batch, dtype=torch.float64, generator=seeded())):
        logits, state = model.run(symbols, state)
        for column, u in enumerate(row.tolist()):
            share = torch.softmax(logits[-1, column].double() / 0.7, 0).cumsum(0)
            assert (share - u).abs().min() > 1e-6, "too close to call: take another seed"
            assert text[step, column] == int((share < u).sum())
        symbols = text[step : step + 1]
    for one, other in zip(end, state, strict=True):
        assert one.shape == (layers, batch, 5)
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_weights_and_states_that_are_no_numbers_are_refused(model):
    broken, nan = CharLSTM(V, 5), torch.full((2, 1, 5), math.nan)
    broken.head.weight.data[0, 0] = math.inf
    for which, state in ((broken, None), (model, (nan, nan))):
        with pytest.raises(ValueError, match="must be finite numbers"):
            sample(which, torch.tensor([1]), 3, state=state)


def test_a_given_state_is_left_as_it_was(model):
    state = torch.ones(2, 1, 5), torch.ones(2, 1, 5)
    sample(model, torch.tensor([1]), 3, temperature=0, state=state)
    assert all(torch.equal(part, torch.ones(2, 1, 5)) for part in state)


def test_a_batch_is_its_texts_side_by_side(model):
    start = torch.randint(V, (3, 4), generator=seeded(5))
    together, (h, _) = sample(model, start, 8, temperature=0)
    assert together.shape == (8, 4)
    assert h.shape == (2, 4, 5)
    for column in range(4):
        alone, _ = sample(model, start[:, column], 8, temperature=0)
        assert torch.equal(together[:, column], alone)


def test_texts_of_a_batch_are_drawn_independently(model):
    start = torch.zeros(1, 50, dtype=torch.long)
    text, _ = sample(model, start, 20, temperature=2.0, generator=seeded())
    assert len(set(map(tuple, text.T.tolist()))) > 40


def test_characters_come_as_often_as_their_probability(model):
    start, draws = torch.tensor([[2], [3]]).expand(2, 20_000), 20_000
    p = probabilities(model(start[:, :1])[-1, 0], 1.5)
    found = sample(model, start, 1, temperature=1.5, generator=seeded())[0][0].bincount(minlength=V) / draws
    assert ((found - p).abs() < 5 * (p * (1 - p) / draws).sqrt() + 1e-9).all()


def test_sampling_leaves_no_graph_and_the_model_as_it_was(model):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    _, state = sample(model, torch.tensor([1]), 5, generator=seeded())
    assert not any(part.requires_grad for part in state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("temperature", [-0.1, math.nan, math.inf, -math.inf])
def test_a_temperature_out_of_range_is_refused(model, temperature):
    with pytest.raises(ValueError, match=rf"temperature must be .* not {temperature}"):
        sample(model, torch.tensor([1]), 3, temperature=temperature)


@pytest.mark.parametrize("length", [0, -3])
def test_a_length_below_1_is_refused(model, length):
    with pytest.raises(ValueError, match=f"length must be at least 1, not {length}"):
        sample(model, torch.tensor([1]), length)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_there_are_no_probabilities_at_no_temperature(temperature):
    with pytest.raises(ValueError, match=f"temperature must be above 0 to give probabilities, not {temperature}"):
        probabilities(torch.zeros(3), temperature)


@pytest.mark.parametrize("shape", [(0,), (0, 2), (2, 0), (1, 1, 1)], ids=str)
def test_a_start_without_characters_or_of_another_shape_is_refused(model, shape):
    with pytest.raises(ValueError, match="at least one character"):
        sample(model, torch.zeros(shape, dtype=torch.long), 3)


@pytest.mark.parametrize("symbol", [-1, V])
def test_a_start_outside_the_vocabulary_is_refused(model, symbol):
    with pytest.raises(ValueError, match=rf"symbols must lie in 0…{V - 1} \(vocabulary_size\)"):
        sample(model, torch.tensor([symbol]), 3)


def test_a_state_of_another_batch_is_refused(model):
    _, state = sample(model, torch.zeros(1, 2, dtype=torch.long), 3, generator=seeded())
    with pytest.raises(ValueError, match=r"state must be a pair of tensors \(h_0, c_0\), each \(L, B, H\) ="):
        sample(model, torch.tensor([1]), 3, state=state)


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-40, 1e-300])
def test_the_smallest_temperatures_are_greedy(model, temperature):
    start = torch.tensor([3, 1, 4])
    text, _ = sample(model, start, 12, temperature=temperature, generator=seeded())
    assert text.tolist() == by_hand(model, start, 12)


@quickly
@given(logits, st.floats(0.05, 5), st.floats(0.05, 5))
def test_entropy_grows_with_temperature(values, one, other):
    low, high = sorted((one, other))
    cool, warm = (entropy(probabilities(values, temperature)).item() for temperature in (low, high))
    assert cool <= warm + 1e-12


@quickly
@given(logits, st.floats(0.05, 5))
def test_probabilities_are_the_softmax_of_the_divided_logits(values, temperature):
    p = probabilities(values, temperature)
    weights = [math.exp((value - values.max().item()) / temperature) for value in values.tolist()]
    expected = torch.tensor([weight / sum(weights) for weight in weights], dtype=torch.float64)
    torch.testing.assert_close(p, expected, rtol=0, atol=1e-12)


@quickly
@given(logits, st.floats(0.05, 5))
def test_entropy_lies_between_0_and_that_of_the_uniform(values, temperature):
    bits = entropy(probabilities(values, temperature)).item()
    assert -1e-12 <= bits <= math.log2(len(values)) + 1e-12


def test_entropy_is_in_bits_over_the_last_dimension():
    p = torch.tensor([[0.25, 0.25, 0.25, 0.25], [1.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0]])
    torch.testing.assert_close(entropy(p), torch.tensor([2.0, 0.0, 1.0]))


@quickly
@given(logits, st.integers(1, 9), st.floats(0.05, 5))
def test_top_k_leaves_the_k_likeliest_in_their_proportions(values, k, temperature):
    p, kept = probabilities(values, temperature), probabilities(values, temperature, top_k=k)
    order = p.sort(descending=True, stable=True).indices
    assert (kept[order[k:]] == 0).all()
    torch.testing.assert_close(kept[order[:k]], p[order[:k]] / p[order[:k]].sum())


@quickly
@given(logits, st.floats(0.01, 1), st.floats(0.05, 5))
def test_top_p_leaves_the_fewest_that_have_p_together(values, top_p, temperature):
    p, kept = probabilities(values, temperature), probabilities(values, temperature, top_p=top_p)
    left = kept > 0
    assert float(p[left].sum()) >= top_p - 1e-9
    if int(left.sum()) > 1:
        assert float(p[left].sum() - p[left].min()) < top_p + 1e-9  # one fewer would not do
    assert float(p[left].min()) >= float(p[~left].max()) if (~left).any() else True
    torch.testing.assert_close(kept.sum(), torch.ones((), dtype=torch.float64))


def test_top_p_counts_what_top_k_leaves():
    values = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64).log()
    torch.testing.assert_close(
        probabilities(values, 1.0, top_k=2, top_p=0.5).exp(), torch.tensor([1.0, 0, 0, 0]).exp().double()
    )


def test_top_p_of_a_batch_is_that_of_each_alone():
    logits = torch.tensor([[0.0, 0, 0, 0, 0], [5.0, 0, 0, 0, 0]], dtype=torch.float64)
    whole = probabilities(logits, 1.0, top_p=0.999)
    assert torch.equal(whole, torch.stack([probabilities(row, 1.0, top_p=0.999) for row in logits]))
    assert (whole[0] > 0).all()


@pytest.mark.parametrize("how", [{"top_k": 1}, {"top_p": 1e-6}], ids=str)
def test_the_tightest_choice_is_greedy(model, how):
    start = torch.tensor([[1, 2, 3], [4, 0, 6]])
    text, _ = sample(model, start, 12, temperature=2.0, generator=seeded(), **how)
    assert torch.equal(text, sample(model, start, 12, temperature=0.0)[0])


def test_choices_that_leave_all_change_nothing(model):
    start = torch.tensor([1, 2])
    plain, state = sample(model, start, 20, generator=seeded())
    same, other = sample(model, start, 20, generator=seeded(), top_k=V, repetition=1.0)
    assert torch.equal(plain, same)
    torch.testing.assert_close(state, other, rtol=0, atol=1e-6)


def test_only_the_k_likeliest_are_drawn(model):
    start = torch.tensor([0, 3])
    text, _ = sample(model, start, 200, temperature=3.0, generator=seeded(), top_k=2)
    logits = model(torch.cat([start, text])[:-1, None])[1:, 0]
    assert (logits.topk(2).indices == text[:, None]).any(1).all()


@pytest.mark.parametrize("length", [1, 2, 4])
def test_what_may_not_repeat_does_not(model, length):
    start = torch.tensor([[1, 2], [0, 0]])
    steps = {1: 4, 2: 12, 4: 100}[length]  # few enough that some character is always left
    text, _ = sample(model, start, steps, temperature=0.0, repetition=math.inf, repetition_length=length)
    for column in torch.cat([start, text]).T.tolist():
        assert len(set(zip(*(column[i:] for i in range(length))))) == len(column) - length + 1


def test_where_everything_would_repeat_nothing_is_forbidden(model):
    text, _ = sample(model, torch.tensor([0]), 3 * V, temperature=0.0, repetition=math.inf, repetition_length=1)
    assert sorted(text[: V - 1].tolist()) == list(range(1, V))
    assert ((text >= 0) & (text < V)).all()


@pytest.mark.parametrize("times", [1.5, 3.0])
def test_a_repetition_is_so_many_times_less_likely(model, times):
    start = torch.tensor([[5, 1, 5]] * 4_000).T  # a 1 would repeat "5 1"
    drawn, _ = sample(model, start, 1, generator=seeded(), repetition=times, repetition_length=2)
    p = probabilities(model(start[:, :1])[-1, 0], 1.0)
    p[1] /= times
    seen = torch.bincount(drawn[0], minlength=V) / 4_000
    torch.testing.assert_close(seen, (p / p.sum()).float(), rtol=0, atol=0.03)


def test_a_repetition_in_one_text_is_none_in_another(model):
    start = torch.tensor([[1, 3], [2, 4], [1, 3]])
    both, _ = sample(model, start, 30, temperature=0.0, repetition=math.inf, repetition_length=3)
    alone = [
        sample(model, start[:, i], 30, temperature=0.0, repetition=math.inf, repetition_length=3)[0] for i in (0, 1)
    ]
    assert torch.equal(both, torch.stack(alone, 1))


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ({"top_k": -1}, "top_k"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.5}, "top_p"),
        ({"top_p": math.nan}, "top_p"),
        ({"repetition": 0.5}, "repetition"),
        ({"repetition": math.nan}, "repetition"),
        ({"repetition": 2.0, "repetition_length": 0}, "length"),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(model, how, named):
    with pytest.raises(ValueError, match=named):
        sample(model, torch.tensor([0]), 3, **how)


@pytest.mark.parametrize("how", [{"top_k": 2}, {"top_p": 0.5}, {"top_k": 5, "top_p": 0.5}], ids=str)
def test_each_row_of_a_batch_is_cut_by_itself(how):
    rows = torch.randn(2, 3, V, generator=seeded(1))
    alone = torch.stack([probabilities(row, 1.0, **how) for row in rows.flatten(0, 1)]).view(2, 3, V)
    torch.testing.assert_close(probabilities(rows, 1.0, **how), alone)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_no_logits_and_no_temperature_are_too_extreme_for_probabilities(dtype):
    for largest in (0.0, 1e3, -1e30, torch.finfo(dtype).max):
        values = torch.tensor([largest, -torch.finfo(dtype).max, largest], dtype=dtype)
        half_each = torch.tensor([0.5, 0.0, 0.5], dtype=dtype)
        for temperature in (1.0, 1e-30, 1e-310):  # divided by the last, already 1 is infinite
            torch.testing.assert_close(probabilities(values, temperature), half_each, rtol=1e-6, atol=0)


def test_among_equals_the_first_are_kept():
    kept = probabilities(torch.zeros(200), 1.0, top_k=60)  # so many that a quick sort changes their order
    assert torch.equal(kept > 0, torch.arange(200) < 60)


def test_top_p_stops_where_it_is_reached_exactly():
    assert probabilities(torch.zeros(4), 1.0, top_p=0.5).tolist() == [0.5, 0.5, 0, 0]


def test_top_k_keeps_what_is_too_unlikely_to_change_a_sum():
    kept = probabilities(torch.tensor([0.0, -60.0, -70.0], dtype=torch.float64), 1.0, top_k=2, top_p=1.0)
    assert kept[0] + kept[1] == 1
    assert kept.tolist() == [1, pytest.approx(math.exp(-60), abs=0), 0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("how", [{}, {"top_k": 3}, {"top_p": 0.7}], ids=str)
def test_the_largest_random_number_draws_a_character_that_is_left_without_a_warning(model, monkeypatch, how):
    """The cumulated probability of the last one may be less than 1, by rounding."""
    monkeypatch.setattr(torch, "rand", lambda shape, **options: torch.zeros(shape, dtype=torch.float64))  # u = 1
    start = torch.arange(V)[None]
    for temperature in (0.3, 0.5, 0.9, 1.1, 1.7, 2.3, 3.1):
        (drawn,), _ = sample(model, start, 1, temperature=temperature, **how)
        assert (drawn < V).all()
        p = probabilities(model(start)[0], temperature, **how)
        assert (p.gather(1, drawn[:, None]) > 0).all()


def test_what_may_not_repeat_does_not_in_any_text_of_a_large_batch(model):
    start = torch.arange(V).repeat(30)[None]
    drawn, _ = sample(model, start, 1, generator=seeded(), repetition=math.inf, repetition_length=1)
    assert (drawn != start).all()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_where_all_are_forbidden_each_is_as_likely_as_before(model, temperature):
    start = torch.stack([torch.arange(V), torch.arange(V).flip(0)], 1)  # all characters
    plain, forbidden = (
        sample(model, start, 20, temperature=temperature, generator=seeded(), repetition=times, repetition_length=1)[0]
        for times in (1.0, math.inf)
    )
    assert torch.equal(forbidden, plain)
