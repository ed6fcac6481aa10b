"""Markov models and compressors: against counts by hand, and on texts whose entropy is known."""

import math
import random

import pytest
import torch

from rnnreport import baselines
from rnnreport.corpora import Corpus
from rnnreport.windows import Windows


def windows_of(symbols, held_out):
    """Windows whose held-out mask is set by hand, in ten blocks of one size."""
    windows = Windows(torch.tensor(symbols), 2)
    windows.held_out = torch.tensor(held_out, dtype=torch.bool)
    return windows


def by_hand(train, blocks, highest, size):
    """The mixture of Witten and Bell, character by character."""

    def p(order, context, symbol):
        if order < 0:
            return 1 / size
        lower = p(order - 1, context[1:], symbol)
        followers = [train[i + order] for i in range(len(train) - order) if train[i : i + order] == context]
        kinds = len(set(followers))
        return (followers.count(symbol) + kinds * lower) / (len(followers) + kinds) if followers else lower

    costs = []
    for highest_here in range(highest + 1):
        bits = []
        for block in blocks:
            for place in range(1, len(block)):
                order = min(highest_here, place)
                bits.append(-math.log2(p(order, block[place - order : place], block[place])))
        costs.append(sum(bits) / len(bits))
    return costs


@pytest.mark.parametrize("seed", range(3))
def test_markov_models_are_those_counted_by_hand(seed):
    draw = random.Random(seed)
    train = [draw.choice([0, 0, 1, 2]) for _ in range(60)]
    blocks = [[draw.choice([0, 1, 2, 3]) for _ in range(5)] for _ in range(10)]
    symbols = train + [symbol for block in blocks for symbol in block]
    windows = windows_of(symbols, [False] * 60 + [True] * 50)
    assert baselines.markov(windows, 3) == pytest.approx(by_hand(train, blocks, 3, 4), rel=1e-12)


def test_a_text_that_repeats_itself_costs_next_to_nothing_once_the_context_tells(recurring):
    costs = baselines.markov(recurring.windows(8), 4)
    assert costs[0] == pytest.approx(math.log2(3), abs=0.2)  # a, b and c, as often as one another: "aabbcc"
    assert costs[2] < 0.02 < 0.5 < costs[1]  # but for the blocks' first characters


def test_no_order_beats_the_entropy_of_random_characters():
    draw = random.Random(0)
    corpus = Corpus("random", "", "".join(draw.choice("abcd") for _ in range(40_000)))
    costs = baselines.markov(corpus.windows(8), 5)
    assert costs[0] == pytest.approx(2, abs=0.01)
    assert min(costs) > 1.99
    assert costs[5] > 2.01  # what is rarely seen misleads


def test_compressors_read_the_training_text_first(recurring):
    draw = random.Random(0)
    noise = Corpus("random", "", "".join(draw.choice("abcd") for _ in range(40_000)))
    for name, (whole, after) in baselines.compressed(noise, noise.windows(8)).items():
        assert whole == pytest.approx(2, abs=0.5), name
        assert after == pytest.approx(2, abs=0.5), name
    for name, (whole, after) in baselines.compressed(recurring, recurring.windows(8)).items():
        assert max(whole, after) < 0.1, name


@pytest.fixture
def recurring():
    return Corpus("recurring", "", "aabbcc" * 3_000)
