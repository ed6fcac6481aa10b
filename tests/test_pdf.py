"""The printed book: two chapters and the ledger of the quick site, in one file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pypdf import PdfReader

from rnnreport import build, cli, pdf
from rnnreport.site import BuildError

NAMES = ["book/index", "book/01_gradients", "book/05_claims"]


@pytest.fixture(scope="module")
def file(chromium: Path, site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("printed") / "book.pdf"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pdf, "_names", lambda: NAMES)
        pdf.write(site, file, chromium)
    return file


@pytest.fixture(scope="module")
def book(file: Path) -> PdfReader:
    return PdfReader(file)


@pytest.fixture(scope="module")
def sheets(book: PdfReader) -> list[str]:
    """The text of each sheet, with any white space as one space: lines break anywhere on paper."""
    return [" ".join(sheet.extract_text().split()) for sheet in book.pages]


@pytest.fixture(scope="module")
def outline(book: PdfReader) -> list[tuple[int, int, str]]:
    """The bookmarks: level, sheet and title."""

    def flat(items: list[object], level: int = 0) -> list[tuple[int, int, str]]:
        found = []
        for item in items:
            if isinstance(item, list):
                found += flat(item, level + 1)
            else:
                found.append((level, book.get_destination_page_number(item), item.title))  # type: ignore[arg-type, attr-defined]
        return found

    return flat(book.outline)


def targets(book: PdfReader, sheet: int) -> list[int]:
    """The sheets that the links of a sheet lead to, within the file."""
    numbers = {page.indirect_reference: number for number, page in enumerate(book.pages)}
    links = [annotation.get_object() for annotation in book.pages[sheet].get("/Annots", [])]
    return [numbers[link["/Dest"][0].get_object().indirect_reference] for link in links if "/Dest" in link]


def test_contents_and_bookmarks_name_the_numbers_that_stand_on_the_sheets(
    book: PdfReader, sheets: list[str], outline: list[tuple[int, int, str]]
) -> None:
    assert (book.metadata and book.metadata.title) == "Recurrent networks, reproduced"
    assert outline[0] == (0, 0, "Contents")
    titles = [title for level, _, title in outline if level == 0]
    assert titles == ["Contents", "Recurrent networks, reproduced", "1. Gradients through time", "5. The ledger"]
    assert (1, "The recurrent weights") in [(level, title) for level, _, title in outline]
    for level, sheet, title in outline[1:]:
        assert title.replace("fi", "ﬁ") in sheets[sheet] or title in sheets[sheet]
        if level < 2:
            assert re.search(rf"{re.escape(title)} {book.page_labels[sheet]}\b", sheets[0].replace("ﬁ", "fi")), title
    for label, text in zip(book.page_labels, sheets):
        assert re.search(rf"(^{label}\b|\b{label}$)", text), label
    assert targets(book, 0) == [sheet for level, sheet, _ in outline[1:] if level < 2]


def test_links_stay_in_the_file(book: PdfReader, outline: list[tuple[int, int, str]]) -> None:
    chapter = next(sheet for _, sheet, title in outline if title == "1. Gradients through time")
    assert any(chapter <= to for sheet in range(1, chapter) for to in targets(book, sheet)), "from the first page"
    addresses = [
        str(annotation.get_object()["/A"]["/URI"])
        for sheet in book.pages
        for annotation in sheet.get("/Annots", [])
        if "/A" in annotation.get_object()
    ]
    assert addresses
    assert all(address.startswith("https://") for address in addresses), addresses


def test_widgets_say_how_they_stand_and_what_is_folded_is_printed_but_code(sheets: list[str], site: Path) -> None:
    text = " ".join(sheets)
    pages = [(site / f"{name}.html").read_text("utf-8") for name in NAMES]
    assert text.count(pdf.WIDGET) == sum(page.count("widget-view+json") for page in pages) > 1
    assert "spectral radius ρ" in text
    assert text.count(" seeds.") >= 3, "how figures were made"
    assert "largest factor by which a matrix stretches a vector" in text, "the table of symbols"
    assert "✓ (A): " in text
    assert "each of 3 forms: " not in text, "the derivatives behind a tick"
    assert "def network" in text, "code that stands open"
    assert "show(" not in text, "code that is folded"
    assert "How this was made" not in text.replace("How this was made unfolds", ""), "nothing to press"


def test_the_file_is_known_as_ours(file: Path, tmp_path: Path) -> None:
    assert pdf.is_own(file)
    other = tmp_path / "other.pdf"
    assert not pdf.is_own(other)
    other.write_text("%PDF-1.7\nnot one")
    assert not pdf.is_own(other)


def test_all_pages_of_the_book_are_printed(site: Path) -> None:
    pages = {path.relative_to(site).with_suffix("").as_posix() for path in (site / "book").glob("*.html")}
    assert set(pdf._names()) == pages
    assert pdf._names()[0] == "book/index"


def test_without_a_browser_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "CHROMIUM", ())
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with pytest.raises(BuildError, match="printed by Chromium or Chrome, and there is none"):
        pdf.chromium()


def test_a_browser_that_fails_is_told_in_a_sentence(site: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"/none could not print the book: .+") as refused:
        pdf.write(site, tmp_path / "book.pdf", tmp_path / "none")
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_the_command_builds_and_then_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[object] = []
    monkeypatch.setenv("RNNREPORT_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setattr(build, "BUILD", tmp_path / "_build")
    monkeypatch.setattr(build, "book", lambda profile: done.append(profile) or tmp_path / "html" / "index.html")
    monkeypatch.setattr(pdf, "chromium", lambda: tmp_path / "browser")
    monkeypatch.setattr(pdf, "write", lambda *asked: done.append(asked))
    cli.print_book("quick", str(tmp_path / "printed"))
    file = tmp_path / "printed" / "rnnreport.pdf"
    assert done == ["quick", (tmp_path / "html", file, tmp_path / "browser")]
    assert f"The printed book: {file}" in capsys.readouterr().out

    def none() -> Path:
        raise BuildError("there is none")

    monkeypatch.setattr(pdf, "chromium", none)
    with pytest.raises(BuildError):
        cli.print_book("report", None)
    assert len(done) == 2, "nothing was built"
