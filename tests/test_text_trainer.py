"""A text that is learned in the page: the training and its files in node, against the library's, and the widget in a
browser."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections import Counter
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from conftest import CONTRAST, ROOT, Shown, eventually, in_node, in_page, require, settle
from traitlets import TraitError

from rnnreport import vendor
from rnnreport.corpora import Corpus
from rnnreport.models import CharLSTM
from rnnreport.sampling import sample
from rnnreport.training import TrainingError, save_weights
from rnnreport.widgets.text_trainer import TEXT, TextTrainer, opened, problem

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

ODD = "\t\n \"'\\aé\x7f\u2028中🙂"  # sorted, with all that JSON writes in other ways
EXERCISE = "to be, or not to be: that is the question.\n" * 8
MANY = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
HELD_OUT = EXERCISE[math.floor(0.9 * len(EXERCISE)) :]


class Learning:
    """The page's module, with functions for JSON: files as lists of bytes."""

    _esm = f"""{TextTrainer._esm}
const inFloat32 = (weights) =>
  Object.fromEntries(Object.entries(weights).map(([name, values]) => [name, Float32Array.from(values)]));
export const fileOf = (weights, vocabulary) => written(inFloat32(weights), [...vocabulary]);
export function inFile(bytes) {{
  try {{
    return opened(Uint8Array.from(bytes));
  }} catch (error) {{
    if (error instanceof Refused) return error.message;
    throw error;
  }}
}}
export const hash = (bytes) => sha256(Uint8Array.from(bytes));
export const counted = (symbols, V) => entropies(Uint8Array.from(symbols), V);
/** All that a training says until it ends, in turns of that many milliseconds. */
export function learned(arithmetic, {{ file, ...settings }}, milliseconds = 20, question = null) {{
  const isPlain = arithmetic === "plain JavaScript";
  const training = textTraining({{ ...settings, isPlain, file: file && Uint8Array.from(file) }});
  const all = {{ points: [], heldOut: [], samples: [] }};
  for (;;) {{
    const {{ points = [], heldOut = [], sample, ...news }} = training.turn(milliseconds);
    all.points.push(...points);
    all.heldOut.push(...heldOut);
    if (sample) all.samples.push(sample);
    if (news.done) return {{ ...all, ...news, ...(question && {{ answer: training.ask(question) }}) }};
  }}
}}"""


@pytest.fixture(scope="module", params=["WebAssembly", "plain JavaScript"])
def arithmetic(request: pytest.FixtureRequest) -> str:
    if request.param == "WebAssembly":
        require(vendor.compiled(), "the page's kernels are not compiled here")
    return request.param


def settings(**more: Any) -> dict[str, Any]:
    return {"text": EXERCISE, "H": 16, "seed": 3, "temperature": 1, "steps": 30, **more}


def learned(node: list[str], arithmetic: str, *rest: Any, **more: Any) -> dict[str, Any]:
    return in_node(node, Learning, "learned", [[arithmetic, settings(**more), *rest]])[0]


def model(vocabulary: str = ODD, units: int = 7, layers: int = 1) -> CharLSTM:
    torch.manual_seed(units)
    return CharLSTM(len(vocabulary), units, layers)


def saved(folder: Path, network: CharLSTM, vocabulary: str = ODD) -> bytes:
    """The file that the library writes."""
    file = folder / "weights.safetensors"
    save_weights(network, file, {"vocabulary": vocabulary})
    return file.read_bytes()


def by_page_s_names(network: CharLSTM) -> dict[str, list[float]]:
    return {
        name.removeprefix("lstm.").replace("head.", "head_"): weight.detach().flatten().tolist()
        for name, weight in network.state_dict().items()
    }


# The text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TEXT, ""),
        ("ab" * 100, ""),
        ("".join(map(chr, range(0x100, 0x100 + 200))), ""),
        ("🙂a" * 100, ""),
        ("", "must be 200 to 5,000,000 characters long, not 0."),
        ("a", "must be 200 to 5,000,000 characters long, not 1."),
        ("🙂" * 199, "must be 200 to 5,000,000 characters long, not 199."),
        ("a" * 5_000_001, "must be 200 to 5,000,000 characters long, not 5,000,001."),
        ("a" * 300, "must hold 2 to 200 different characters, not 1."),
        ("".join(map(chr, range(0x100, 0x100 + 1201))), "must hold 2 to 200 different characters, not 1,201."),
        ("a\0" * 200, "must be text, and holds a NUL character."),
        ("a\ud83d" * 200, "must be text, and holds half a character (a lone surrogate)."),
    ],
)
def test_what_is_wrong_with_a_text_is_one_sentence_in_both_languages(node: list[str], text: str, says: str) -> None:
    assert problem(text) == says
    assert in_node(node, TextTrainer, "problem", [[text]]) == [says]


def test_the_vocabulary_is_the_library_s(node: list[str]) -> None:
    text = "".join(reversed(ODD)) + "\uffee\U0001f000"  # which UTF-16 sorts in another order
    (found,) = in_node(node, TextTrainer, "vocabularyOf", [[text]])
    assert "".join(found) == Corpus("it", "here", text).vocabulary


def test_entropies_are_those_of_counts(node: list[str]) -> None:
    symbols = np.random.default_rng(0).integers(5, size=300).tolist()
    (found,) = in_node(node, Learning, "counted", [[symbols, 5]])
    pairs, firsts = Counter(pairwise(symbols)), Counter(symbols[:-1])
    n = len(symbols) - 1
    assert found["alone"] == pytest.approx(-sum(count / n * math.log2(count / n) for count in firsts.values()))
    after = -sum(count / n * math.log2(count / firsts[pair[0]]) for pair, count in pairs.items())
    assert found["afterOne"] == pytest.approx(after)


# Files of weights


def test_the_hash_is_sha_256(node: list[str]) -> None:
    contents = [bytes(range(256)) * 40] + [b"\xff" * length for length in (0, 1, 55, 56, 63, 64, 65)]
    found = in_node(node, Learning, "hash", [[list(content)] for content in contents])
    assert found == [hashlib.sha256(content).hexdigest() for content in contents]


@pytest.mark.parametrize(("units", "layers"), [(1, 1), (7, 2), (64, 1)])
def test_a_file_of_the_page_s_is_the_library_s(node: list[str], tmp_path: Path, units: int, layers: int) -> None:
    network = model(ODD, units, layers)
    (written,) = in_node(node, Learning, "fileOf", [[by_page_s_names(network), ODD]])
    file = tmp_path / "weights.safetensors"
    file.write_bytes(bytes(written))
    found, vocabulary = opened(file)
    assert vocabulary == ODD
    assert not found.training
    assert all(torch.equal(weight, network.state_dict()[name]) for name, weight in found.state_dict().items())
    text, _ = sample(found, torch.tensor([2, 3]), 20, generator=torch.Generator().manual_seed(0))
    assert len("".join(vocabulary[symbol] for symbol in text.tolist())) == 20


@pytest.mark.parametrize(("units", "layers"), [(1, 1), (7, 2), (64, 1)])
def test_a_file_of_the_library_s_opens_in_the_page(node: list[str], tmp_path: Path, units: int, layers: int) -> None:
    network = model(ODD, units, layers)
    (found,) = in_node(node, Learning, "inFile", [[list(saved(tmp_path, network))]])
    assert ("".join(found["vocabulary"]), found["V"], found["H"], found["L"]) == (ODD, len(ODD), units, layers)
    assert found["weights"] == by_page_s_names(network)


def test_the_recorded_networks_open_in_the_page(node: list[str]) -> None:
    for file in ("text-500k/weights-500000.safetensors", "text-short/weights-20000.safetensors"):
        (found,) = in_node(node, Learning, "inFile", [[list((ROOT / "data" / file).read_bytes())]])
        network, vocabulary = opened(ROOT / "data" / file)
        assert "".join(found["vocabulary"]) == vocabulary
        assert (found["H"], found["L"]) == (network.lstm.hidden_size, network.lstm.num_layers)


def with_header(content: bytes, edit: Any) -> bytes:
    """The file with an edited header."""
    end = 8 + int.from_bytes(content[:8], "little")
    head = json.loads(content[8:end])
    edit(head)
    written = json.dumps(head).encode()
    return len(written).to_bytes(8, "little") + written + content[end:]


REFUSED = "could not be opened."
NOT_WHOLE = "It is not a complete safetensors file."
NO_HEADER = "This file has no header with a vocabulary, as a character model's has."
NO_LSTM = "This file holds no LSTM that a page can train, of at most 2 layers of 256 units and 200 characters."
CHANGED = "This file was changed after it was written: its content has another hash."


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda content: b"", NOT_WHOLE),
        (lambda content: b"\xff" * 100, NOT_WHOLE),
        (lambda content: b"<script>broken = 1</script>" * 5, NOT_WHOLE),
        (lambda content: content[:100], NOT_WHOLE),
        (lambda content: content[:-1], "This file is not whole: its end is missing."),
        (lambda content: content[:-5] + bytes([content[-5] ^ 1]) + content[-4:], CHANGED),
        (
            lambda content: content.replace(b"head.bias", b"head.bios"),
            "This file's head.bias is not 12 numbers of float32.",
        ),
        (lambda content: content.replace(b"vocabulary", b"vocabularY"), NO_HEADER),
        (lambda content: with_header(content, lambda head: head.pop("__metadata__")), NO_HEADER),
        (lambda content: with_header(content, lambda head: head["__metadata__"].update(vocabulary="5")), NO_HEADER),
        (lambda content: with_header(content, lambda head: head["__metadata__"].update(vocabulary='["a"]')), NO_HEADER),
        (lambda content: with_header(content, lambda head: head["__metadata__"].update(vocabulary='""')), NO_LSTM),
        (lambda content: with_header(content, lambda head: head["__metadata__"].update(vocabulary='"aa"')), NO_LSTM),
        (lambda content: with_header(content, lambda head: head["__metadata__"].update(steps="5")), CHANGED),
        (lambda content: with_header(content, lambda head: head["head.weight"].update(shape=[12, 2**40])), NO_LSTM),
        (lambda content: with_header(content, lambda head: head["head.weight"].update(shape=None)), NO_LSTM),
        (
            lambda content: with_header(content, lambda head: head["lstm.weight_hh_l0"].update(dtype="F16")),
            "This file's lstm.weight_hh_l0 is not 28 by 7 numbers of float32.",
        ),
        (
            lambda content: with_header(content, lambda head: head["head.bias"].update(data_offsets=[-48, 0])),
            "This file's head.bias is not 12 numbers of float32.",
        ),
        (
            lambda content: with_header(content, lambda head: head.update(more=head["head.bias"])),
            "This file holds more than a character model's weights.",
        ),
    ],
)
def test_a_damaged_file_is_refused_in_a_sentence(node: list[str], tmp_path: Path, damage: Any, says: str) -> None:
    content = damage(saved(tmp_path, model()))
    assert in_node(node, Learning, "inFile", [[list(content)]]) == [says]
    file = tmp_path / "damaged.safetensors"
    file.write_bytes(content)
    with pytest.raises(TrainingError):
        opened(file)


def test_a_network_that_the_page_cannot_train_is_refused(node: list[str], tmp_path: Path) -> None:
    sound, broken = model(), model()
    with torch.no_grad():
        broken.head.bias[3] = math.nan
    for network, vocabulary, says in (
        (model(ODD, 257), ODD, NO_LSTM),
        (model(ODD, 4, 3), ODD, NO_LSTM),
        (sound, ODD[1:], "This file's head.bias is not 11 numbers of float32."),
        (broken, ODD, "This file holds numbers that are not finite."),
    ):
        content = saved(tmp_path, network, vocabulary)
        assert in_node(node, Learning, "inFile", [[list(content)]]) == [says]
        assert learned(node, "plain JavaScript", file=list(content)) == {
            **{"points": [], "heldOut": [], "samples": []},
            **{"failed": says, "done": True},
        }


def test_the_largest_networks_that_a_page_trains_open_in_it_and_larger_ones_do_not(
    node: list[str], tmp_path: Path
) -> None:
    sizes = [(2, 256, 1), (200, 1, 2), (2, 257, 1), (201, 1, 2), (2, 1, 3)]
    files = []
    for V, units, layers in sizes:
        files.append([list(saved(tmp_path, model(MANY[:V], units, layers), MANY[:V]))])
    *large, too_wide, too_many, too_deep = in_node(node, Learning, "inFile", files)
    assert [(found["V"], found["H"], found["L"]) for found in large] == sizes[:2]
    assert {too_wide, too_many, too_deep} == {NO_LSTM}


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda content: bytes(8), NOT_WHOLE),
        (
            lambda content: content[: 8 + int.from_bytes(content[:8], "little")],
            "This file is not whole: its end is missing.",
        ),
        (lambda content: content.replace(b"head.bias", b"head.b\xffas"), NO_HEADER),
        (lambda content: with_header(content, lambda head: head["head.weight"].update(shape=[12, 0])), NO_LSTM),
        (
            lambda content: with_header(content, lambda head: head["lstm.weight_hh_l0"].update(shape=[7, 28])),
            "This file's lstm.weight_hh_l0 is not 28 by 7 numbers of float32.",
        ),
        (
            lambda content: with_header(content, lambda head: head["head.bias"].update(data_offsets=[0, 52])),
            "This file's head.bias is not 12 numbers of float32.",
        ),
    ],
    ids=["a length alone", "a header alone", "no UTF-8", "no units", "turned", "one number more"],
)
def test_what_is_wrong_with_a_file_is_said_at_the_limits_too(
    node: list[str], tmp_path: Path, damage: Any, says: str
) -> None:
    assert in_node(node, Learning, "inFile", [[list(damage(saved(tmp_path, model())))]]) == [says]


def test_the_header_of_a_page_s_file_is_filled_to_the_next_8_bytes(node: list[str]) -> None:
    names = by_page_s_names(model("ab", 1))
    files = in_node(node, Learning, "fileOf", [[names, [*pair]] for pair in ("ab", "a\n", "é🙂", "中🙂")])
    filled = set()
    for content in map(bytes, files):
        size = int.from_bytes(content[:8], "little")
        assert size % 8 == 0
        assert len(content) == 8 + size + 4 * sum(map(len, names.values()))
        filled.add(size - len(content[8 : 8 + size].rstrip()))
    assert filled <= set(range(8)), "no more than it needs"


# The training


def test_it_learns_and_says_how_far_it_is(node: list[str], arithmetic: str) -> None:
    found = learned(node, arithmetic, steps=60)
    assert found["kernels"] == arithmetic
    assert [point["step"] for point in found["points"]] == [10, 20, 30, 40, 50, 60]
    bits = [point["bits"] for point in found["points"]]
    assert bits[-1] < 0.7 * bits[0]
    first, last = found["heldOut"][0], found["heldOut"][-1]
    assert (first["step"], last["step"]) == (0, 60)
    assert last["bits"] < first["bits"] == pytest.approx(found["chance"]["none"], rel=0.1), (
        "which is that of a blind guess"
    )
    assert found["shape"] == {"V": len(set(EXERCISE)), "H": 16, "L": 1}
    assert (len(found["samples"][-1]["written"]), found["samples"][-1]["end"]) == (300, HELD_OUT)


def test_the_bits_are_those_of_the_saved_network(node: list[str], arithmetic: str, tmp_path: Path) -> None:
    """Held-out text, read from end to end by the library from the file that the page gives."""
    found = learned(node, arithmetic)
    file = tmp_path / "weights.safetensors"
    file.write_bytes(bytes(found["file"]))
    network, vocabulary = opened(file)
    symbols = torch.tensor([vocabulary.index(character) for character in HELD_OUT])
    with torch.no_grad():
        logits = network.run(symbols[:-1, None])[0][:, 0]
    bits = torch.nn.functional.cross_entropy(logits, symbols[1:]).item() / math.log(2)
    assert found["heldOut"][-1]["bits"] == pytest.approx(bits, rel=1e-5)


def test_the_same_settings_give_the_same_network_however_long_a_turn_is(node: list[str], arithmetic: str) -> None:
    one, same, other = (learned(node, arithmetic, turn, seed=seed) for turn, seed in ((1, 3), (1000, 3), (20, 4)))
    assert one["file"] == same["file"]
    assert one["points"] == same["points"]
    assert one["file"] != other["file"]


def test_it_goes_on_from_a_file_and_leaves_out_what_it_does_not_know(node: list[str], arithmetic: str) -> None:
    first = learned(node, arithmetic, steps=40)
    before = {"step": 40, "seconds": 2.5}
    on = learned(node, arithmetic, file=first["file"], before=before, text=EXERCISE + "é✗é", H=64)
    assert on["shape"] == first["shape"], "the file's, not the settings'"
    assert on["unknown"] == ["é", "✗"]
    assert [point["step"] for point in on["points"]] == [50, 60, 70]
    assert on["seconds"] > 2.5
    assert on["points"][-1]["bits"] < first["points"][-1]["bits"]
    refused = learned(node, arithmetic, file=first["file"], text="é" * 500 + EXERCISE[:150])
    assert refused["failed"] == "Of this text the network knows 150 characters, fewer than 200."


def test_opened_weights_only_write(node: list[str], tmp_path: Path) -> None:
    network = model(ODD, 7, 2)
    content = list(saved(tmp_path, network))
    for text in (EXERCISE, ""):
        found = learned(node, "plain JavaScript", file=content, text=text, steps=0)
        assert found["points"] == []
        assert in_node(node, Learning, "inFile", [[found["file"]]])[0]["weights"] == by_page_s_names(network)
        assert len(found["samples"]) == 1


def test_it_answers_with_a_sample_or_its_weights(node: list[str]) -> None:
    greedy = learned(node, "plain JavaScript", 20, {"temperature": 0}, steps=5)
    again = learned(node, "plain JavaScript", 20, {"temperature": 0}, steps=5)
    assert greedy["answer"]["sample"] == again["answer"]["sample"]
    kept = learned(node, "plain JavaScript", 20, {"save": True}, steps=5)
    assert kept["answer"] == {"file": kept["file"]}


def wild(folder: Path) -> bytes:
    """Weights so large that the first loss is no number."""
    vocabulary = "".join(sorted(set(EXERCISE)))
    network = model(vocabulary)
    with torch.no_grad():
        network.head.bias.fill_(3e38)
        network.head.weight.fill_(3e38)
    return saved(folder, network, vocabulary)


def test_a_training_that_breaks_down_says_so(node: list[str], tmp_path: Path) -> None:
    found = learned(node, "plain JavaScript", file=list(wild(tmp_path)))
    assert found["failed"].startswith("The training broke down at step 1: its loss became ")


@pytest.mark.parametrize(
    ("bits", "held", "says"),
    [
        ([], [5.0], "It knows next to nothing of the text yet."),
        ([4.9], [5.0], "It knows next to nothing of the text yet."),
        ([4.1], [5.0, 4.3], "It knows how common each character is."),
        ([3.7], [5.0, 3.9], "It learns which character likes to follow which."),
        ([2.9], [5.0, 3.3], "It spells: a look at one character before would not get so far."),
        ([1.0], [5.0, 3.3, 3.5], "It learns its windows by heart: held-out text cost least, 3.30 bits, at step 100."),
    ],
)
def test_how_far_it_is_in_words(node: list[str], bits: list[float], held: list[float], says: str) -> None:
    def points(values: list[float]) -> list[dict[str, float]]:
        return [{"step": 100 * place, "bits": value} for place, value in enumerate(values)]

    run = {"points": points(bits), "heldOut": points(held), "chance": {"none": 5.2, "alone": 4.2, "afterOne": 3.2}}
    assert in_node(node, TextTrainer, "stage", [[run]]) == [says]


# The Python half


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("text", "too short", "text must be 200 to 5,000,000 characters long, not 9."),
        ("text", "a" * 300, "text must hold 2 to 200 different characters, not 1."),
        ("hidden_size", 100, "hidden_size must be one of 64, 128, 256, not 100."),
        ("temperature", math.nan, "temperature must be a finite number >= 0 and <= 10, not nan."),
        ("seed", -1, "seed must be an integer from 0 to 4294967295, not -1."),
    ],
)
def test_what_cannot_be_set_is_one_clear_sentence(name: str, value: Any, says: str) -> None:
    widget = TextTrainer()
    before = getattr(widget, name)
    for attempt in (lambda: setattr(widget, name, value), lambda: TextTrainer(**{name: value})):
        with pytest.raises(TraitError) as refused:
            attempt()
        assert str(refused.value) == says
    assert getattr(widget, name) == before


def test_only_the_page_says_what_was_trained(tmp_path: Path) -> None:
    widget = TextTrainer()
    for ask in (widget.network, lambda: widget.vocabulary):
        with pytest.raises(
            ValueError, match=r"^weights must be there, and no network has been trained and stopped yet\.$"
        ):
            ask()
    for name, value in (("weights", ""), ("progress", {})):
        with pytest.raises(TraitError):
            setattr(widget, name, value)
    network = model()
    widget.set_state({"weights": base64.b64encode(saved(tmp_path, network)).decode(), "progress": {"step": 5}})
    assert widget.progress == {"step": 5}
    assert widget.vocabulary == ODD
    assert torch.equal(widget.network().head.weight, network.head.weight)


# In a browser


def trainer(**more: Any) -> TextTrainer:
    return TextTrainer(**{"hidden_size": 64, **more})


def press(widget: Locator, name: str) -> None:
    widget.get_by_role("button", name=name, exact=True).click()


def is_enabled(widget: Locator, name: str) -> bool:
    return widget.get_by_role("button", name=name, exact=True).is_enabled()


def progress(page: Page) -> dict[str, Any]:
    return page.evaluate("window.saved?.progress ?? {}")


def sample_of(widget: Locator) -> str:
    return widget.locator(".taught").inner_text()


def until(page: Page, state: str, step: int = 0) -> None:
    """Until the page has told Python so."""
    page.wait_for_function(
        "([s, n]) => window.saved?.progress?.state === s && saved.progress.step >= n", arg=[state, step]
    )


def test_it_learns_pauses_stops_and_goes_on(shown: Shown, page: Page) -> None:
    widget = shown(trainer())
    says = widget.get_by_role("status")
    assert says.inner_text() == "Nothing is trained yet."
    assert [is_enabled(widget, name) for name in ("Pause", "Stop", "Start anew", "Save the weights")] == 4 * [False]
    press(widget, "Train")
    until(page, "running", 20)
    press(widget, "Pause")
    until(page, "paused")
    paused = progress(page)
    eventually(lambda: says.inner_text().startswith(f"Paused at step {paused['step']}, "))
    assert page.evaluate("saved.weights.length") > 1000, "Python has the weights"
    press(widget, "Go on")
    until(page, "running", paused["step"] + 10)
    press(widget, "Stop")
    until(page, "done")
    done = progress(page)
    assert done["bits"] < 4.6, "a blind guess costs 5.2"
    assert done["held_out_bits"] < 5
    assert "A character costs it" in says.inner_text()
    assert widget.get_by_text("it reads the end of the text, in bold, and writes on").is_visible()
    assert widget.locator("path.curve.lstm").count() == 2, "in the drawing, and in its key"
    press(widget, "Train on")
    until(page, "running", done["step"] + 1)
    press(widget, "Start anew")
    page.wait_for_function("n => saved.progress.step < n", arg=done["step"])
    page.evaluate("window.stop()")


def test_the_trained_weights_reach_python(shown: Shown, page: Page) -> None:
    ours = trainer()
    widget = shown(ours)
    press(widget, "Train")
    until(page, "running", 1)
    press(widget, "Stop")
    until(page, "done")
    ours.set_state(page.evaluate("({ weights: saved.weights, progress: saved.progress })"))
    assert ours.network().lstm.hidden_size == 64
    assert ours.vocabulary == Corpus("it", "here", TEXT).vocabulary
    assert ours.progress["state"] == "done"


def test_weights_are_saved_and_opened(shown: Shown, page: Page, tmp_path: Path) -> None:
    widget = shown(trainer())
    press(widget, "Train")
    until(page, "running", 1)
    with page.expect_download() as download:
        press(widget, "Save the weights")
    assert download.value.suggested_filename == "weights.safetensors"
    file = tmp_path / "weights.safetensors"
    download.value.save_as(file)
    network, vocabulary = opened(file)
    assert (network.lstm.hidden_size, vocabulary) == (64, Corpus("it", "here", TEXT).vocabulary)
    press(widget, "Stop")
    until(page, "done")

    other = shown(trainer(text=EXERCISE + "é", hidden_size=128))
    with page.expect_file_chooser() as chooser:
        press(other, "Open weights")
    chooser.value.set_files(file)
    until(page, "opened")
    assert other.get_by_role("status").inner_text().startswith("These weights are open. A character costs it ")
    assert other.locator(".key").last.inner_text() == (
        f"The network has one layer of 64 units and knows {len(vocabulary)} characters; it learns in this page"
        f"{'' if vendor.compiled() else ', in plain JavaScript, about ten times slower'}, from windows of 40 "
        "characters and a zero state. Held-out text it reads in one go, which can cost less at first. It leaves out of "
        "the text what it does not know: “é”."
    )
    press(other, "Train on")
    until(page, "running", 1)
    assert page.evaluate("window.stop()") is None


def test_a_damaged_file_of_weights_changes_nothing(shown: Shown, page: Page, tmp_path: Path) -> None:
    content = saved(tmp_path, model())
    widget = shown(trainer())
    press(widget, "Train")
    until(page, "running", 1)
    weights = widget.locator("input[type=file]").nth(1)
    large = tmp_path / "large.safetensors"
    large.write_bytes(b"\0" * 5_000_001)
    for name, damaged, says in (
        ("cut.safetensors", content[:-1], f"cut.safetensors {REFUSED} This file is not whole: its end is missing."),
        ("<img src=x onerror=broken=1>", b"no", f"<img src=x onerror=broken=1> {REFUSED} {NOT_WHOLE}"),
    ):
        weights.set_input_files({"name": name, "mimeType": "", "buffer": damaged})
        eventually(lambda: says in widget.locator(".note").all_inner_texts())  # noqa: B023
    weights.set_input_files(large)
    eventually(lambda: "large.safetensors is larger than 5 MB." in widget.locator(".note").all_inner_texts())
    assert (widget.locator("img").count(), page.evaluate("window.broken")) == (0, None)
    step = progress(page)["step"]
    until(page, "running", step + 1)
    page.evaluate("window.stop()")


def test_what_has_broken_down_starts_anew(shown: Shown, page: Page, tmp_path: Path) -> None:
    widget = shown(trainer(text=EXERCISE))
    content = {"name": "wild.safetensors", "mimeType": "", "buffer": wild(tmp_path)}
    widget.locator("input[type=file]").nth(1).set_input_files(content)
    until(page, "opened")
    press(widget, "Train on")
    until(page, "failed")
    eventually(lambda: widget.get_by_role("status").inner_text().startswith("The training broke down at step 1: "))
    press(widget, "Start anew")
    until(page, "running", 10)
    page.evaluate("window.stop()")


def test_bad_texts_start_nothing(shown: Shown, page: Page) -> None:
    widget = shown(trainer())
    box, note = widget.get_by_role("textbox", name="text to learn"), widget.locator(".note").first
    for typed, says in (
        ("", "The text must be 200 to 5,000,000 characters long, not 0."),
        ("aaaa", "The text must be 200 to 5,000,000 characters long, not 4."),
        ("a" * 300, "The text must hold 2 to 200 different characters, not 1."),
    ):
        box.fill(typed)
        press(widget, "Train")
        assert note.inner_text() == says
    files = widget.locator("input[type=file]").first
    for name, content, says in (
        ("photo.png", b"\x89PNG\r\n\x1a\n\xff\xfe" * 90, "photo.png is not a UTF-8 text file."),
        ("zeros.bin", b"a\0" * 200, "zeros.bin must be text, and holds a NUL character."),
        ("empty.txt", b"", "empty.txt must be 200 to 5,000,000 characters long, not 0."),
        ("large.txt", b"ab" * 2_500_001, "large.txt is larger than 5 MB."),
        ("han.txt", MANY.encode(), "han.txt must hold 2 to 200 different characters, not 300."),
    ):  # fmt: skip
        files.set_input_files({"name": name, "mimeType": "text/plain", "buffer": content})
        eventually(lambda: note.inner_text() == says)  # noqa: B023
    assert widget.get_by_role("status").inner_text() == "Nothing is trained yet."
    assert page.evaluate("window.saved") is None
    box.fill(TEXT)
    assert note.inner_text() == ""


def test_a_long_text_is_opened_dropped_or_pasted(shown: Shown, page: Page) -> None:
    widget = shown(trainer())
    box, book = widget.get_by_role("textbox", name="text to learn"), "<b>It was.</b>\r\n" * 2000
    files = widget.locator("input[type=file]").first
    files.set_input_files({"name": "book.txt", "mimeType": "text/plain", "buffer": b"\xef\xbb\xbf" + book.encode()})
    page.wait_for_function("window.saved !== undefined")
    text = book.replace("\r\n", "\n")
    assert page.evaluate("saved.text") == text
    assert widget.get_by_text("book.txt: 30,000 characters").is_visible()
    assert box.input_value() == text[:1000] + " …"
    assert not box.is_editable()
    assert widget.locator("b").count() == 0
    press(widget, "Train")
    until(page, "running", 1)
    press(widget, "Stop")
    press(widget, "Type one instead")
    assert (box.input_value(), box.is_editable()) == ("", True)
    carry = """(node, [kind, words]) => {
      const data = new DataTransfer();
      if (kind === "drop") data.items.add(new File([words], "dropped.txt"));
      else data.setData("text/plain", words);
      const Kind = kind === "drop" ? DragEvent : ClipboardEvent;
      const carried = kind === "drop" ? { dataTransfer: data } : { clipboardData: data };
      node.dispatchEvent(new Kind(kind, { ...carried, bubbles: true, cancelable: true }));
    }"""
    box.evaluate(carry, ["drop", book])
    widget.get_by_text("dropped.txt: 30,000 characters").wait_for()
    press(widget, "Type one instead")
    box.evaluate(carry, ["paste", book])
    assert widget.get_by_text("the pasted text: 30,000 characters").is_visible()


def test_what_the_network_writes_stays_text(shown: Shown, page: Page) -> None:
    widget = shown(trainer(text="<img src=x onerror=broken=1>\n" * 20))
    before = widget.locator("img, script").count()
    press(widget, "Train")
    until(page, "running", 60)
    press(widget, "Pause")
    until(page, "paused")
    assert "<img" in sample_of(widget)
    assert (before, widget.locator("img, script").count(), page.evaluate("window.broken")) == (0, 0, None)
    page.evaluate("window.stop()")


def test_the_temperature_changes_the_sample_at_once(shown: Shown, page: Page) -> None:
    widget = shown(trainer())
    press(widget, "Train")
    until(page, "running", 20)
    press(widget, "Stop")
    until(page, "done")
    before = sample_of(widget)
    widget.get_by_role("slider", name="temperature").press("Home")
    eventually(lambda: sample_of(widget) != before)
    greedy = sample_of(widget)
    assert page.evaluate("saved.temperature") == 0
    widget.get_by_role("slider", name="temperature").press("End")
    eventually(lambda: sample_of(widget) != greedy)


@pytest.mark.parametrize("refused", ["Worker", "WebAssembly"])
def test_where_a_page_may_not_have_these_it_learns_all_the_same(shown: Shown, page: Page, refused: str) -> None:
    page.add_init_script(f"delete window.{refused}")
    page.goto("about:blank")
    widget = shown(trainer())
    press(widget, "Train")
    until(page, "running", 1)
    press(widget, "Stop")
    until(page, "done")
    assert is_enabled(widget, "Train on")


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_the_picture_and_the_sentence_change_at_a_calm_pace(stopped: Shown, page: Page, motion: Any) -> None:
    """The sentence is read out. A training goes on in its worker while the clock of the page stands still."""
    page.emulate_media(reduced_motion=motion)
    widget = stopped(trainer())
    says, drawing = widget.get_by_role("status"), widget.get_by_role("img")

    def later(milliseconds: int) -> tuple[str, str]:
        """What is shown once there is news, and so much time has passed."""
        step = progress(page).get("step", -1)
        eventually(lambda: progress(page).get("step", -1) > step + 10)
        page.clock.run_for(milliseconds)
        return says.inner_text(), drawing.inner_html()

    press(widget, "Train")
    said, drawn = later(100)
    assert said.startswith("Step ")
    again, drawn_again = later(100)
    assert again == said
    assert (drawn_again == drawn) == (motion == "reduce")
    page.clock.run_for(5000)
    now, drawn_now = later(100)
    assert now != said
    assert drawn_now != drawn
    page.evaluate("window.stop()")


def test_by_keyboard_alone(shown: Shown, page: Page) -> None:
    widget, keyboard = shown(trainer()), page.keyboard
    keyboard.press("Tab")
    page.evaluate("addEventListener('keydown', (event) => event.ctrlKey || (window.lastKey = event.key))")
    keyboard.press("Control+A")
    keyboard.type("short")
    keyboard.press("Tab")
    assert widget.locator(".note").first.inner_text() == "The text must be 200 to 5,000,000 characters long, not 5."
    assert widget.get_by_role("button", name="Open a text").evaluate("node => node === document.activeElement")
    keyboard.press("Shift+Tab")
    keyboard.press("Control+A")
    keyboard.insert_text(EXERCISE)
    keyboard.press("Tab")
    keyboard.press("Tab")
    keyboard.press("ArrowRight")
    assert widget.get_by_role("radiogroup", name="How many units").get_by_role("radio", name="128").is_checked()
    keyboard.press("Tab")
    assert widget.get_by_role("button", name="Train").evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
    keyboard.press("Enter")
    until(page, "running")
    page.evaluate("window.stop()")
    assert page.evaluate("window.lastKey") is None, "in JupyterLab they would reach the notebook"


def test_it_fits_and_can_be_read(shown: Shown, page: Page) -> None:
    dark = "body { background: #14181e } .rnnreport-widget { --pst-color-text-base: #ced6dd; --pst-color-text-muted: "
    dark += "#9ca4af; --pst-color-background: #14181e; --pst-color-danger: #e78894; --pst-color-primary: #42b4f4 }"
    for theme, width in product(("body { background: #fff }", dark), (320, 360, 1000)):
        page.set_viewport_size({"width": width, "height": 900})
        widget = shown(trainer())
        page.add_style_tag(content=theme)
        press(widget, "Train")
        until(page, "running")
        press(widget, "Pause")
        until(page, "paused")
        widget.get_by_role("textbox").fill("x" * 150)
        widget.get_by_role("radiogroup").get_by_role("radio").first.focus()
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = widget.locator("svg text").evaluate_all("nodes => nodes.map(node => node.getBoundingClientRect())")
        assert all(box["left"] >= 0 and box["right"] <= width for box in boxes), "a label is cut off"
        text = ".rnnreport-widget :is(label, button:enabled, text, p, .caption, .note, .written)"
        contrast, element = page.evaluate(CONTRAST, text)
        assert contrast >= 4.5, f"hard to read: {contrast:.1f} {element}"
        page.evaluate("window.stop()")


def test_the_page_gets_the_settings() -> None:
    state = in_page(TextTrainer(temperature=0.5, seed=7))
    wanted = {"text": TEXT, "hidden_size": 128, "temperature": 0.5, "seed": 7, "progress": {}, "weights": ""}
    assert {name: state[name] for name in wanted} == wanted
