"""The character writer: its network and draws in node, held against the library's, and how it writes in a browser."""

from __future__ import annotations

import base64
import json
import math
import re
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from conftest import CONTRAST, ROOT, Shown, in_node, in_page, require, settle
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from traitlets import TraitError

from rnnreport import vendor
from rnnreport.models import CharLSTM
from rnnreport.sampling import probabilities
from rnnreport.shown import visible
from rnnreport.training import load_weights
from rnnreport.widgets.character_writer import CharacterWriter, Format, float24, pack
from rnnreport.widgets.page import module

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

VOCABULARY = "\n !.aehilnorst<>=/"
SAYS = "the rest is noise\n"


# The page computes in float32: of sums of some hundred products the last bits depend on the order of adding.
FLOAT32 = 1e-4


class Reading:
    """The page's module, and a function that reads symbols with it, from a state of zeros, after others."""

    _esm = f"""{CharacterWriter._esm}
export function logitsAlong(arithmetic, packed, characters, symbols, before = []) {{
  const {{ make, name }} = arithmetic === "plain JavaScript" ? chosenKernels("") : chosenKernels();
  if (name !== arithmetic) throw new Error(`kernels are ${{name}}`);
  const network = writer(make, {{ V: characters, H: packed.units, L: packed.layers }});
  network.load(unpack(packed, characters));
  for (const symbol of before) network.read(symbol);
  network.reset();
  return symbols.map((symbol) => (network.read(symbol), [...network.logits]));
}}
export const surprises = (logits) => logits.map((_, symbol) => surprise(logits, symbol));"""


@pytest.fixture(scope="module", params=["WebAssembly", "plain JavaScript"])
def arithmetic(request: pytest.FixtureRequest) -> str:
    if request.param == "WebAssembly":
        require(vendor.compiled(), "the page's kernels are not compiled here")
    return request.param


def model(units: int = 7, layers: int = 2, characters: int = len(VOCABULARY), **options: Any) -> CharLSTM:
    """Weights large enough for the gates to move."""
    torch.manual_seed(units)
    drawn = CharLSTM(characters, units, layers, **options)
    for weight in drawn.parameters():
        torch.nn.init.normal_(weight, std=2 * units**-0.5)
    return drawn


def in_javascript(
    node: list[str], arithmetic: str, model: CharLSTM, symbols: list[int], format: Format = "float24", *before: int
) -> np.ndarray:
    """The page's logits after each symbol, (T, V)."""
    characters = model.lstm.input_size
    packed = pack("it", model, characters, format)
    return np.array(in_node(node, Reading, "logitsAlong", [[arithmetic, packed, characters, symbols, before]])[0])


def in_torch(model: CharLSTM, symbols: list[int]) -> np.ndarray:
    with torch.no_grad():
        return model.run(torch.tensor(symbols)[:, None])[0][:, 0].numpy()


def drawn(characters: int, length: int) -> list[int]:
    return np.random.default_rng(0).integers(characters, size=length).tolist()


# The network


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(
    ("units", "layers", "characters"), [(1, 1, 18), (3, 2, 18), (7, 2, 1), (8, 1, 18), (33, 1, 32), (13, 2, 65)]
)
def test_the_page_s_network_is_torch_s(
    node: list[str], arithmetic: str, units: int, layers: int, characters: int, tied: bool
) -> None:
    network, symbols = model(units, layers, characters, tied=tied), drawn(characters, 50)
    expected = in_torch(CharacterWriter.rounded(network).double(), symbols)
    found = in_javascript(node, arithmetic, network, symbols)
    np.testing.assert_allclose(found, expected, rtol=0, atol=FLOAT32)


def test_a_reset_forgets_all_that_was_read(node: list[str], arithmetic: str) -> None:
    network, symbols = model(), drawn(len(VOCABULARY), 5)
    once, again = (in_javascript(node, arithmetic, network, symbols, "float32", *before) for before in ([], [3, 1, 2]))
    assert (once == again).all()


@pytest.mark.parametrize("tied", [False, True])
def test_float32_weights_give_torch_s_logits(node: list[str], arithmetic: str, tied: bool) -> None:
    """Of a network as large as a page takes, along 500 characters with the state carried on."""
    network, symbols = model(128, characters=200, tied=tied).eval(), drawn(200, 500)
    found = in_javascript(node, arithmetic, network, symbols, "float32")
    np.testing.assert_allclose(found, in_torch(network, symbols), rtol=0, atol=FLOAT32)


@pytest.mark.parametrize(
    ("file", "size"),
    [
        ("text-500k/weights-2000.safetensors", {}),
        ("text-500k/weights-50000.safetensors", {}),
        ("text-500k/weights-500000.safetensors", {}),
        ("text-short/weights-20000.safetensors", {"hidden_size": 204, "num_layers": 1}),
    ],
)
def test_the_recorded_networks_hardly_change_by_rounding(
    node: list[str], arithmetic: str, file: str, size: dict[str, int]
) -> None:
    """The page against the weights as they are, along 500 characters with the state carried on.

    That the page adds no more to the rounding of weights than float32 does shows against the rounded network. Its
    logits reach 147, where the last bit of a float32 is worth 1.5e-5. In base64 one is under 1 MB.
    """
    path = ROOT / "data" / file
    with safe_open(path, "pt") as opened:
        vocabulary = json.loads(opened.metadata()["vocabulary"])
    network = CharLSTM(len(vocabulary), **size)
    load_weights(network, path, {"vocabulary": vocabulary})
    sentence = "The people of the United States are governed not by laws alone, but by the opinions which they hold;\n"
    symbols = [vocabulary.index(character) for character in (5 * sentence)[:500]]
    found = in_javascript(node, arithmetic, network, symbols)
    rounded = in_torch(CharacterWriter.rounded(network).double(), symbols)
    np.testing.assert_allclose(found, rounded, rtol=0, atol=FLOAT32)
    np.testing.assert_allclose(found, in_torch(network, symbols), rtol=0, atol=1e-2)
    assert len(pack("it", network, len(vocabulary))["weights"]) < 1e6


@given(st.floats(-(2.0**126), 2.0**126, width=32))
def test_float24_is_the_nearest_that_has_15_bits(number: float) -> None:
    (found,) = float24(np.array([number]))
    assert found.view(np.uint32) & 0xFF == 0
    assert abs(float(found) - number) <= max(abs(number) * 2**-16, 2**7 * 2**-149)  # half of the last bit's worth
    assert np.signbit(found) == np.signbit(number)


class Decoding:
    """What a page reads of the numbers that come with it; JSON knows no infinity and no NaN, so as words."""

    _esm = f"{module('weights.js')}\nexport const read = (...given) => [...decode(...given)].map(String);"


def test_numbers_are_read_as_python_has_packed_them(node: list[str]) -> None:
    sixteen = np.arange(2**16, dtype="<u2")  # every float16 and every int16
    numbers = np.float32([0.0, 1.0, -2.5, 3e-39, 1e30, math.inf])
    wanted = {
        "int16": (sixteen.tobytes(), sixteen.view("<i2")),
        "float16": (sixteen.tobytes(), sixteen.view("<f2")),
        "float32": (numbers.tobytes(), numbers),
        "float24": (
            numbers.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes(),
            (numbers.view("<u4") & 0xFFFFFF00).view("<f4"),
        ),
    }
    asked = [[base64.b64encode(packed).decode(), name] for name, (packed, _) in wanted.items()]
    for found, (_, values) in zip(in_node(node, Decoding, "read", asked), wanted.values(), strict=True):
        np.testing.assert_array_equal([float(word) for word in found], values.astype(float))


def test_rounding_leaves_the_model_as_it_is() -> None:
    network = model(5, tied=True).double()
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    rounded = CharacterWriter.rounded(network)
    assert rounded.head.weight.dtype == torch.float64
    for ours, exact in (
        (rounded.head.weight, network.head.weight),
        (rounded.lstm.weights(0)[0], network.lstm.weights(0)[0]),
    ):
        assert not torch.equal(ours, exact)
        assert torch.equal(ours, torch.from_numpy(float24(exact.detach().numpy())).double())
        torch.testing.assert_close(ours, exact, rtol=2**-16, atol=0)
    assert all(torch.equal(weight, before[name]) for name, weight in network.state_dict().items())


def test_each_layer_reads_the_one_below(node: list[str], arithmetic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three, more than a page takes: with two, the second would read the lowest all the same."""
    monkeypatch.setattr("rnnreport.widgets.character_writer.MAX_LAYERS", 3)
    network, symbols = model(layers=3), drawn(len(VOCABULARY), 30)
    found = in_javascript(node, arithmetic, network, symbols, "float32")
    np.testing.assert_allclose(found, in_torch(network, symbols), rtol=0, atol=FLOAT32)


def test_loading_weights_leaves_the_state_alone(node: list[str]) -> None:
    class Reloading:
        _esm = f"""{CharacterWriter._esm}
export function logitsBefore(packed, characters, symbols, isReloaded) {{
  const network = writer(chosenKernels("").make, {{ V: characters, H: packed.units, L: packed.layers }});
  for (const [place, symbol] of symbols.entries()) {{
    if (!place || isReloaded) network.load(unpack(packed, characters));
    network.read(symbol);
  }}
  return [...network.logits];
}}"""

    network, symbols, V = model(), drawn(len(VOCABULARY), 5), len(VOCABULARY)
    packed = pack("it", network, V, "float32")
    once, again = in_node(node, Reloading, "logitsBefore", [[packed, V, symbols, isIt] for isIt in (False, True)])
    np.testing.assert_allclose(once, in_torch(network, symbols)[-1], rtol=0, atol=FLOAT32)
    assert again == once


# What is drawn


def shares(node: list[str], cases: list[tuple[list[float], float, int]]) -> list[list[float]]:
    return in_node(node, CharacterWriter, "distribution", [list(case) for case in cases])


LOGITS = (3 * np.random.default_rng(1).normal(size=79)).tolist()


def test_the_distribution_is_the_library_s(node: list[str]) -> None:
    tied = [round(logit) for logit in LOGITS]
    cases = list(product((LOGITS, tied), (0.05, 0.5, 1.0, 2.0, 10.0), (0, 1, 3, 30, 79)))
    for (logits, temperature, top_k), found in zip(cases, shares(node, cases), strict=True):
        expected = probabilities(torch.tensor(logits, dtype=torch.float64), temperature, top_k)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_the_surprise_is_minus_the_logarithm_of_the_share(node: list[str]) -> None:
    (found,) = in_node(node, Reading, "surprises", [[LOGITS]])
    expected = -torch.tensor(LOGITS, dtype=torch.float64).log_softmax(0) / math.log(2)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert in_node(node, Reading, "surprises", [[[1000.0, -1000.0]]]) == [[0, pytest.approx(2000 / math.log(2))]]


def test_the_ends_of_temperature(node: list[str]) -> None:
    """Greedy at 0, and nearly uniform where it is large."""
    greedy, nearly, flat = shares(node, [(LOGITS, 0, 0), (LOGITS, 1e-300, 0), (LOGITS, 1e9, 0)])
    assert greedy == nearly == np.eye(79)[np.argmax(LOGITS)].tolist()
    np.testing.assert_allclose(flat, np.full(79, 1 / 79), rtol=1e-7)
    (tie,) = shares(node, [([1.0, 4.0, 4.0, 0.0], 0, 0)])
    assert tie == [0, 1, 0, 0], "the first of the likeliest, as argmax"


@given(
    st.lists(st.sampled_from([-2.0, 0.0, 0.5, 3.0]), min_size=1, max_size=12),
    st.floats(0, 10),
    st.integers(0, 12),
)
@settings(max_examples=30)
def test_top_k_keeps_k_of_the_largest(node: list[str], logits: list[float], temperature: float, k: int) -> None:
    k = min(k, len(logits))
    (found,) = shares(node, [(logits, max(temperature, 0.1), k)])
    assert math.isclose(sum(found), 1, rel_tol=1e-12)
    kept = [symbol for symbol, share in enumerate(found) if share > 0]
    order = sorted(range(len(logits)), key=lambda symbol: -logits[symbol])  # of equal ones the first come first
    assert kept == sorted(order[: k or len(logits)])


def test_more_of_the_largest_than_there_are_is_all_of_them(node: list[str]) -> None:
    whole, same, more = shares(node, [(LOGITS, 0.7, top_k) for top_k in (0, 79, 80)])
    assert whole == same == more


def test_the_choice_follows_the_distribution(node: list[str]) -> None:
    p = [0.0, 0.5, 0.0, 0.2, 0.3, 0.0]
    u = (np.arange(1000) + 1) / 1000
    found = in_node(node, CharacterWriter, "choose", [[p, value] for value in u.tolist()])
    assert np.bincount(found, minlength=6).tolist() == [0, 500, 0, 200, 300, 0]
    edges = [0.5, 0.5 + 1e-12, 1.0, 1e-300]
    assert in_node(node, CharacterWriter, "choose", [[p, value] for value in edges]) == [1, 3, 4, 1]
    short = [0.5, 0.4999999, 0.0]  # rounding kept the sum below u
    assert in_node(node, CharacterWriter, "choose", [[short, 1.0]]) == [1]


def test_the_random_numbers_are_seeded_and_uniform(node: list[str]) -> None:
    class Drawing:
        _esm = f"""{CharacterWriter._esm}
export const drawn = (seed, length) => Float64Array.from({{ length }}, generator(seed));"""

    one, same, other, last = np.array(in_node(node, Drawing, "drawn", [[seed, 20000] for seed in (0, 0, 1, 2**32 - 1)]))
    assert (one == same).all()
    for numbers in (one, other, last):
        assert (numbers > 0).all()
        assert (numbers <= 1).all()
        assert abs(np.histogram(numbers, 10, (0, 1))[0] - 2000).max() < 200, "five standard deviations"
        assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.04
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.04


# What is said


@pytest.mark.parametrize(
    ("typed", "prompt", "note"),
    [
        ("the hen", "the hen", ""),
        ("the\nhen", "the\nhen", ""),
        ("tée\t✗é", "te", "The network leaves out what it does not know: “é”, tab, “✗”."),
        (
            "🙂",
            "",
            "The network leaves out what it does not know: “🙂”. Type at least one character that the network knows.",
        ),
        (
            "αβγδεζηθικλμνξα",
            "",
            "The network leaves out what it does not know: "
            "“α”, “β”, “γ”, “δ”, “ε”, “ζ”, “η”, “θ”, “ι”, “κ”, “λ”, “μ”, 2 more. "
            "Type at least one character that the network knows.",
        ),
        ("", "", "Type at least one character that the network knows."),
        ("a" * 501, "a" * 500, "At most 500 characters are read; the rest was left out."),
    ],
)
def test_what_is_typed_becomes_a_prompt(node: list[str], typed: str, prompt: str, note: str) -> None:
    assert in_node(node, CharacterWriter, "cleaned", [[typed, list(VOCABULARY)]]) == [{"prompt": prompt, "note": note}]


def test_a_surprise_has_a_level_from_none_to_that_of_eight_bits(node: list[str]) -> None:
    bits = [0, 0.4, 1, 4, 8, 30]
    assert in_node(node, CharacterWriter, "level", [[each] for each in bits]) == [0, 0, 1, 4, 8, 8]


def test_the_likeliest_and_the_others(node: list[str]) -> None:
    p = [0.001] * 13 + [0.5, 0.487, 0.0]
    q = [0.99992, 0.00005, 0.00003, 0.0]
    many, few = in_node(node, CharacterWriter, "ranked", [[p, list("abcdefghijklmno ")], [q, list("abcd")]])
    assert many["first"] == [["n", 0.5], ["o", 0.487], *[[letter, 0.001] for letter in "abcdefghij"]]
    assert (many["others"], few["others"]) == (3, 2)
    assert (many["share"], few["share"]) == pytest.approx((0.003, 0.00008))
    assert few["first"] == [["a", 0.99992]]


def test_the_sentence_says_what_was_written_and_what_comes_next(node: list[str]) -> None:
    first = [["\n", 0.9951], [" ", 0.0042], ["e", 0.00001], ["x", 0.000001]]
    cases = [
        ["500,000 steps", {"read": 14, "written": 12345, "mean": 1.25, "most": [" ", 11]}, {"first": first}],
        ["it", {"read": 1, "written": 0}, {"first": [["e", 1]]}],
    ]
    assert in_node(node, CharacterWriter, "describe", cases) == [
        "500,000 steps: 14 characters read, 12,345 written. Surprise: 1.3 bits a character, at most 11.0, of space. "
        "Next: newline (over 99%), space (0.42%), “e” (under 0.01%).",
        "it: 1 character read, 0 written. Next: “e” (100%).",
    ]


# The Python half


def writer(**options: Any) -> CharacterWriter:
    models = {"early": model(5), "late": model(8, 1, tied=True)}
    return CharacterWriter(models, VOCABULARY, **{"prompt": "the ", **options})


def test_the_page_gets_the_models() -> None:
    state = in_page(writer(words={"late": "all of it"}, temperature=0.5, top_k=3, seed=7))
    wanted = {
        "prompt": "the ",
        "temperature": 0.5,
        "top_k": 3,
        "checkpoint": "late",
        "seed": 7,
        "vocabulary": VOCABULARY,
    }
    assert {name: state[name] for name in wanted} == wanted
    parts = ("name", "units", "layers", "words", "format")
    assert [tuple(entry[part] for part in parts) for entry in state["models"]] == [
        ("early", 5, 2, "", "float24"),
        ("late", 8, 1, "all of it", "float24"),
    ]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("prompt", "é<b>", "prompt must hold characters of the vocabulary only, not 'b', 'é'."),
        (
            "prompt",
            "".join(map(chr, range(0x4E00, 0x4E00 + 499))),
            "prompt must hold characters of the vocabulary only, not "
            f"{', '.join(repr(chr(0x4E00 + place)) for place in range(12))} and 487 more.",
        ),
        ("prompt", "", "prompt must be 1 to 500 characters long, not 0."),
        ("prompt", "a" * 501, "prompt must be 1 to 500 characters long, not 501."),
        *[
            ("temperature", value, f"temperature must be a finite number >= 0 and <= 10, not {value!r}.")
            for value in (-0.1, 10.5, math.nan, math.inf)
        ],
        *[("top_k", value, f"top_k must be an integer from 0 (all) to 18, not {value}.") for value in (-1, 19)],
        ("checkpoint", "mid", "checkpoint must be one of early, late, not 'mid'."),
        ("checkpoint", "", "checkpoint must be one of early, late, not ''."),
        ("beside", "mid", "beside must be one of early, late or \"\", not 'mid'."),
        *[("seed", value, f"seed must be an integer from 0 to 4294967295, not {value}.") for value in (-1, 2**32)],
    ],
)
def test_what_cannot_be_written_with_is_one_clear_sentence(name: str, value: Any, says: str) -> None:
    widget = writer()
    before = getattr(widget, name)
    for attempt in (lambda: setattr(widget, name, value), lambda: writer(**{name: value})):
        with pytest.raises(TraitError) as refused:
            attempt()
        assert str(refused.value) == says
    assert getattr(widget, name) == before


def test_the_ends_of_what_is_allowed() -> None:
    widget = writer(temperature=0, top_k=18, seed=2**32 - 1, prompt="a" * 500, checkpoint="early")
    widget.set_state({"temperature": 10, "top_k": 0, "seed": 0, "prompt": "\n", "checkpoint": "late"})
    assert (widget.temperature, widget.top_k, widget.seed, widget.prompt, widget.checkpoint) == (10, 0, 0, "\n", "late")


def changed(weight: str, value: float) -> CharLSTM:
    network = model(3)
    with torch.no_grad():
        network.get_parameter(weight).view(-1)[1] = value
    return network


def test_a_model_that_the_page_cannot_run_is_refused() -> None:
    for network, says in (
        (torch.nn.Linear(2, 2), r"^it must be a CharLSTM, not Linear\.$"),
        (model(257), r"^it must have at most 256 units and 2 layers here, not 257 and 2\.$"),
        (model(4, 3), r"^it must have at most 256 units and 2 layers here, not 4 and 3\.$"),
        (model(3, characters=16), r"^it must know the vocabulary's 18 characters, not 16\.$"),
        (changed("head.weight", math.nan), r"^output weights of it must hold finite numbers only\.$"),
        (
            changed("lstm.bias_l1", -3e38),
            r"^bias of layer 1 of it must hold numbers within ±1\.7e\+38, the range of float24\.$",
        ),
    ):
        with pytest.raises(TraitError, match=says):
            CharacterWriter({"it": network}, VOCABULARY, "a")  # type: ignore[dict-item]
    with pytest.raises(TraitError, match=r"^models must hold at least one model\.$"):
        CharacterWriter({}, VOCABULARY, "a")
    with pytest.raises(TraitError, match=r"^words must be of it, not of LSTM\.$"):
        CharacterWriter({"it": model()}, VOCABULARY, "a", words={"LSTM": "two layers"})
    for vocabulary in ("", "aba", "".join(map(chr, range(1000, 1201)))):
        with pytest.raises(TraitError, match=r"^vocabulary must be 1 to 200 different characters, not '.{,130}$"):
            CharacterWriter({"it": model()}, vocabulary, "a")


def test_a_character_without_a_sign_gets_the_one_that_python_gives(node: list[str]) -> None:
    hidden = [character for character in map(chr, range(0x30000)) if visible(character) != character]
    characters = [*hidden, *"aé|<💥", "\u200d", "\U0010ffff"]
    texts = [f"a{character}b" for character in characters if not 0xD800 <= ord(character) < 0xE000]
    assert in_node(node, CharacterWriter, "visible", [[text] for text in texts]) == list(map(visible, texts))


# In a browser


def sure(text: str, share: float = 0.9) -> CharLSTM:
    """A model that holds each character to be followed by the one that follows it in the text, with that share."""
    units = len(VOCABULARY)
    network = CharLSTM(units, units, 1)
    weight_ih, weight_hh, bias = network.lstm.weights(0)
    with torch.no_grad():
        for weight in (weight_ih, weight_hh, bias, network.head.weight, network.head.bias):
            weight.zero_()
        i, f, g, o = weight_ih.view(4, units, units)
        i.fill_(20), f.fill_(-20), g.copy_(40 * torch.eye(units)), o.fill_(20)
        odds = math.log(share * (units - 1) / (1 - share)) / math.tanh(1)
        for now, after in zip(text, text[1:] + text[0]):
            network.head.weight[VOCABULARY.index(after), VOCABULARY.index(now)] = odds
    return network


def shown_text(widget: Locator) -> str:
    return widget.locator(".written").first.evaluate("node => node.textContent").replace("⏎\n", "\n")


def bars(widget: Locator) -> str:
    return widget.get_by_role("img").first.get_attribute("aria-label") or ""


def networks(widget: Locator) -> Locator:
    return widget.get_by_role("radiogroup", name="Which network writes")


def press(widget: Locator, name: str) -> None:
    widget.get_by_role("button", name=name).click()


def test_it_writes_pauses_and_starts_again(stopped: Shown, page: Page) -> None:
    widget = stopped(writer())
    says = widget.get_by_role("status")
    assert shown_text(widget) == "the "
    assert widget.locator(".written strong").inner_text() == "the "
    press(widget, "Write")
    page.clock.run_for(2000)
    assert says.get_attribute("aria-live") == "off", "characters are not read out one by one"
    assert says.inner_text() == "late: writing …"
    press(widget, "Pause")
    assert says.get_attribute("aria-live") is None
    text = shown_text(widget)
    assert text.startswith("the ")
    assert 49 <= len(text) - 4 <= 51, "25 characters a second"
    assert says.inner_text().startswith(f"late: 4 characters read, {len(text) - 4} written. Surprise: ")
    page.clock.run_for(1000)
    assert shown_text(widget) == text
    press(widget, "Step")
    assert len(shown_text(widget)) == len(text) + 1
    press(widget, "Start again")
    assert shown_text(widget) == "the "
    for _ in range(12):
        press(widget, "Step")
    assert shown_text(widget) == text[:16], "the same seed writes the same text"
    press(widget, "New draw")
    assert widget.get_by_text("seed 1", exact=True).is_visible()
    for _ in range(12):
        press(widget, "Step")
    assert shown_text(widget) != text[:16]
    press(widget, "Write")
    page.evaluate("window.stop()")
    text = shown_text(widget)
    page.clock.run_for(1000)
    assert shown_text(widget) == text, "what is gone from the page writes no more"


def test_the_text_is_the_model_s(shown: Shown) -> None:
    widget = shown(CharacterWriter({"it": sure(SAYS[:4])}, VOCABULARY, "t", temperature=0))
    for _ in range(9):
        press(widget, "Step")
    assert shown_text(widget) == "the the th"
    assert bars(widget) == "The next character: “e” 100%."
    assert widget.get_by_role("radiogroup", name="Which network writes").count() == 0, "there is one only"


def test_the_bars_follow_temperature_and_top_k_at_once(shown: Shown) -> None:
    widget = shown(CharacterWriter({"it": sure(SAYS[:4])}, VOCABULARY, "t"))
    assert bars(widget).startswith("The next character: “h” 90%, ")
    temperature = widget.get_by_role("slider", name="temperature")
    temperature.press("End")
    assert bars(widget).startswith("The next character: “h” 42%, ")
    assert "; 6 others together " in bars(widget)
    widget.get_by_role("radiogroup", name="How many of the likeliest").get_by_role("radio", name="3").check()
    assert len(re.findall("%", bars(widget))) == 3
    assert "others" not in bars(widget)
    assert widget.locator("svg path").count() == 3
    temperature.press("Home")
    assert bars(widget) == "The next character: “h” 100%."
    press(widget, "Reset")
    assert bars(widget).startswith("The next character: “h” 90%, ")


def test_another_network_reads_the_text_so_far(shown: Shown, page: Page) -> None:
    models = {"the": sure("the ", 0.99), "rest": sure("tres", 0.99)}
    widget = shown(CharacterWriter(models, VOCABULARY, "t", 0.0, checkpoint="the", words={"rest": "says rest"}))
    for _ in range(4):
        press(widget, "Step")
    assert bars(widget) == "The next character: “h” 100%."
    networks(widget).get_by_role("radio", name="rest").check()
    assert shown_text(widget) == "the t"
    assert bars(widget) == "The next character: “r” 100%."
    assert widget.get_by_text("says rest").is_visible()
    assert widget.locator(".heading b").first.inner_text() == "rest"
    for _ in range(4):
        press(widget, "Step")
    assert shown_text(widget) == "the trest"
    assert widget.get_by_role("status").inner_text().startswith("rest: 1 character read, 8 written. ")
    assert page.evaluate("window.saved.checkpoint") == "rest"
    press(widget, "Reset")
    assert (shown_text(widget), networks(widget).get_by_role("radio", name="the").is_checked()) == ("t", True)


def test_the_ground_of_a_character_says_how_unlikely_the_network_held_it(shown: Shown) -> None:
    models = {"the": sure("the ", 0.999), "het": sure("het", 0.999)}
    widget = shown(CharacterWriter(models, VOCABULARY, "thet", 0.0, checkpoint="the"))
    press(widget, "Step")

    def runs() -> list[list[str]]:
        spans = "nodes => nodes.map(node => [node.textContent, node.style.background, node.title])"
        return widget.locator(".written span span, .written strong span").evaluate_all(spans)

    none, most = "surprise: 0 bits", "surprise: 8 bits or more"
    assert runs() == [["the", "", none], ["t", "rgba(213, 94, 0, 0.65)", most], ["h", "", none]]
    drawn = widget.locator(".written span span, .written strong span").evaluate_all(
        "nodes => nodes.map(node => getComputedStyle(node).textDecorationLine)"
    )
    assert drawn == ["none", "underline", "none"], "not by colour alone"
    assert widget.locator(".sample").all_inner_texts() == ["0", "2", "4", "6", "8 or more"]
    networks(widget).get_by_role("radio", name="het").check()
    assert runs() == [["thet", "", none], ["h", "", none]], "another network has other surprises"


def test_the_surprises_of_what_was_written_are_said(shown: Shown) -> None:
    widget = shown(CharacterWriter({"it": sure("the ", 0.99)}, VOCABULARY, "t", 0.0))
    assert "Surprise" not in widget.get_by_role("status").inner_text(), "nothing is written"
    for _ in range(4):
        press(widget, "Step")
    cost = f"{-math.log2(0.99):.1f}"
    says = f"it: 1 character read, 4 written. Surprise: {cost} bits a character, at most {cost}, of "
    assert widget.get_by_role("status").inner_text().startswith(says)


def test_two_networks_write_side_by_side_from_the_same_draws(shown: Shown, page: Page) -> None:
    """Narrow, they stand above each other; the same network writes the same."""
    widget = shown(writer(beside="early"))
    texts, boxes = widget.locator(".written"), lambda: [box.bounding_box() for box in widget.locator(".network").all()]

    def steps(count: int) -> list[str]:
        for _ in range(count):
            press(widget, "Step")
        return [text.text_content() for text in texts.all()]

    late, early = steps(6)
    assert late != early
    assert re.match(r"late: 4 .* 6 written\. .* early: 4 .* 6 written\. ", widget.get_by_role("status").inner_text())
    left, right = boxes()
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    page.set_viewport_size({"width": 360, "height": 900})
    settle(page)
    upper, lower = boxes()
    assert upper["y"] + upper["height"] <= lower["y"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360

    beside = widget.get_by_role("radiogroup", name="Beside it")
    beside.get_by_role("radio", name="late").check()
    assert texts.nth(1).text_content() == early, "another network reads the text so far"
    press(widget, "Start again")
    assert len(set(steps(6))) == 1
    beside.get_by_role("radio", name="none").check()
    assert texts.count() == 1
    assert page.evaluate("window.saved.beside") == ""
    assert len(steps(1)[0]) == len(late) + 1
    beside.get_by_role("radio", name="early").check()
    assert [text.text_content() for text in texts.all()] == ["the ", "the "], "a second network starts both again"
    assert steps(6) == [late, early]


@pytest.mark.parametrize("html", ["<img src=x onerror=broken=1>", "</strong><script>broken=1</script>"])
def test_what_is_typed_stays_text(shown: Shown, page: Page, html: str) -> None:
    widget = shown(writer())
    before, field = widget.locator("*").count(), widget.get_by_role("textbox", name="prompt")
    field.fill(html)
    assert field.input_value() == html
    known = "".join(character for character in html if character in VOCABULARY)
    assert shown_text(widget) == known
    assert widget.locator(".note").inner_text().startswith("The network leaves out what it does not know: “")
    assert page.evaluate("window.saved.prompt") == known
    press(widget, "Step")
    assert (widget.locator("img, script").count(), page.evaluate("window.broken")) == (0, None)
    field.fill("éé")
    assert widget.locator(".note").inner_text() == (
        "The network leaves out what it does not know: “é”. Type at least one character that the network knows."
    )
    assert shown_text(widget)[: len(known)] == known, "what was read last still stands"
    press(widget, "Reset")
    assert (field.input_value(), shown_text(widget), widget.locator(".note").inner_text()) == ("the ", "the ", "")
    assert widget.locator("*").count() == before


def test_by_keyboard_alone(shown: Shown, page: Page) -> None:
    widget, keyboard = shown(CharacterWriter({"a": sure("the "), "b": sure("tres")}, VOCABULARY, "t")), page.keyboard
    keyboard.press("Tab")
    page.evaluate("addEventListener('keydown', (event) => (window.lastKey = event.key))")
    keyboard.press("Shift+Home")
    keyboard.type("no\nt")
    assert shown_text(widget) == "no\nt"
    keyboard.press("Tab")
    keyboard.press("Home")
    assert widget.get_by_role("slider").get_attribute("aria-valuetext") == "0"
    for group, name in (("How many", "3"), ("How fast", "fast"), ("Which", "a"), ("Beside", "a")):
        keyboard.press("Tab")
        keyboard.press("ArrowLeft" if group == "Which" else "ArrowRight")
        assert widget.get_by_role("radiogroup", name=group).get_by_role("radio", name=name).is_checked()
    keyboard.press("Tab")
    assert widget.get_by_role("button", name="Write").evaluate("node => node === document.activeElement")
    assert widget.get_by_role("button", name="Write").evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
    keyboard.press("Tab")
    for _ in range(4):
        keyboard.press("Enter")
    assert shown_text(widget) == "no\nthe t"
    for _ in range(4):
        keyboard.press("Tab")
    assert widget.get_by_role("group", name="The text of a").first.evaluate("node => node === document.activeElement")
    assert page.evaluate("window.lastKey") is None, "in JupyterLab they would reach the notebook"


def test_writing_fast_keeps_the_end_of_the_text(shown: Shown, page: Page) -> None:
    widget = shown(CharacterWriter({"it": sure("the ")}, VOCABULARY, "t", temperature=0))
    widget.get_by_role("radio", name="fast").check()
    press(widget, "Write")
    page.wait_for_function("document.querySelector('.written strong').textContent === ''")
    press(widget, "Pause")
    counts = re.search(r"1 character read, ([\d,]+) written", widget.get_by_role("status").inner_text())
    assert counts
    written = int(counts[1].replace(",", ""))
    assert written >= 2000
    assert shown_text(widget) == ("the " * (written // 4 + 1))[: written + 1][-2000:]
    box = widget.locator(".written")
    assert box.evaluate("node => node.scrollHeight - node.scrollTop - node.clientHeight") < 8, "its end is in sight"
    box.evaluate("node => (node.scrollTop = 0)")
    press(widget, "Step")
    assert box.evaluate("node => node.scrollTop") == 0, "who reads further up is left there"


def test_with_less_motion_the_picture_seldom_moves(stopped: Shown, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    widget = stopped(writer())
    press(widget, "Write")
    page.clock.run_for(1000)
    assert shown_text(widget) == "the "
    page.clock.run_for(1000)
    assert len(shown_text(widget)) > 24


def test_it_fits_and_can_be_read(shown: Shown, page: Page) -> None:
    dark = "body { background: #14181e } .rnnreport-widget { --pst-color-text-base: #ced6dd; --pst-color-text-muted: "
    dark += "#9ca4af; --pst-color-background: #14181e; --pst-color-danger: #e78894 }"
    for theme, width in product(("body { background: #fff }", dark), (320, 360, 1000)):
        page.set_viewport_size({"width": width, "height": 900})
        widget = shown(writer(temperature=2, words={"late": "what is said of it"}, beside="early"))
        page.add_style_tag(content=theme)
        widget.get_by_role("textbox").fill("the hen\n" + "ar" * 100 + "é")
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = widget.locator("svg text").evaluate_all("nodes => nodes.map(node => node.getBoundingClientRect())")
        assert all(box["left"] >= 0 and box["right"] <= width for box in boxes), "a label is cut off"
        text = ".rnnreport-widget :is(label, button, text, p, .caption, .note, .written, .sample)"
        contrast, element = page.evaluate(CONTRAST, text)
        assert contrast >= 4.5, f"hard to read: {contrast:.1f} {element}"


def test_the_labels_of_many_characters_fit(shown: Shown, page: Page) -> None:
    vocabulary = "".join(map(chr, range(0x100, 0x100 + 200)))
    widget = shown(CharacterWriter({"it": model(3, characters=200)}, vocabulary, vocabulary[:2]))
    assert "188 others" in widget.locator("svg").inner_html()
    drawing = widget.locator("svg").bounding_box()
    boxes = widget.locator("svg text").evaluate_all("nodes => nodes.map(node => node.getBoundingClientRect())")
    assert len(boxes) > 20
    right = drawing["x"] + drawing["width"]
    assert all(box["left"] >= drawing["x"] and box["right"] <= right for box in boxes), "a label is cut off"


def test_without_webassembly_it_writes_in_plain_javascript_and_says_so(shown: Shown, page: Page) -> None:
    widget = shown(writer())
    fast = "in this page. " if vendor.compiled() else "in plain JavaScript"
    assert fast in widget.locator(".key").last.inner_text()
    page.evaluate("delete window.WebAssembly")
    widget = shown(CharacterWriter({"it": sure(SAYS[:4])}, VOCABULARY, "t", temperature=0))
    assert "The networks run in this page, in plain JavaScript, about ten times slower. " in widget.inner_text()
    for _ in range(9):
        press(widget, "Step")
    assert shown_text(widget) == "the the th"
