"""The palindrome task: what is drawn reads the same from both ends, and is fair."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnreport.palindromes import palindrome_batch, palindromes


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 25), st.integers(1, 6), st.integers(0, 2**32))
def test_they_read_the_same_from_both_ends(length, batch, seed):
    digits = palindromes(length, batch, generator(seed))
    assert digits.shape == (length, batch)
    assert not digits.is_floating_point()
    assert 0 <= digits.min() <= digits.max() <= 9
    assert torch.equal(digits, digits.flip(0))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 25), st.integers(1, 6), st.integers(0, 2**32))
def test_the_last_digit_is_the_first_one_read(length, batch, seed):
    read, last = palindrome_batch(length, batch, generator(seed))
    assert read.shape == (length - 1, batch)
    assert last.shape == (batch,)
    assert torch.equal(read[0], last)
    assert torch.equal(torch.cat([read, last[None]]), palindromes(length, batch, generator(seed)))


@pytest.mark.parametrize("length", [2, 5, 6])
def test_every_digit_of_the_left_half_is_uniform_and_independent(length):
    draws = 20_000
    left = palindromes(length, draws, generator())[: (length + 1) // 2]
    expected, error = draws / 10, (draws * 0.1 * 0.9) ** 0.5
    for digits in left:
        assert (digits.bincount(minlength=10) - expected).abs().max() < 5 * error
    for one, other in pairwise(left):
        pairs = (10 * one + other).bincount(minlength=100)
        assert (pairs - draws / 100).abs().max() < 5 * (draws * 0.01) ** 0.5


def test_a_seed_gives_the_same_palindromes_and_another_others():
    assert torch.equal(palindromes(9, 50, generator(3)), palindromes(9, 50, generator(3)))
    assert not torch.equal(palindromes(9, 50, generator(3)), palindromes(9, 50, generator(4)))


def test_batches_from_one_generator_differ():
    ours = generator()
    assert not torch.equal(palindromes(9, 50, ours), palindromes(9, 50, ours))


def test_the_global_generator_is_neither_used_nor_moved():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = palindromes(7, 20, generator(5))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(palindromes(7, 20, generator(5)), first)
