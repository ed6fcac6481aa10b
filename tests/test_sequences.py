"""Chapter 3's tasks, and the network that reads them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from rnnreport.models import SequenceNetwork, Sequences
from rnnreport.sequences import Adding, Bursts, Copying, MarkedDigit, SineWaves

TASKS = [
    *(SineWaves(sampling=sampling) for sampling in ("standard", "high-resolution", "asynchronous", "two-waves")),
    Adding(length=20),
    Bursts(length=30),
    MarkedDigit(length=7),
]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_sizes_of_the_tasks():
    sizes = {type(task): (task.inputs, task.outputs) for task in TASKS}
    assert sizes == {SineWaves: (1, 2), Adding: (2, 1), Bursts: (1, 2), MarkedDigit: (11, 10)}


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_a_seed_gives_a_batch_in_the_shapes_promised(task):
    sequences, targets = task.batch(6, generator())
    x, times, lengths = sequences
    steps = len(x)
    assert tuple(x.shape) == (steps, 6, task.inputs)
    assert x.isfinite().all()
    assert targets.shape == (6,)
    if times is not None:
        assert times.shape == (steps, 6)
        assert lengths.max() == steps
    again = task.batch(6, generator())
    assert torch.equal(again[0].x, x)
    assert torch.equal(again[1], targets)
    assert not torch.equal(task.batch(6, generator(1))[0].x[:5], x[:5])
    network = SequenceNetwork("lstm", task.inputs, task.outputs, 4, timed=times is not None)
    outputs = network(sequences)
    assert outputs.shape == (6, task.outputs)
    loss, right = task.measure(outputs, targets)
    assert loss.isfinite()
    assert 0 <= right <= 1


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from(["standard", "high-resolution", "asynchronous"]))
def test_sine_waves_are_sines_of_the_labelled_period(seed, sampling):
    (x, times, lengths), labels = SineWaves(sampling=sampling).batch(8, generator(seed))
    assert labels[:4].all()  # half of them are of the class at least
    for wave, moments, length, label in zip(x.unbind(1), times.unbind(1), lengths, labels, strict=True):
        t, y = moments[:length].double(), wave[:length, 0].double()
        assert (t.diff() >= 0).all()
        assert t[0] >= 0
        assert t[-1] <= 125.1
        assert not wave[length:].any()
        if sampling != "asynchronous":
            assert t.diff().mean() == pytest.approx(1.0 if sampling == "standard" else 0.1, rel=1e-4)
        else:
            assert 15 <= length <= 125
        if label:  # some period from 5 to 6 explains every point
            periods = torch.linspace(5, 6, 2001, dtype=torch.float64)[:, None]
            basis = torch.stack([torch.sin(2 * math.pi * t / periods), torch.cos(2 * math.pi * t / periods)], -1)
            fit = basis @ torch.linalg.lstsq(basis, y.expand(len(periods), -1).unsqueeze(-1)).solution
            assert (fit.squeeze(-1) - y).square().mean(1).min() < 1e-3


def test_sine_waves_are_drawn_as_promised():
    """Period and phase are read off points in turn: y(t - d) + y(t + d) = 2 cos(2π d / period) y(t)."""
    (x, times, lengths), labels = SineWaves(sampling="high-resolution").batch(6_000, generator())
    y, t = x[:148:4, :, 0].double(), times[:148:4].double()
    cosine = ((y[:-2] + y[2:]) * y[1:-1]).sum(0) / (2 * y[1:-1].square().sum(0))
    period = 2 * math.pi * 0.4 / cosine.clamp(-1, 1).acos()
    assert torch.equal(labels[:3_000], torch.ones(3_000, dtype=torch.long))
    assert labels[3_000:].double().mean().item() == pytest.approx(math.log(6 / 5) / math.log(100), abs=0.01)
    waves = torch.stack([torch.sin(2 * math.pi * t / period), torch.cos(2 * math.pi * t / period)], -1)
    parts = torch.linalg.lstsq(waves[:, :3_000].transpose(0, 1), y[:, :3_000].T.unsqueeze(-1)).solution.squeeze(-1)
    phase = torch.atan2(parts[:, 1], parts[:, 0]) / (2 * math.pi) % 1
    start = (times[0] / (125 - lengths / 10))[lengths < 1_000]
    uniform = [period[:3_000] - 5, period[3_000:].log10() / 2, phase, (lengths / 10 - 15) / 110, start]
    tenths = torch.linspace(0.1, 0.9, 9).double()
    for found in uniform:
        torch.testing.assert_close(found.double().quantile(tenths), tenths, rtol=0, atol=0.03)


def test_the_sums_are_of_the_two_marked_numbers():
    task = Adding(length=40)
    (x, times, lengths), sums = task.batch(50, generator())
    assert times is None
    assert lengths is None
    marks = x[..., 1]
    assert (marks.sum(0) == 2).all()
    assert (marks[:4].sum(0) == 1).all()
    assert (marks[20:].sum(0) == 1).all()
    torch.testing.assert_close((x[..., 0] * marks).sum(0), sums)
    (x, _, _), _ = task.batch(2_000, generator())
    assert x[..., 1].any(1).nonzero().flatten().tolist() == [0, 1, 2, 3, *range(20, 40)]
    loss, right = task.measure(torch.tensor([[1.0], [1.05]]), torch.tensor([1.03, 1.0]))
    assert loss.item() == pytest.approx((0.03**2 + 0.05**2) / 2, rel=1e-5)
    assert right.item() == 0.5
    ones, _ = task.measure(torch.ones(20_000, 1), task.batch(20_000, generator())[1])
    assert ones.item() == pytest.approx(1 / 6, rel=0.03)  # what the page draws as always answering 1


def test_bursts_come_by_the_clock_and_hide_the_signal():
    task = Bursts(length=60, period=10, burst_start=3, burst_length=6, level=2.0, loudness=5.0)
    assert task.in_burst().tolist() == [(t - 3) % 10 < 6 for t in range(1, 61)]
    (x, _, _), up = task.batch(4_000, generator())
    assert up.double().mean().item() == pytest.approx(0.5, abs=0.03)
    signed = x[..., 0] * (2 * up - 1)
    quiet, burst = signed[~task.in_burst()], signed[task.in_burst()]
    assert quiet.mean().item() == pytest.approx(2.0, abs=0.02)
    assert quiet.std().item() == pytest.approx(1.0, abs=0.02)
    assert burst.mean().item() == pytest.approx(0.0, abs=0.05)
    assert burst.std().item() == pytest.approx(5.0, abs=0.05)


def test_the_bounds_on_the_bursts_are_what_deciders_reach():
    task = Bursts()
    (x, _, _), up = task.batch(20_000, generator(1))
    by_clock = ((x[~task.in_burst()].sum((0, 2)) > 0) == (up == 1)).double().mean().item()
    assert by_clock == pytest.approx(task.best_possible(), abs=0.003)
    without = task.best_without_clock(generator(2))
    (x_2, _, _), up_2 = task.batch(20_000, generator(2))
    share = task.in_burst().double().mean().item()

    def weighed(x, level):
        """The densities of all values, times the chances of a burst and of quiet."""
        chances = np.array([share, 1 - share])
        for place, value in enumerate(x):
            if place:
                chances = chances @ np.array([[1 - 1 / 16, 1 / 16], [1 / 4, 1 - 1 / 4]])
            chances = chances * [stats.norm.pdf(value, 0, 2.0), stats.norm.pdf(value, level, 1.0)]
        return chances.sum()

    assert without == pytest.approx(0.869, abs=0.006)
    few = Bursts(length=30)
    (x_3, _, _), up_3 = few.batch(400, generator(3))
    says_up = [weighed(x, 0.4) > weighed(x, -0.4) for x in x_3[..., 0].T.double().numpy()]
    assert few.best_without_clock(generator(3), 400) == np.mean(says_up == (up_3 == 1).numpy())
    each = [
        (share * stats.norm.pdf(x_2, 0, 2.0) + (1 - share) * stats.norm.pdf(x_2, level, 1.0)) for level in (0.4, -0.4)
    ]
    alone = ((np.log(each[0] / each[1]).sum((0, 2)) > 0) == (up_2 == 1).numpy()).mean()
    assert alone + 0.01 < without  # neighbours help
    plain_sum = ((x.sum((0, 2)) > 0) == (up == 1)).double().mean().item()
    clipped = ((x.clamp(-1, 1).sum((0, 2)) > 0) == (up == 1)).double().mean().item()
    assert max(plain_sum, clipped) < without + 0.01 < by_clock


def test_what_is_copied_comes_back_after_the_delay():
    task = Copying(delay=30)
    (x, times, lengths), targets = task.batch(400, generator())
    assert (x.shape, targets.shape) == ((50, 400, 10), (50, 400))
    assert times is None
    assert lengths is None
    read = x.argmax(-1)
    assert (x.sum(-1) == 1).all()
    assert read[:10].unique().tolist() == list(range(8))
    assert (read[10:39] == 8).all()
    assert (read[39] == 9).all()
    assert (read[40:] == 8).all()
    assert (targets[:40] == 8).all()
    assert torch.equal(targets[40:], read[:10])
    without_memory = torch.full((50, 400, 9), -torch.inf)
    without_memory[:40, :, 8] = 0.0
    without_memory[40:, :, :8] = 0.0
    loss, right = task.measure(without_memory, targets)
    assert loss.item() == pytest.approx(task.without_memory()) == pytest.approx(10 * math.log(8) / 50)
    assert right.item() == pytest.approx(1 / 8, abs=0.02)
    perfect = torch.nn.functional.one_hot(targets, 9) * 100.0
    assert [part.item() for part in task.measure(perfect, targets)] == [pytest.approx(0), 1.0]


def test_the_marked_digit_is_the_label():
    (x, _, _), labels = MarkedDigit(length=9).batch(300, generator())
    assert labels.unique().tolist() == list(range(10))
    assert (x.sum((0, 2)) == 10).all()  # nine digits, one mark
    assert torch.equal((x[..., :10] * x[..., 10:]).sum(0).argmax(-1), labels)
    places = x[..., 10].argmax(0)
    assert places.unique().tolist() == list(range(9))


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Adding(length=19), "length"),
        (lambda: Bursts(period=5, burst_length=5), "burst_length must be less than the period, 5, not 5"),
        (lambda: Bursts(level=0), "level"),
        (lambda: MarkedDigit(length=1), "length"),
        (lambda: SineWaves(sampling="now and then"), "sampling"),
    ],
)
def test_impossible_tasks_are_refused_by_name(make, word):
    with pytest.raises(ValidationError, match=word):
        make()


@pytest.mark.parametrize("lengths", [[4, 6], [5], [3, 9, 1, 9, 2, 7, 4, 8, 5, 6]])
@pytest.mark.parametrize("model", ["lstm", "temporal-gate"])
def test_what_follows_the_end_of_a_sequence_does_not_count(model, lengths):
    torch.manual_seed(0)
    network = SequenceNetwork(model, 2, 3, 5, timed=True).double().eval()
    x = torch.randn(9, len(lengths), 2, dtype=torch.float64)
    times = torch.rand(9, len(lengths), dtype=torch.float64).cumsum(0)
    whole = network(Sequences(x, times, torch.tensor(lengths)))
    assert whole.shape == (len(lengths), 3)
    for place, length in enumerate(lengths):
        alone = network(Sequences(x[:length, place : place + 1], times[:length, place : place + 1]))
        torch.testing.assert_close(whole[place : place + 1], alone, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("backend", "lengths"), [("native", [(2, 2), (4, 2), (8, 2), (9, 2)]), ("torch", [(9, 8)])], ids=["native", "torch"]
)
def test_kernels_read_little_of_what_pads_sequences(monkeypatch, backend, lengths):
    network, read = SequenceNetwork("lstm", 1, 2, 3, backend=backend), []
    forward = network.recurrence.forward
    monkeypatch.setattr(network.recurrence, "forward", lambda x: read.append(x.shape[:2]) or forward(x))
    sequences = Sequences(torch.randn(9, 8, 1), lengths=torch.tensor([3, 9, 1, 9, 2, 7, 4, 8]))
    outputs = network(sequences)
    assert read == lengths
    for place, length in enumerate(sequences.lengths.tolist()):
        alone = network(Sequences(sequences.x[:length, place : place + 1]))
        torch.testing.assert_close(outputs[place : place + 1], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("times", [None, torch.arange(6), torch.arange(18).view(6, 3)])
def test_sequences_are_taken_with_all_their_parts(times):
    x = torch.randn(6, 3, 2)
    first, last = torch.tensor([0]), torch.tensor([2, 1])
    some = Sequences(x, times, torch.tensor([6, 2, 4])).take(last, 4)
    assert some.lengths.tolist() == [4, 2]
    assert torch.equal(some.x, x[:4, last])
    if times is None:
        assert some.times is None
    else:
        assert torch.equal(some.times, times[:4] if times.dim() == 1 else times[:4, last])
    assert torch.equal(Sequences(x, times).take(first).x, x[:, :1])  # all steps, where lengths are not given


def test_the_lstm_reads_intervals_and_the_gate_opens_by_times():
    x, later = torch.randn(5, 3, 1), torch.arange(5.0)[:, None] + torch.tensor([0.0, 7.0, 100.0])
    torch.manual_seed(0)
    plain, gated = (SequenceNetwork(model, 1, 2, 16, timed=True).eval() for model in ("lstm", "temporal-gate"))
    assert (plain.recurrence.input_size, gated.recurrence.input_size) == (2, 1)
    same = x[:, :1].expand(-1, 3, -1)
    torch.testing.assert_close(plain(Sequences(same, later))[0], plain(Sequences(same, later))[2])
    by_time = gated(Sequences(same, later))
    assert not torch.allclose(by_time[0], by_time[1])
    torch.testing.assert_close(by_time[1:2], gated(Sequences(x[:, :1], later[:, 1:2])))


def test_the_forget_bias_is_added_to_the_forget_gate_alone():
    torch.manual_seed(0)
    plain = SequenceNetwork("lstm", 1, 2, 4, forget_bias=0.0)
    torch.manual_seed(0)
    eager = SequenceNetwork("lstm", 1, 2, 4, forget_bias=3.0)
    difference = (eager.recurrence.weights(0)[2] - plain.recurrence.weights(0)[2]).view(4, 4)
    torch.testing.assert_close(difference, torch.tensor([0.0, 3.0, 0.0, 0.0])[:, None].expand(4, 4))


def test_sequences_move_with_all_their_parts():
    moved = Sequences(torch.zeros(2, 1, 1), None, torch.tensor([2])).to("meta")
    assert moved.x.device.type == moved.lengths.device.type == "meta"
    assert moved.times is None


@pytest.mark.parametrize(
    ("share", "periods", "duration", "start", "phase"),
    [(0.0, (5, 1), 15, 0.0, 0.0), (0.5, (5.5, 10), 70, 27.5, math.pi), (1.0, (6, 100), 125, 0.0, 2 * math.pi)],
)
@pytest.mark.parametrize("sampling", ["standard", "high-resolution", "asynchronous"])
def test_sine_waves_are_drawn_between_these_ends(monkeypatch, sampling, share, periods, duration, start, phase):
    """What is drawn uniformly lies at this share of its range; of three waves one must have a period from 5 to 6."""
    monkeypatch.setattr(torch, "rand", lambda *shape, generator: torch.full(shape, share))
    (x, times, lengths), labels = SineWaves(sampling=sampling).batch(3, generator())
    assert labels.tolist() == [1, 0, 0]
    if sampling == "asynchronous":  # all its moments are one, as drawn
        assert lengths.tolist() == [int(15 + 111 * share)] * 3
        expected = torch.full_like(times[:, 0], start + share * duration)
    else:
        steps = duration * (1 if sampling == "standard" else 10)
        assert steps <= int(lengths[0]) <= steps + 1  # 0.1 is no binary number
        expected = start + duration / steps * torch.arange(int(lengths[0]))
    for wave, moments, period in zip(x.unbind(1), times.unbind(1), (periods[0], periods[1], periods[1]), strict=True):
        torch.testing.assert_close(moments, expected, rtol=0, atol=1e-4)
        y = torch.sin(2 * math.pi * expected.double() / period + phase)
        torch.testing.assert_close(wave[:, 0].double(), y, rtol=0, atol=1e-3)


def test_two_waves_are_added_and_both_must_be_of_the_class(monkeypatch):
    """Of four pairs two have both periods in their ranges; of the others one has the first alone, one neither."""
    drawn = [0.5, 0.0, 0.5, 0.0, 0.5, 0.0, 0.0, 0.25, 0.0]  # two periods twice, duration, start, two phases, count
    drawn[0] = torch.tensor([0.5, 0.5, math.log(5.5, 100), 0.5])
    queue = iter(drawn)
    order = torch.linspace(0, 1, 100)[:, None].expand(-1, 4)

    def rand(*shape, generator):
        return order if len(shape) == 2 else torch.as_tensor(next(queue)).expand(*shape)

    monkeypatch.setattr(torch, "rand", rand)
    (x, times, lengths), labels = SineWaves(sampling="two-waves").batch(4, generator())
    assert labels.tolist() == [1, 1, 0, 0]
    assert lengths.tolist() == [100] * 4
    for place, (one, other) in enumerate([(5.0, 13.0), (5.0, 13.0), (5.5, 10.0), (10.0, 10.0)]):
        t = times[:, place].double()
        y = torch.sin(2 * math.pi * t / one) + torch.sin(2 * math.pi * t / other + math.pi / 2)
        torch.testing.assert_close(x[:, place, 0].double(), y, rtol=0, atol=1e-3)
    torch.testing.assert_close(times[:, 0], 50.5 * order[:, 0])


def test_two_waves_are_seen_at_100_to_1000_moments_within_100_units():
    (_, times, lengths), labels = SineWaves(sampling="two-waves").batch(4_000, generator())
    assert (lengths.min(), lengths.max()) == (100, 1_000)
    assert times.min() >= 0
    assert 99 < times.max() <= 100
    assert 0.5 <= labels.double().mean() < 0.502  # by chance both periods are in their ranges in 1 of 1,000


@pytest.mark.parametrize(("period", "label"), [(4.99, 0), (5.01, 1), (5.99, 1), (6.01, 0)])
def test_a_wave_that_is_drawn_from_all_periods_may_be_of_the_class(monkeypatch, period, label):
    share = math.log(period) / math.log(100)
    monkeypatch.setattr(torch, "rand", lambda *shape, generator: torch.full(shape, share))
    assert SineWaves().batch(2, generator())[1].tolist() == [1, label]


def test_bursts_are_those_of_the_book_where_nothing_else_is_said():
    said = {"length": 200, "period": 20, "burst_start": 0, "burst_length": 16, "level": 0.4, "loudness": 2.0}
    assert Bursts().model_dump() == {"kind": "bursts", **said}


def test_the_best_accuracy_by_the_clock_is_the_normal_distributions():
    task = Bursts(length=50, period=10, burst_length=7, level=0.3)
    assert task.best_possible() == pytest.approx(stats.norm.cdf(0.3 * 15**0.5), rel=1e-12)


def test_a_sum_is_right_within_4_hundredths_and_not_at_it():
    _, right = Adding(length=20).measure(torch.tensor([[0.04], [0.0399], [-0.04], [-0.0399]]), torch.zeros(4))
    assert right.item() == 0.5


@pytest.mark.parametrize(
    ("task", "least", "below"),
    [
        (Adding, {"length": 20}, {"length": 19}),
        (MarkedDigit, {"length": 2}, {"length": 1}),
        *[
            (Bursts, {name: value}, {name: below})
            for name, value, below in (
                *[("length", 2, 1), ("burst_start", 0, -1), ("burst_length", 1, 0), ("level", 1e-9, 0)],
                ("loudness", 1e-9, 0),
            )
        ],
        (Bursts, {"period": 2, "burst_length": 1}, {"period": 1, "burst_length": 0}),
    ],
    ids=str,
)
def test_the_least_that_a_task_allows_and_what_is_below(task, least, below):
    task(**least).batch(2, generator())
    with pytest.raises(ValidationError, match=f"\n{next(iter(below))}\n"):
        task(**below)


def test_the_first_mark_is_in_the_first_tenth():
    (sequences, _, _), _ = Adding(length=90).batch(2_000, generator())
    assert sequences[:45, :, 1].any(1).nonzero().flatten().tolist() == [*range(9)]


def test_right_sums_are_counted_and_not_wrong_ones():
    _, right = Adding(length=20).measure(torch.tensor([[0.01], [-0.02], [0.05]]), torch.zeros(3))
    assert right.item() == pytest.approx(2 / 3)


def test_a_task_stays_as_it_is():
    task = Adding(length=20)
    with pytest.raises(ValidationError, match="frozen"):
        task.length = 30


def test_an_lstm_can_read_the_time_itself():
    network = SequenceNetwork("lstm", 1, 2, 4, timed=True, reads="time").double()
    (x, times, lengths), _ = SineWaves(sampling="asynchronous").batch(5, generator())
    outputs = network(Sequences(x.double(), times, lengths))
    h = network.recurrence(torch.cat([x, times[..., None]], -1).double())[0]
    torch.testing.assert_close(outputs, network.head(h[lengths - 1, torch.arange(5)]))


@pytest.mark.parametrize("task", [SineWaves(), Adding(length=20)], ids=repr)
def test_sequences_split_are_all_of_them_in_order(task):
    sequences, _ = task.batch(7, generator())
    parts = [*sequences.split(3)]
    assert [part.x.shape[1] for part in parts] == [3, 3, 1]
    for whole, *split in zip(sequences, *parts, strict=True):
        if whole is None:
            assert split == [None] * 3
        else:
            assert torch.equal(torch.cat(split, dim=min(whole.dim() - 1, 1)), whole)
    shared = Sequences(torch.zeros(2, 5, 1), torch.tensor([1.0, 2.0]))
    assert all(torch.equal(part.times, shared.times) for part in shared.split(2))


@pytest.mark.parametrize("sampling", ["standard", "two-waves"])
def test_always_answering_yes_is_right_as_often_as_chance(sampling):
    task = SineWaves(sampling=sampling)
    _, labels = task.batch(20_000, generator())
    assert labels.double().mean().item() == pytest.approx(task.chance(), abs=1e-2)
    assert SineWaves().chance() == pytest.approx(0.5198, abs=1e-4)
