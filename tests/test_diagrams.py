"""The diagrams: they can be read, on narrow pages and in both themes, and what they show is so."""

import re
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import Arc, FancyArrowPatch
from matplotlib.path import Path

from rnnreport import figures
from rnnreport.captions import show
from rnnreport.figures import GATED, GUIDE, LSTM, RNN, diagrams

PALINDROME = [4, 9, 3, 0, 3, 0, 3, 9, 4]
DIAGRAMS = {  # what is drawn, of what, and the equations it names
    "palindrome": (diagrams.palindrome, PALINDROME, ""),
    "palindrome, short": (diagrams.palindrome, [1, 2, 3, 2, 1], ""),
    "palindrome, even": (diagrams.palindrome, [1, 2, 3, 4, 4, 3, 2, 1], ""),
    "unrolled": (diagrams.unrolled, 3, "A D E F"),
    "unrolled, short": (diagrams.unrolled, 2, "A D E F"),
    "unrolled, long": (diagrams.unrolled, 6, "A D E F"),
    "LSTM cell": (diagrams.lstm_cell, "t", "4 5 6 7 8 9"),
    "characters": (diagrams.characters, "The␣", ""),
    "gated update": (diagrams.update, 1 / 3, "4 9 12 13 14"),
    "gated update, shut": (diagrams.update, 0.0, "4 9 12 13 14"),
    "gated update, open": (diagrams.update, 1.0, "4 9 12 13 14"),
}
PAGE = 320  # px of a page of 360 px that a figure can have
BACKGROUNDS = {"light": "#ffffff", "dark": "#14181e"}
INVERTED_HUE = np.array([[-0.574, 1.430, 0.144], [0.426, 0.430, 0.144], [0.426, 1.430, -0.856]])  # hue-rotate(180deg)


@pytest.fixture(params=DIAGRAMS)
def diagram(request):
    """A diagram, laid out."""
    draw, rows, _ = DIAGRAMS[request.param]
    figure = draw(rows)
    figures.in_style(FigureCanvasAgg(figure).draw)()
    return figure


def extent(text, pad=1.5):
    """Where a text stands, in px, with a little room around it."""
    return text.get_window_extent().padded(pad)


def test_texts_neither_cover_each_other_nor_leave_the_drawing(diagram):
    extents = {text: extent(text) for text in diagram.axes[0].texts}
    assert len(extents) > 5
    for (one, a), (other, b) in combinations(extents.items(), 2):
        assert not a.overlaps(b), f"{one.get_text()!r} and {other.get_text()!r}"
    for text, found in extents.items():
        assert diagram.bbox.containsx(found.x0), text.get_text()
        assert diagram.bbox.containsx(found.x1), text.get_text()
        assert diagram.bbox.containsy(found.y0), text.get_text()
        assert diagram.bbox.containsy(found.y1), text.get_text()


def test_no_line_goes_through_a_text_and_none_leaves_the_drawing(diagram):
    (ax,) = diagram.axes
    assert len(ax.patches) > 5
    for patch in ax.patches:
        path = patch.get_transform().transform_path(patch.get_path())
        for line in path.to_polygons(closed_only=False):
            crossed = [text for text in ax.texts if Path(line).intersects_bbox(extent(text), filled=False)]
            assert not [text.get_text() for text in crossed]
        box = path.get_extents()
        assert (box.min >= 0).all()
        assert (box.max <= diagram.bbox.max).all()


def test_every_letter_has_nine_pixels_on_a_narrow_page(diagram):
    width = 72 * diagram.get_figwidth()  # points
    for text in diagram.axes[0].texts:
        smallest = 0.7 if re.search(r"\$.*[_^]", text.get_text()) else 1  # Matplotlib's indices
        assert smallest * text.get_fontsize() * PAGE / width >= 9, text.get_text()


@pytest.mark.parametrize("name", [name for name, (*_, equations) in DIAGRAMS.items() if equations])
def test_each_equation_is_named(name):
    draw, rows, equations = DIAGRAMS[name]
    words = " ".join(text.get_text() for text in draw(rows).axes[0].texts)
    assert set(re.findall(r"(?<!\w)\(([A-F]|\d+)\)", words)) == set(equations.split())


@pytest.mark.parametrize("name", DIAGRAMS)
def test_its_alternative_text_says_how_it_is_built(name):
    draw, rows, _ = DIAGRAMS[name]
    (alt,) = re.findall(r'alt="(.*?)"', show("Figure 9.1", draw, rows, "Seen.")._repr_mimebundle_()[0]["text/html"])
    assert alt.startswith("Diagram: ")
    assert alt.endswith(". Seen.")
    assert 80 < len(alt) < 150


def luminance(colour):
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("theme", BACKGROUNDS)
def test_what_is_drawn_stands_out_in_both_themes(diagram, theme):
    ground = luminance(np.array(to_rgb(BACKGROUNDS[theme])))
    (ax,) = diagram.axes
    colours = {to_hex(patch.get_edgecolor()) for patch in ax.patches} | {to_hex(text.get_color()) for text in ax.texts}
    assert {colour.upper() for colour in colours} <= {RNN, LSTM, GATED, GUIDE.upper(), diagrams.FOLLOWED, "#000000"}
    for colour in colours:
        shown = np.array(to_rgb(colour))
        if theme == "dark":  # as the page's style does it
            shown = (INVERTED_HUE @ (1 - shown)).clip(0, 1)
        low, high = sorted([luminance(shown), ground])
        assert (high + 0.05) / (low + 0.05) >= 3, colour


def test_what_is_to_be_followed_is_told_by_more_than_its_colour(diagram):
    arrows = [patch for patch in diagram.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    followed = [arrow for arrow in arrows if to_hex(arrow.get_edgecolor()) == diagrams.FOLLOWED.lower()]
    others = [arrow for arrow in arrows if arrow not in followed]
    looks = {(arrow.get_linewidth(), arrow.get_linestyle()) for arrow in others}
    assert not looks & {(arrow.get_linewidth(), arrow.get_linestyle()) for arrow in followed}


@pytest.mark.parametrize("digits", [[1, 2, 3, 2, 1], [7, 8, 9, 9, 8, 7], PALINDROME])
def test_arcs_join_each_digit_to_the_one_that_it_answers_for(digits):
    (ax,) = diagrams.palindrome(digits).axes
    T = len(digits)
    ends = [(arc.center[0] + sign * arc.width / 2) * T / 10 - 0.5 for arc in ax.patches if isinstance(arc, Arc)
            for sign in (-1, 1)]  # fmt: skip
    assert np.round(ends, 9).tolist() == [end for t in range(T // 2) for end in (t, T - 1 - t)]
    shown = [text.get_text() for text in ax.texts]
    assert [text for text in shown if re.fullmatch(r"\d|\?", text)] == [*map(str, digits[:-1]), "?"]


@pytest.mark.parametrize("T", [2, 3, 5])
def test_each_step_has_its_term_and_the_gradient_crosses_every_state(T):
    (ax,) = diagrams.unrolled(T).axes
    texts = [text.get_text() for text in ax.texts]
    terms = [(int(t), int(before)) for text in texts for t, before in re.findall(r"\((\d)\)\\, h\((\d)\)", text)]
    assert terms == [(t, t - 1) for t in range(1, T + 1)]
    back = [patch for patch in ax.patches if to_hex(patch.get_edgecolor()) == diagrams.FOLLOWED.lower()]
    assert len(back) == 2 * T + 1  # L to p to h(T), to each earlier h(t), and from each to W_hh
    assert sum("\\top} \\delta" in text for text in texts) == T - 1


def test_when_sampling_the_network_reads_what_it_drew():
    (ax,) = diagrams.characters("abcd").axes
    places = {text.get_position(): text.get_text() for text in ax.texts}
    columns = sorted({x for (x, _), text in places.items() if text == "LSTM"})
    bottom, top = (find(y for x, y in places if x == columns[0]) for find in (min, max))
    assert [places[x, bottom] for x in columns] == ["a", "b", "c"]
    assert [places[x, top] for x in columns] == ["b", "c", "d"]


@pytest.mark.parametrize("k", [0.0, 0.25, 1.0])
def test_the_ways_into_the_new_state_are_as_wide_as_their_shares(k):
    (ax,) = diagrams.update(k).axes
    widths = [patch.get_linewidth() for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    plain = min(widths, key=lambda width: (-widths.count(width), width))
    assert [width - 1 for width in widths if width != plain] == pytest.approx([5 * (1 - k), 5 * k])
    texts = [text.get_text() for text in ax.texts]
    assert f"$1-k = {1 - k:.2f}$" in texts
    assert f"$k = {k:.2f}$" in texts
