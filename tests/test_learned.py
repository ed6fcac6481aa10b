"""What a character model has learned: on texts and models where the answer is known."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from rnnreport.corpora import Corpus
from rnnreport.experiments import learned
from rnnreport.models import CharLSTM

TEXT = "The cat (a fat cat) sat.\nThe rat sat, too!\n" * 400


@pytest.fixture(scope="module")
def corpus():
    return Corpus("cats", "", TEXT)


@pytest.fixture(scope="module")
def model(corpus):
    torch.manual_seed(0)
    return CharLSTM(len(corpus.vocabulary), 6).eval()


def test_words_are_runs_of_letters_and_apostrophes_inside_them():
    assert learned.words("Don't say l’état, 'tis 2nd-rate\nABC") == [
        "don't",
        "say",
        "l’état",
        "tis",
        "nd",
        "rate",
        "abc",
    ]


def test_bands_go_by_how_often_a_word_occurs():
    text = " ".join(f"w{'x' * rank}" for rank in range(12) for _ in range(40 - rank))
    of_word = learned.bands(Corpus("ranks", "", text))
    assert [of_word[f"w{'x' * rank}"] for rank in (0, 9, 10)] == ["the 10 commonest"] * 2 + ["the next 90"]


def test_shares_leave_out_words_that_may_be_cut_and_add_up_to_one():
    of_word = {"the": "the 10 commonest", "cat": "all rarer"}
    found = learned.shares(["he the cat zat th", "x the y"], of_word)
    assert found["the 10 commonest"] == pytest.approx(2 / 4)
    assert found["all rarer"] == found[learned.UNKNOWN] == pytest.approx(1 / 4)
    assert found.sum() == pytest.approx(1)


def test_texts_without_words_have_shares_of_zero():
    assert learned.shares(["12 34"], {}).sum() == 0


def test_habits_of_a_model_that_always_writes_newlines(corpus):
    model = CharLSTM(len(corpus.vocabulary), 4).eval()
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
        model.head.bias[corpus.vocabulary.index("\n")] = 30
    found = learned.habits(model, corpus, learned.bands(corpus), seed=0, count=4, length=20)
    assert found["newlines_greedy"] > 0.9
    assert found["newlines"] > 0.9
    assert found["zero_state"] == pytest.approx(1)
    assert found["after_first"] == pytest.approx(1)
    assert found["spaces"] < 0.1


def test_a_text_without_newlines_expects_none():
    corpus = Corpus("flat", "", "abc " * 500)
    found = learned.habits(CharLSTM(4, 3).eval(), corpus, learned.bands(corpus), seed=0, count=3, length=9)
    assert found["newlines"] == found["zero_state"] == found["after_first"] == 0


def test_a_band_has_emerged_from_the_step_on_at_which_it_stays():
    names = list(learned.BANDS)
    rows = [
        {"seed": 1, "step": step, **dict(zip(names, shares))}
        for step, shares in {0: (0, 0, 0, 0), 10: (3, 2, 0, 0), 20: (3, 0, 0, 0), 30: (3, 2, 2, 0)}.items()
    ]
    book = pd.Series(dict.fromkeys(names, 4))
    assert learned.emerged(pd.DataFrame(rows), book).loc[1].tolist() == [10, 30, 30, math.inf]


def test_training_blocks_hold_no_held_out_text_and_lie_next_to_it(corpus):
    windows = corpus.windows(8)
    blocks = learned.training_blocks(windows)
    assert blocks.shape == windows.held_out_blocks.shape
    numbered = Corpus("numbered", "", "".join(map(chr, range(0x100, 0x100 + 20_000)))).windows(8)
    chosen = learned.training_blocks(numbered).flatten()
    assert not numbered.held_out[chosen].any()
    assert len(chosen.unique()) == len(chosen)


def test_what_is_copied_from_training_text_is_found_and_held_out_text_is_not():
    draw = np.random.default_rng(0)
    corpus = Corpus("random", "", "".join(draw.choice(list("abcdefgh"), 20_000)))
    windows = corpus.windows(8)
    train = corpus.decode(learned.training_blocks(windows)[:, 0])
    held_out = corpus.decode(windows.held_out_blocks[:, 0])
    assert learned.copied([train], windows, corpus, [4, 20]) == {4: 1.0, 20: 1.0}
    assert learned.copied([held_out], windows, corpus, [20]) == {20: 0.0}


def test_a_model_that_is_right_as_often_as_it_says_is_calibrated():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50_000, 5, generator=generator, dtype=torch.float64) * 2
    honest = torch.distributions.Categorical(logits=logits)
    torch.manual_seed(2)  # another stream than the logits'
    targets = honest.sample()
    table = learned.calibration(logits, targets)
    assert learned.calibration_error(table) < 0.01
    assert table["count"].sum() == 50_000
    boasting = learned.calibration(logits * 3, targets)
    assert learned.calibration_error(boasting) > 0.1
    assert (boasting["hits"] < boasting["confidence"])[boasting["count"] > 500].all()


def test_entropy_grows_with_temperature_from_none_to_that_of_equal_chances():
    logits = torch.randn(40, 7, generator=torch.Generator().manual_seed(1))
    found = learned.entropies(logits, [1e-3, 0.5, 1.0, 2.0, 1e3])
    assert found == sorted(found)
    assert found[0] < 0.05
    assert found[-1] == pytest.approx(math.log2(7), abs=1e-3)


def test_tells_follow_a_text():
    found = learned.tells('Ab (c\n"d" e.F')
    assert found["place in the line"].tolist() == [1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 6, 7]
    assert found["place in the sentence"].tolist()[-2:] == [0, 1]
    assert found["place in the word"].tolist() == [1, 2, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 1]
    assert found["inside brackets"].tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    assert found["inside quotation marks"].tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    assert found["a capital just read"].tolist()[0] == found["a capital just read"].tolist()[-1] == 1
    assert found["a vowel just read"].sum() == 2  # A and e


def test_cells_are_those_of_reading_on(model, corpus):
    blocks = corpus.windows(8).held_out_blocks[:7, :2]
    found = learned.cells(model, blocks)
    assert found.shape == (7, 2, 12)
    with torch.inference_mode():
        _, (_, c) = model.run(blocks)
    torch.testing.assert_close(found[-1], c.transpose(0, 1).flatten(1))


def test_the_cell_that_counts_is_found_and_holds_on_held_out_text(corpus, monkeypatch):
    model, windows = CharLSTM(len(corpus.vocabulary), 4).eval(), corpus.windows(8)

    def made_up(model, blocks):
        place = [learned.tells(corpus.decode(column))["place in the line"] for column in blocks.T]
        noise = torch.randn(*blocks.shape, 8, generator=torch.Generator().manual_seed(0))
        noise[..., 5] = -torch.tensor(np.stack(place, 1)) + 0.1 * noise[..., 5]
        return noise

    monkeypatch.setattr(learned, "cells", made_up)
    found = learned.tracking(model, corpus, windows).set_index("property").loc["place in the line"]
    assert found["unit"] == 5
    assert found["training"] < -0.99
    assert found["held_out"] < -0.99


def test_constant_cells_and_properties_correlate_with_nothing():
    c = np.ones((5, 2, 3))
    assert (learned._correlations(c, np.arange(10.0).reshape(5, 2)) == 0).all()


def test_losses_and_logits_agree_with_each_other(model, corpus):
    symbols = corpus.symbols[:40]
    logits, targets = learned.read_with_logits(model, symbols[:, None])
    bits = torch.nn.functional.cross_entropy(logits, targets, reduction="none") / math.log(2)
    torch.testing.assert_close(learned.losses_of(model, symbols), bits)
    assert learned.bits_of(model, symbols[:, None]) == pytest.approx(float(bits.mean()), rel=1e-5)


def test_distinct_counts_different_sequences():
    assert learned.distinct(["aaaaa"]) == pytest.approx(1 / 2)
    assert learned.distinct(["abcd", "abcd"]) == pytest.approx(1 / 2)
    assert learned.distinct(["ab"]) == 0
