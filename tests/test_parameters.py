"""What the chapters may be run with: whatever else comes in is refused in one sentence that says what is allowed."""

import math
import os
from typing import ClassVar

import pytest
import torch
from conftest import posix
from pydantic import ValidationError

from rnnreport.models import RECURRENCES
from rnnreport.parameters import ParameterError
from rnnreport.parameters.cell_path import CellPathParameters
from rnnreport.parameters.claims import ClaimsParameters
from rnnreport.parameters.gradients import GradientParameters
from rnnreport.parameters.lstm_gradients import LSTMGradientParameters
from rnnreport.parameters.museum import MuseumParameters
from rnnreport.parameters.rnn_versus_lstm import RNNVersusLSTMParameters
from rnnreport.parameters.speed import SpeedParameters
from rnnreport.parameters.temporal_gate import TemporalGateParameters
from rnnreport.parameters.text import TextParameters
from rnnreport.training import OPTIMIZERS

TRAINING = {
    "seeds": [0, 1],
    "lengths": [5, 10],
    "train_steps": 8,
    "learning_rate": 1e-3,
    "hidden_size": 4,
    "batch_size": 3,
    "device": "cpu",
}


class Chapter:
    """A chapter's class with values that it takes."""

    gradients: ClassVar = (
        GradientParameters,
        {
            "seeds": [0],
            "lengths": [2, 5],
            "input_size": 3,
            "hidden_size": 4,
            "batch_size": 2,
            "classes": 5,
            "spectral_radii": [0.9, 1],
            "horizon": 20,
        },
    )
    lstm_gradients: ClassVar = (
        LSTMGradientParameters,
        {
            "seeds": [0],
            "lengths": [2, 5],
            "input_size": 3,
            "hidden_size": 4,
            "batch_size": 2,
            "classes": 5,
            "taus": [2.5, 4.0],
            "r_on": 0.6,
        },
    )
    cell_path: ClassVar = (
        CellPathParameters,
        {
            "seeds": [0],
            "length": 5,
            "train_steps": 8,
            "learning_rate": 1e-3,
            "rnn_learning_rate": 1e-3,
            "hidden_size": 4,
            "batch_size": 3,
            "test_palindromes": 100,
            "measured_palindromes": 2,
            "backend": "torch",
            "recorded_file": "",
        },
    )
    palindromes: ClassVar = (
        RNNVersusLSTMParameters,
        {
            **TRAINING,
            "models": ["rnn", "lstm"],
            "learning_rates": [1e-3, 1e-2],
            "optimizers": ["sgd", "adam"],
            "early_steps": 4,
            "longest_rate": 1e-2,
            "optimizer_length": 5,
            "optimizer_steps": 4,
            "ladder": [5],
            "ladder_steps": 4,
            "far_ladder": [5],
            "far_steps": 4,
            "kept_length": 5,
            "kept_steps": 4,
            "backend": "torch",
            "recorded_file": "",
            "encoding": "scalar",
            "test_palindromes": 100,
        },
    )
    gate: ClassVar = (
        TemporalGateParameters,
        {
            **TRAINING,
            "tau": 6.0,
            "s": 3.0,
            "r_on": 0.2,
            "test_palindromes": 100,
            "ladder": [5],
            "lstm_ladder": [5],
            "ladder_steps": 4,
            "burst_steps": 4,
            "period_starts": [0.9, 1.0],
            "marked_length": 5,
            "marked_steps": 4,
            "adding_length": 20,
            "adding_steps": 4,
            "samplings": ["standard"],
            "frequency_networks": ["LSTM", "gated, as published"],
            "frequency_steps": 10,
            "backend": "torch",
            "recorded_file": "",
        },
    )
    text: ClassVar = (
        TextParameters,
        {
            **TRAINING,
            "corpus": "shakespeare",
            "optimizers": ["adam", "rmsprop"],
            "recipes": ["the course's", "state carried"],
            "recipe_steps": 4,
            "longest_steps": 4,
            "temperatures": [0.5, 1.0],
            "prompt": "The people ",
            "sample_length": 10,
            "backend": "torch",
            "long_folder": "",
            "short_folder": "",
            "recorded_file": "",
        },
    )
    claims: ClassVar = (
        ClaimsParameters,
        {
            "verdicts": ["reproduced", "not run"],
            "collected_file": "",
        },
    )
    museum: ClassVar = (MuseumParameters, {"seeds": [0, 1], "train_steps": 20})


CHAPTERS = [
    Chapter.gradients,
    Chapter.lstm_gradients,
    Chapter.cell_path,
    Chapter.palindromes,
    Chapter.gate,
    Chapter.text,
    Chapter.claims,
    Chapter.museum,
]

# Kinds of parameters: what each refuses, and what the sentence must say is allowed.
NO_NUMBER = ["5", None, True, [1], 1j]
INTEGER = [0, -1, 2.5, 5.0, math.nan, math.inf, *NO_NUMBER]
POSITIVE = [0, 0.0, -1e-3, math.nan, math.inf, -math.inf, *NO_NUMBER]
LIST = [[], 5, "5", None, {5: 5}]
RATE = [1e-10, 10.1, *POSITIVE]
RATES = "from 1e-09 to 10"
SIZE = [10**9, *INTEGER]
INTEGER_LIST = [*LIST, [5, 5], [5, 10, 5], [2.5], ["5"], [True], [None], [[5]], [5, math.nan]]
POSITIVE_LIST = [*LIST, [0.1, 0.1], [1, 1.0], [0.1, 0], [-0.1], [math.nan], [math.inf], ["0.1"], [True]]
NO_TEXT = ["", 5, None, True, ["text"], b"text", "caf\udce9"]  # the last as the system gives what is no UTF-8
REFUSED = {
    "seeds": ([*INTEGER_LIST, [-1], [2**32], [0.0]], "different integers from 0"),
    "lengths": ([*INTEGER_LIST, [1], [5, 1], [0], [-3], [5.0], [10**9]], "different integers from 2 to "),
    "length": ([2, *SIZE], "an integer from 3 to 1,000"),
    "train_steps": (INTEGER, "an integer of at least 1"),
    "recipes": ([*LIST, ["ours"], ["state carried", "state carried"], [""], [5]], "\"the course's\", 'state carried'"),
    "recipe_steps": (INTEGER, "an integer of at least 1"),
    "longest_steps": (INTEGER, "an integer of at least 1"),
    "long_folder": ([5, None, ["a"], "caf\udce9"], "the name of a folder, in UTF-8"),
    "short_folder": ([5, None, ["a"], "caf\udce9"], "the name of a folder, in UTF-8"),
    "early_steps": (INTEGER, "an integer of at least 1"),
    "optimizer_length": ([1, *SIZE], "an integer from 2 to 10,000"),
    "optimizer_steps": (INTEGER, "an integer of at least 1"),
    "ladder": ([*INTEGER_LIST, [2], [5, 1], [0], [-3], [5.0], [10**9]], "different integers from 3 to 10,000"),
    "far_ladder": ([*INTEGER_LIST, [2], [5, 1], [0], [-3], [5.0], [10**9]], "different integers from 3 to 10,000"),
    "far_steps": (INTEGER, "an integer of at least 1"),
    "lstm_ladder": ([*INTEGER_LIST, [2], [5, 1], [0], [-3], [5.0], [10**9]], "different integers from 3 to 10,000"),
    "ladder_steps": (INTEGER, "an integer of at least 1"),
    "burst_steps": (INTEGER, "an integer of at least 1"),
    "period_starts": ([*POSITIVE_LIST, [1e-46], [1, 51]], "different numbers from 0.05 to 50"),
    "marked_length": ([1, *SIZE], "an integer from 2 to 10,000"),
    "marked_steps": (INTEGER, "an integer of at least 1"),
    "adding_length": ([19, *SIZE], "an integer from 20 to 10,000"),
    "adding_steps": (INTEGER, "an integer of at least 1"),
    "samplings": ([*LIST, ["daily"], ["standard", "standard"], [""], [5]], "'standard', 'high-resolution'"),
    "frequency_networks": ([*LIST, ["GRU"], ["LSTM", "LSTM"], [""], [5]], "'LSTM', 'LSTM, as published'"),
    "frequency_steps": (INTEGER, "an integer of at least 1"),
    "kept_length": ([2, *SIZE], "an integer from 3 to 10,000"),
    "kept_steps": (INTEGER, "an integer of at least 1"),
    "longest_rate": (RATE, RATES),
    "backend": (["cuda", "", 5, None, ["torch"]], "'torch', 'native', 'native-bf16', 'auto'"),
    "recorded_file": ([5, None, ["a"], "caf\udce9"], "the name of a file, in UTF-8"),
    "input_size": (SIZE, "an integer from 1 to 64"),
    "hidden_size": (SIZE, "an integer from 1 to "),
    "batch_size": (SIZE, "an integer from 1 to "),
    "sample_length": (INTEGER, "an integer from 1 to 10,000"),
    "classes": ([1, *SIZE], "an integer from 2 to 64"),
    "horizon": ([1, *SIZE], "an integer from 2 to 1,000"),
    "test_palindromes": ([99, *SIZE], "an integer from 100 to 100,000"),
    "measured_palindromes": (SIZE, "an integer from 1 to 1,000"),
    "rnn_learning_rate": (RATE, RATES),
    "learning_rate": (RATE, RATES),
    "learning_rates": ([*POSITIVE_LIST, [1e-10], [0.1, 11]], RATES),
    "spectral_radii": ([*POSITIVE_LIST, [1e-300], [1, 1e300]], "different numbers from 0.01 to 10"),
    "taus": ([*POSITIVE_LIST, [1e-46], [0.9], [1e300]], "different numbers from 1 to 1,000"),
    "temperatures": ([*POSITIVE_LIST, "warm", ["warm"], 0.5], "different numbers from 0.01 to 100"),
    "tau": ([1e-46, 0.49, 20_000, 1e300, *POSITIVE], "a number from 0.5 to 1,000"),
    "s": ([1e300, -10_001, math.nan, math.inf, -math.inf, *NO_NUMBER], "a number from -10,000 to 10,000"),
    "r_on": ([1.0001, 2, 1e-300, 0.0009, *POSITIVE], "a number from 0.0"),
    "models": ([*LIST, ["gru"], ["lstm", "lstm"], ["LSTM"], [5], ["rnn", None], ["lstm"]], "'rnn', 'lstm'"),
    "optimizers": ([*LIST, ["adagrad"], ["adam", "adam"], [""], [5]], "'sgd'"),
    "encoding": (["onehot", "", 5, None, ["scalar"]], "'scalar' or 'one-hot'"),
    "verdicts": ([*LIST, ["maybe"], ["not run", "not run"]], "'reproduced', 'in part', 'contradicted'"),
    "collected_file": ([5, None, True, ["file"], "caf\udce9"], "the name of a file, in UTF-8"),
    "corpus": (NO_TEXT, "the name of a text, in UTF-8"),
    "prompt": (NO_TEXT, "a UTF-8 text of 1 to 500 characters"),
    "device": ([5, None, True, ["cpu"], "gpu", "", "cpu:x"], "device"),
}
CASES = [
    pytest.param(chapter, values, name, value, allowed, id=f"{chapter.__name__}-{name}-{value!r}")
    for chapter, values in CHAPTERS
    for name in values
    for bad, allowed in [REFUSED[name]]
    for value in bad
]


def refused(chapter, values):
    """The one line with which the chapter refuses these values."""
    with pytest.raises(ParameterError) as caught:
        chapter.check(values)
    sentence = str(caught.value)
    assert sentence
    assert "\n" not in sentence
    assert len(sentence) < 400
    return sentence


@pytest.mark.parametrize(("chapter", "values"), CHAPTERS)
def test_good_values_are_taken_as_they_are(chapter, values):
    assert chapter.check(values).model_dump() == values
    assert chapter.from_notebook({**values, "__name__": "__main__", "In": []}).model_dump() == values


@pytest.mark.parametrize(("chapter", "values"), CHAPTERS)
def test_every_parameter_is_tested_here(chapter, values):
    assert set(values) == set(chapter.model_fields)
    assert set(values) <= set(REFUSED)


@pytest.mark.parametrize(("chapter", "values", "name", "value", "allowed"), CASES)
def test_a_bad_value_is_refused(chapter, values, name, value, allowed):
    sentence = refused(chapter, {**values, name: value})
    assert sentence.startswith(f"{name} must be ")
    assert sentence.endswith(f", not {value!r}")
    assert allowed in sentence
    assert "None," not in sentence


@pytest.mark.parametrize(("chapter", "values"), CHAPTERS)
def test_an_unknown_name_is_refused_and_the_known_ones_listed(chapter, values):
    sentence = refused(chapter, {**values, "trainsteps": 5})
    assert "'trainsteps'" in sentence
    assert all(name in sentence for name in values)


@pytest.mark.parametrize(("chapter", "values"), CHAPTERS)
def test_a_missing_name_is_named(chapter, values):
    for name in values:
        rest = {key: value for key, value in values.items() if key != name}
        assert refused(chapter, rest) == f"parameter {name} is missing"
        with pytest.raises(ParameterError, match=f"parameter {name} is missing"):
            chapter.from_notebook(rest)


@pytest.mark.parametrize("name", ["cuda", "mps", "cuda:3"])
def test_a_device_that_is_absent_is_refused(name):
    if (name.startswith("cuda") and torch.cuda.is_available()) or (name == "mps" and torch.backends.mps.is_available()):
        pytest.skip(f"this machine has {name}")
    chapter, values = Chapter.palindromes
    sentence = refused(chapter, {**values, "device": name})
    assert sentence.startswith("device must be one that this machine has (1 cpu, ")
    assert sentence.endswith(f", not {name!r}")


@pytest.mark.parametrize(
    ("chapter", "name", "value"),
    [
        (Chapter.gate, "tau", 6),
        (Chapter.gate, "s", 0),
        (Chapter.gate, "s", -3),
        (Chapter.gate, "r_on", 1),
        (Chapter.gate, "learning_rate", 1),
        (Chapter.palindromes, "learning_rates", [1, 0.1]),
        (Chapter.gradients, "spectral_radii", [1, 2]),
        (Chapter.text, "temperatures", [1, 2]),
    ],
)
def test_an_integer_is_a_number(chapter, name, value):
    cls, values = chapter
    assert getattr(cls.check({**values, name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lengths", [2]),
        ("train_steps", 1),
        ("seeds", [2**32 - 1, 0]),
        ("models", list(RECURRENCES)),
        ("optimizers", list(OPTIMIZERS)),
        ("encoding", "one-hot"),
        ("learning_rate", 1e-9),
        ("learning_rate", 10),
        ("lengths", [10_000]),
        ("test_palindromes", 100),
    ],
)
def test_the_edges_of_what_is_allowed(name, value):
    chapter, values = Chapter.palindromes
    assert getattr(chapter.check({**values, name: value}), name) == value


def test_finite_differences_are_taken_at_a_short_length():
    chapter, values = Chapter.lstm_gradients
    assert chapter.check({**values, "lengths": [100, 5]}).lengths == [100, 5]
    assert refused(chapter, {**values, "lengths": [6, 100]}) == (
        "lengths must hold one of at most 5, at which finite differences are taken, not [6, 100]"
    )


def test_of_several_bad_values_one_is_named():
    chapter, values = Chapter.gate
    sentence = refused(chapter, {**values, "tau": -1.0, "r_on": 0.0})
    assert sentence in (
        "tau must be a number from 0.5 to 1,000, not -1.0",
        "r_on must be a number from 0.001 to 1, not 0.0",
    )


@pytest.mark.parametrize(("chapter", "values"), CHAPTERS)
def test_parameters_do_not_change_later(chapter, values):
    with pytest.raises(ValidationError):
        setattr(chapter.check(values), next(iter(values)), [5])


# The text of chapter 4


@pytest.mark.parametrize(
    "data",
    [None, b"", b"x", b"\xef\xbb\xbf", b"a\0b", "naïve".encode("latin-1")],
    ids=["missing", "empty", "one character", "byte-order mark", "binary", "latin-1"],
)
def test_a_text_that_cannot_be_read_is_refused(tmp_path, data):
    path = tmp_path / "text.txt"
    if data is not None:
        path.write_bytes(data)
    chapter, values = Chapter.text
    assert str(path) in refused(chapter, {**values, "corpus": str(path)})


def test_a_text_that_is_too_large_a_folder_or_no_name_is_refused(tmp_path):
    huge = tmp_path / "huge.txt"
    huge.touch()
    os.truncate(huge, 2**30)
    chapter, values = Chapter.text
    for name, allowed in ((str(huge), "64 MiB"), (str(tmp_path), "text file"), ("a\0b", "text file")):
        assert allowed in refused(chapter, {**values, "corpus": name})
    assert "(402 characters) is neither a text file nor one of" in refused(chapter, {**values, "corpus": "n" * 400})


def test_a_prompt_is_of_the_texts_characters_whatever_they_are(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("日本語の本。\r\n" * 20, encoding="utf-8-sig", newline="")
    chapter, values = Chapter.text
    values = {**values, "corpus": str(path)}
    assert chapter.check({**values, "prompt": "本の日"}).prompt == "本の日"
    sentence = refused(chapter, {**values, "prompt": "本\rの\ufeff日"})  # neither is of the text that is read
    assert (
        sentence
        == "prompt: the model knows no '\\r', '\\ufeff'; its 6 characters are '\\n', '。', 'の', '日', '本', '語'"
    )


# The least and the most that chapter 4 takes, and what is next below and above.
RANGES = {
    "lengths": ([1], [2], [1_000], [1_001]),
    "learning_rate": (9e-10, 1e-9, 10, 10.01),
    "hidden_size": (0, 1, 4_096, 4_097),
    "sample_length": (0, 1, 10_000, 10_001),
    "temperatures": ([0.009], [0.01, 100], [0.01 + step for step in range(20)], [0.01 + step for step in range(21)]),
    "prompt": ("", "T", 500 * "e", 501 * "e"),
    "seeds": ([-1], [0], [2**32 - 1], [2**32]),
}


@pytest.mark.parametrize("name", RANGES)
def test_chapter_4_takes_what_lies_in_its_ranges_and_nothing_else(name):
    chapter, values = Chapter.text
    below, *allowed, above = RANGES[name]
    for value in allowed:
        assert getattr(chapter.check({**values, name: value}), name) == value
    for value in (below, above):
        assert refused(chapter, {**values, name: value}).startswith(f"{name} must be ")


def test_a_training_step_of_chapter_4_fits_into_memory():
    chapter, values = Chapter.text
    most = {**values, "batch_size": 64, "lengths": [5, 1_000]}
    assert chapter.check(most).batch_size == 64
    assert refused(chapter, {**most, "batch_size": 66}) == (
        "batch_size times the longest of lengths must be at most 65,536 characters a step, not 66,000"
    )


def test_a_value_without_end_gets_a_sentence_with_one():
    chapter, values = Chapter.text
    assert refused(chapter, {**values, "seeds": list(range(-1, 10**5))}).endswith(" characters)")
    assert refused(chapter, {**values, "x" * 10**5: 1}).startswith("there is no parameter 'xxx")


def test_a_text_shorter_than_the_longest_sequence_is_refused(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("The people " * 3)
    chapter, values = Chapter.text
    assert chapter.check({**values, "corpus": str(path), "lengths": [5, 32]}).lengths == [5, 32]
    sentence = refused(chapter, {**values, "corpus": str(path), "lengths": [5, 33]})
    assert str(path) in sentence
    assert "33 characters" in sentence


def test_a_prompt_that_the_text_has_no_characters_for_is_refused():
    chapter, values = Chapter.text
    sentence = refused(chapter, {**values, "prompt": "Ünd & Ω"})
    assert "prompt" in sentence
    for unknown in "ÜΩ":
        assert repr(unknown) in sentence
    assert repr("n") not in sentence


@posix
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes that lie in folders")
@pytest.mark.parametrize(
    ("chapter", "name"),
    [
        (RNNVersusLSTMParameters, "recorded_file"),
        (ClaimsParameters, "collected_file"),
        (SpeedParameters, "benchmarks_file"),
        (SpeedParameters, "learning_file"),
    ],
)
def test_a_pipe_is_no_file_and_is_not_waited_for(chapter, name, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValidationError) as caught:
        chapter.model_validate({name: str(tmp_path / "pipe")})
    assert name in [error["loc"][0] for error in caught.value.errors() if error["type"] == "value_error"]
