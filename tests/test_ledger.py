"""The ledger: how a margin decides, by the kind of claim; how claims are stated, and verdicts shown and kept."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from rnnreport import build, cli
from rnnreport.claims import overview, stated
from rnnreport.claims.collected import METADATA, VERDICTS
from rnnreport.claims.ledger import QUESTIONS, as_html, correction, ledger
from rnnreport.claims.rnn_versus_lstm import judge
from rnnreport.claims.stated import Claim, ClaimsError, digests
from rnnreport.claims.verdicts import CannotTellError, Verdict, decided
from rnnreport.experiments import recorded
from rnnreport.parameters import ParameterError
from rnnreport.provenance import PROJECT

STATED = stated.claims()


# What a margin decides, by the kind of claim


def claim_of(kind, seeds=1, **margin):
    return Claim(
        id="fig1a", section="1.3", claim="it is so", kind=kind, quantity="q", because="of it", seeds=seeds, **margin
    )


ABOUT_HALF = [0.5 + (-1) ** place * 0.1 for place in range(20)]
DECIDED = [
    (claim_of("exact", below=1), [0], "reproduced", ""),
    (claim_of("exact", below=1), [1], "contradicted", ""),
    (claim_of("exact", above=0), [1e-9], "reproduced", ""),
    (claim_of("exact", above=0), [0.0], "contradicted", ""),
    (claim_of("run", above=0.5, seeds=3), [0.5001, 0.6, 0.7], "reproduced",
     "0.5001, 0.6000 and 0.7000; needed: above 0.5."),
    (claim_of("run", above=0.5, seeds=3), [0.5, 0.4, 0.3], "contradicted",
     "0.50, 0.40 and 0.30; needed: above 0.5."),
    (claim_of("run", above=0.5, seeds=3), [0.5, 0.6, 0.7], "cannot tell",
     "0.50, 0.60 and 0.70; needed: above 0.5. These runs disagree."),
    (claim_of("run", below=0.5, seeds=3), [0.2, 0.3], "cannot tell",
     "0.20 and 0.30; needed: below 0.5. The claim takes at least 3 seeds."),
    (claim_of("run", within=(0.57, 0.61)), [0.61], "reproduced",
     "0.61; needed: from 0.57 to 0.61."),
    (claim_of("run", within=(0.57, 0.61)), [0.6101], "contradicted",
     "0.6101; needed: from 0.57 to 0.61."),
    (claim_of("share", above=0.5, seeds=20), [1] * 15 + [0] * 5, "reproduced",
     "15 of 20 seeds (0.51 to 0.91); needed: above 50%."),
    (claim_of("share", above=0.5, seeds=20), [1] * 14 + [0] * 6, "cannot tell",
     "14 of 20 seeds (0.46 to 0.88); needed: above 50%. About 30 seeds would be needed to tell."),
    (claim_of("share", above=0.5, seeds=20), [1] * 10 + [0] * 10, "cannot tell",
     "10 of 20 seeds (0.27 to 0.73); needed: above 50%. More than 10,000 seeds would be needed to tell."),
    (claim_of("share", above=0.5, seeds=20), [1] * 5 + [0] * 15, "contradicted",
     "5 of 20 seeds (0.09 to 0.49); needed: above 50%."),
    (claim_of("share", above=0.5, seeds=20), [1] * 19, "cannot tell",
     "19 of 19 seeds (0.82 to 1.00); needed: above 50%. The claim takes at least 20 seeds."),
    (claim_of("share", above=0.8, seeds=20), [1] * 18 + [0] * 2, "cannot tell",
     "18 of 20 seeds (0.68 to 0.99); needed: above 80%. About 50 seeds would be needed to tell."),
    (claim_of("mean", above=0.4, seeds=20), ABOUT_HALF, "reproduced",
     "0.50 (0.46 to 0.54); needed: above 0.4."),
    (claim_of("mean", below=0.6, seeds=20), ABOUT_HALF, "reproduced",
     "0.50 (0.46 to 0.54); needed: below 0.6."),
    (claim_of("mean", above=0.6, seeds=20), ABOUT_HALF, "contradicted",
     "0.50 (0.46 to 0.54); needed: above 0.6."),
    (claim_of("mean", below=0.4, seeds=20), ABOUT_HALF, "contradicted",
     "0.50 (0.46 to 0.54); needed: below 0.4."),
    (claim_of("mean", above=0.47, seeds=20), ABOUT_HALF, "cannot tell",
     "0.50 (0.46 to 0.54); needed: above 0.47. About 40 seeds would be needed to tell."),
    (claim_of("mean", above=0.0, seeds=20), [0.0] * 20, "cannot tell",
     "0.00 in every seed; needed: above 0. More than 10,000 seeds would be needed to tell."),
    (claim_of("mean", above=0.0, seeds=20), [0.001] * 20, "reproduced",
     "0.001 in every seed; needed: above 0."),
    (claim_of("mean", above=0.0, seeds=20), [0.3], "cannot tell",
     "0.30 (one seed); needed: above 0. The claim takes at least 20 seeds."),
    (claim_of("equivalence", within=(0.4, 0.6), seeds=5), ABOUT_HALF, "reproduced",
     "0.50 (0.46 to 0.54); needed: from 0.4 to 0.6."),
    (claim_of("equivalence", within=(0.6, 0.8), seeds=5), ABOUT_HALF, "contradicted",
     "0.50 (0.46 to 0.54); needed: from 0.6 to 0.8."),
    (claim_of("equivalence", within=(0.48, 0.6), seeds=5), ABOUT_HALF, "cannot tell",
     "0.50 (0.46 to 0.54); needed: from 0.48 to 0.6. About 80 seeds would be needed to tell."),
    (claim_of("equivalence", within=(0.4, 0.6), seeds=5), [0.5], "cannot tell",
     "0.50 (one seed); needed: from 0.4 to 0.6. The claim takes at least 5 seeds."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "values", "verdict", "said"), DECIDED, ids=[f"{row[0].kind}-{n}" for n, row in enumerate(DECIDED)]
)
def test_a_margin_decides(claim, values, verdict, said):
    assert decided(claim, {"": values}, "")[:2] == (verdict, said)


def test_a_claim_of_several_cases_is_told_as_its_cases_are():
    claim, yes, no, open_ = claim_of("run", above=0.0), [1.0], [-1.0], [1.0, -1.0]
    for cases, verdict in (
        ((yes, yes), "reproduced"), ((no, no), "contradicted"), ((yes, no, open_), "in part"),
        ((yes, open_), "cannot tell"), ((no, open_), "cannot tell"),
    ):  # fmt: skip
        assert decided(claim, dict(zip("abc", cases)), "")[0] == verdict
    said = decided(claim, {"a": yes, "b": no, "c": yes}, "")[1]
    assert said == "It holds in 2 of 3 cases: a and c. A: 1; b: -1; c: 1; needed: above 0."


def test_the_p_value_is_the_largest_of_the_cases():
    claim = claim_of("share", above=0.5, seeds=20)
    assert decided(claim, {"a": [1] * 20, "b": [1] * 15 + [0] * 5}, "")[2] == pytest.approx(0.04138946533203125)


@pytest.mark.parametrize("cases", [{}, {"a": []}, {"a": [1.0], "b": []}], ids=str)
def test_nothing_measured_settles_nothing(cases):
    with pytest.raises(CannotTellError, match="no such results"):
        decided(claim_of("mean", above=0.0), cases, "")


# Claims as the file states them


GOOD = """- id: one
  section: "1.1"
  claim: "it is so"
  kind: mean
  quantity: "accuracy"
  above: 0.5
  because: "half"
"""


def stated_in(tmp_path, content):
    file = tmp_path / "claims.yml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return stated.claims(file)


BAD = [
    (GOOD.replace('  quantity: "accuracy"\n', ""), "claims.yml, claim one: 'quantity': field required"),
    (GOOD.replace("mean", "guess"), "claims.yml, claim one: 'kind': input should be 'exact', 'run',"),
    (GOOD.replace("  above: 0.5\n", ""), "claims.yml, claim one: takes one of above, below and within"),
    (GOOD + "  below: 1.0\n", "claims.yml, claim one: takes one of above, below and within"),
    (GOOD.replace('  because: "half"\n', ""), "claims.yml, claim one: 'because': field required"),
    (GOOD.replace('"half"', '""'), "claims.yml, claim one: 'because': must not be empty"),
    (GOOD.replace("mean", "equivalence"), "claims.yml, claim one: takes within, two numbers, the smaller first"),
    (GOOD.replace("mean", "run").replace("above: 0.5", "within: [2, 1]"),
     "claims.yml, claim one: takes within, two numbers, the smaller first"),
    (GOOD.replace("mean", "run").replace("above: 0.5", "within: [2, 2]"),
     "claims.yml, claim one: takes within, two numbers, the smaller first"),
    (GOOD.replace("above: 0.5", "within: [1]"), "claims.yml, claim one: 'within.1': field required"),
    (GOOD.replace("above: 0.5", "within: [1, 2]"), "claims.yml, claim one: takes above or below"),
    (GOOD.replace('"half"', '" "'), "claims.yml, claim one: 'because': must not be empty"),
    (GOOD.replace("above: 0.5", "above: half"), "claims.yml, claim one: 'above': input should be a valid number"),
    (GOOD.replace("above: 0.5", 'above: "0.5"'), "claims.yml, claim one: 'above': input should be a valid number"),
    (GOOD.replace("above: 0.5", "above: true"), "claims.yml, claim one: 'above': input should be a valid number"),
    (GOOD.replace("above: 0.5", "above: .nan"), "claims.yml, claim one: 'above': input should be a finite number"),
    (GOOD.replace("above: 0.5", "below: -.inf"), "claims.yml, claim one: 'below': input should be a finite number"),
    (GOOD.replace("mean", "run").replace("above: 0.5", "within: [.nan, 1]"),
     "claims.yml, claim one: 'within.0': input should be a finite number"),
    (GOOD.replace("mean", "share").replace("0.5", "50"), "claims.yml, claim one: takes a margin between 0 and 1"),
    (GOOD.replace("mean", "share").replace("above: 0.5", "below: 0"),
     "claims.yml, claim one: takes a margin between 0 and 1"),
    (GOOD.replace('"1.1"', '"9.9"'), "claims.yml, claim one: 'section': must be one of 1.1, 1.3, 1.4, 1.5, 1.6, 2.1, "),
    (GOOD + "  seeds: true\n", "claims.yml, claim one: 'seeds': input should be a valid integer"),
    (GOOD + "  seeds: 0\n", "claims.yml, claim one: 'seeds': input should be greater than or equal to 1"),
    (GOOD + "  rule: so\n", "claims.yml, claim one: 'rule': extra inputs are not permitted"),
    (GOOD.replace("id: one", "name: one"), "claims.yml, claim number 1: 'id': field required"),
    (GOOD + "- so it is\n", "claims.yml, claim number 2: input should be a valid dictionary or instance of Claim"),
    (GOOD + GOOD, "claims.yml states the claim 'one' twice"),
    ("one: 1", "claims.yml, claim number 1: input should be a valid dictionary or instance of Claim"),
    ("5", "claims.yml cannot be read as a list of claims: 'int' object is not iterable"),
    ("", "claims.yml cannot be read as a list of claims: 'NoneType' object is not iterable"),
    ("- [", "claims.yml cannot be read as a list of claims: while parsing a flow node"),
    (b"\xff", "claims.yml cannot be read as a list of claims: 'utf-8' codec can't decode"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "says"), BAD)
def test_a_file_that_states_no_claims_is_refused_in_a_sentence(tmp_path, content, says):
    with pytest.raises(ClaimsError) as caught:
        stated_in(tmp_path, content)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_not_as_it_was_written_is_refused(tmp_path):
    with pytest.raises(ClaimsError, match=r"cannot be read as a list of claims: .*No such file"):
        stated.claims(tmp_path / "claims.yml")
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  claims.yml\n")
    with pytest.raises(
        ClaimsError, match=r"cannot be read as a list of claims: .*claims\.yml is not as it was written"
    ):
        stated_in(tmp_path, GOOD)


def test_a_claims_digest_is_of_what_settles_it_and_not_of_its_words(tmp_path):
    def digest(old="", new=""):
        stated.claims.cache_clear()
        return stated_in(tmp_path, GOOD.replace(old, new))["one"].digest

    whole = digest()
    assert re.fullmatch("[0-9a-f]{16}", whole)
    assert {digest("it is so", "so it is"), digest('"half"', '"one of two"'), digest('"1.1"', '"1.3"')} == {whole}
    changed = [digest("0.5", "0.6"), digest("above", "below"), digest("mean", "share"), digest("accuracy", "loss")]
    assert len({whole, *changed, digest("mean", "mean\n  seeds: 3")}) == 6
    assert digests() == {name: claim.digest for name, claim in STATED.items()}


def test_the_claims_are_whole():
    assert len({claim.claim for claim in STATED.values()}) == len(STATED) == 34
    for claim in STATED.values():
        assert claim.kind in ("exact", "run", "equivalence") or claim.seeds >= 20
        assert not re.search(r"[.\s]$", claim.claim + claim.quantity + claim.because)
        with pytest.raises(ValidationError, match="frozen"):
            claim.above = 0.0  # type: ignore[misc]


def test_a_claims_rule_in_words():
    assert claim_of("share", seeds=20, above=0.5).rule == (
        "Measured: q. Reproduced if the share of at least 20 seeds in which it holds is above 50%, in part if in some "
        "cases only, contradicted if in none. The margin: of it."
    )
    assert "if its mean over at least 20 seeds is below 1, in" in claim_of("mean", seeds=20, below=1).rule
    assert "if it, in every one of 3 or more, is from 1 to 2, in" in claim_of("run", seeds=3, within=(1, 2)).rule
    assert "if it, in the run, is above 1, in" in claim_of("run", above=1).rule
    assert "if it is below 1e-12, in" in claim_of("exact", below=1e-12).rule


# Recorded runs


def recorded_table(**attrs):
    table = pd.DataFrame({"length": 5, "step": 400, "seed": range(20), "test_accuracy": 0.98})
    table.attrs = attrs
    return table


@pytest.mark.parametrize(
    ("attrs", "said", "exploratory"),
    [
        ({}, "above 0.95.", False),
        ({"provenance": "live: 3 runs"}, "above 0.95.", False),
        ({"provenance": "recorded: 3 runs", "claims": digests()}, "above 0.95. (Recorded runs.)", False),
        ({"provenance": "recorded: 3 runs", "claims": digests() | {"fig1b": "another"}},
         "above 0.95. (Recorded runs.)", False),
        ({"provenance": "recorded: 3 runs", "claims": digests() | {"fig1a": "another"}},
         "above 0.95. (Recorded runs.) Exploratory: the claim was fixed after these runs.", True),
        ({"provenance": "recorded: 3 runs"},
         "above 0.95. (Recorded runs.) Exploratory: the claim was fixed after these runs.", True),
    ],
)  # fmt: skip
def test_a_verdict_says_whether_its_claim_is_younger_than_the_runs(attrs, said, exploratory):
    verdict = judge("fig1a", recorded_table(**attrs))
    assert verdict.evidence.endswith(said)
    assert verdict.exploratory == exploratory
    assert verdict.verdict == "reproduced"


@pytest.mark.parametrize("chapter", cli.RECORDS)
def test_what_is_recorded_is_younger_than_the_claims_that_its_chapter_judges(chapter):
    """Otherwise its verdicts are exploratory; tables from before claims had digests are still allowed."""
    table = recorded.read(str(PROJECT / build.parameters(chapter)["recorded_file"]))
    judged = set(re.findall(r'judge\(\\"([\w-]+)\\"', (PROJECT / "book" / f"{chapter}.ipynb").read_text("utf-8")))
    assert judged <= set(STATED)
    judged = {name for name in judged if STATED[name].kind != "exact"}  # no run can settle an exact one
    judged -= {"temp-diversity", "fig2-lr"}  # of what is written while the book is built; exploratory, and said so
    for kept in ({} if table is None else table.attrs.get("claims", {})).values():
        assert {name: kept.get(name) for name in judged} == {name: STATED[name].digest for name in judged}


# Showing and keeping


def test_a_verdict_shows_itself_and_leaves_its_data():
    shown, metadata = Verdict("fig1a", "in part", "0.98 > 0.95 & <so> on", 0.01, True)._repr_mimebundle_()
    assert '<div class="verdict verdict-in-part" id="claim-fig1a">' in shown["text/html"]
    assert "∂L/∂W<sub>ph</sub>" in Verdict("grad-wph", "reproduced", "")._repr_mimebundle_()[0]["text/html"]
    assert "0.98 &gt; 0.95 &amp; &lt;so&gt; on" in shown["text/html"]
    assert STATED["fig1a"].claim in shown["text/html"]
    assert shown["text/plain"] == "fig1a: in part. 0.98 > 0.95 & <so> on"
    left = {"id": "fig1a", "verdict": "in part", "evidence": "0.98 > 0.95 & <so> on"}
    assert metadata == {METADATA: {"verdicts": [{**left, "p_value": 0.01, "exploratory": True}], "origins": []}}
    json.dumps(judge("fig1a", recorded_table())._repr_mimebundle_())


def write(path, *verdicts, **others):
    """verdicts: (claim, verdict, evidence, chapter, p-value or None)."""
    names = ("id", "verdict", "evidence", "chapter", "p_value")
    path.write_text(json.dumps({"verdicts": [dict(zip(names, row)) for row in verdicts], **others}))
    return str(path)


@pytest.fixture
def collected(tmp_path):
    told = [
        ("1.3", "At r_on < 1.", "Figure 1b"),
        ("1.6", "200.", "Table 2.1"),
        ("Bonus:", "-1 in Figure 2.2.", "More"),
    ]
    chapter = "02_rnn_versus_lstm"
    answers = [dict(zip(("question", "answer", "label"), row), chapter=chapter) for row in told]
    findings = [{"label": "Figure 2.13", "finding": "1 & 2.", "chapter": chapter}]
    return write(
        tmp_path / "collected.json",
        ("fig1a", "reproduced", "a < b & c", chapter, 0.02),
        ("fig2a", "contradicted", "no", chapter, 0.03),
        ("fig1b", "cannot tell", "perhaps", chapter, 0.4),
        ("k-zero", "contradicted", "no", "03_temporal_gate", None),
        answers=answers, findings=findings,
    )  # fmt: skip


def test_the_first_page_has_the_answers_by_chapter_the_findings_it_asks_for_and_a_count(collected):
    assert overview.answers(collected).data == (
        '<p class="chapter"><a href="02_rnn_versus_lstm.html">Chapter 2</a></p><ul class="in-short"><li>'
        '<strong>Question\u00a01.6:</strong> 200. <a href="02_rnn_versus_lstm.html#table-2-1">Table\u00a02.1</a>'
        '</li></ul><details class="more"><summary>2 further answers of chapter 2</summary><ul class="in-short">'
        "<li><strong>Question\u00a01.3:</strong> At r<sub>on</sub> &lt; 1. "
        '<a href="02_rnn_versus_lstm.html#figure-1b">Figure\u00a01b</a></li>'
        "<li><strong>Bonus:</strong> −1 in Figure\u00a02.2. "
        '<a href="02_rnn_versus_lstm.html#more">More</a></li></ul></details>'
    )
    assert overview.surprises(collected).data == (
        f'<ul class="in-short"><li><strong>{overview.SURPRISES["Figure 2.13"]}</strong> 1 &amp; 2. '
        '<a href="02_rnn_versus_lstm.html#figure-2-13">Figure\u00a02.13</a></li></ul>'
    )
    assert overview.verdicts(collected).data == (
        "<p>Of 34 claims of the report: <strong>1 reproduced</strong>, <strong>2 contradicted</strong>, <strong>1 "
        '<a href="05_claims.html#how-to-read-it">cannot tell</a></strong> and <strong>30 not run</strong>. What '
        "decides: arithmetic for 11 (1 contradicted and 10 not run), a single run for 3 (3 not run), every run for 5 "
        "(5 not run), a share of seeds for "
        "3 (1 contradicted and 2 not run) and a mean over seeds for 12 (1 reproduced, 1 cannot tell and 10 not "
        "run). With a correction for the number of tests, 2 of these verdicts "
        '<a href="05_claims.html#how-sure-is-that">can no longer be told</a>.</p>'
    )


def test_weighty_contradictions_are_named(tmp_path):
    rows = (("s-noise", "contradicted"), ("grad-whh", "reproduced"), ("fig1a", "contradicted"))
    file = write(tmp_path / "collected.json", *((*row, "1 < 2.", "03_temporal_gate") for row in rows))
    assert overview.verdicts(file).data.endswith(
        '<p>Among what does not hold:</p><ul class="in-short"><li class="verdict verdict-contradicted">'
        '<span class="verdict-name">contradicted</span>: the claim that <a href="03_temporal_gate.html#claim-s-noise">'
        "a gate&#x27;s shift s is where periodic noise begins, and its open ratio r<sub>on</sub> how long it lasts</a>"
        ". 1 &lt; 2.</li></ul>"
    )
    assert set(overview.WEIGHTY) <= set(STATED)


def test_the_figures_that_surprise_are_there():
    chapters = "".join(path.read_text("utf-8") for path in (PROJECT / "book").glob("0*.ipynb"))
    assert [label for label in (*overview.SURPRISES, *overview.LEADING) if f'{label}\\"' not in chapters] == []


def test_without_a_build_nothing_is_run():
    assert overview.answers("").data == overview.surprises("").data == overview.NOTHING.data
    assert "Of 34 claims of the report: <strong>34 not run</strong>." in overview.verdicts("").data
    table = ledger("")
    assert list(table["id"]) == list(STATED)
    assert set(table["verdict"]) == {"not run"}
    assert set(table["evidence"]) == set(table["chapter"]) == {""}
    assert table[["p_value", "corrected"]].isna().all(axis=None)
    assert correction(table) == "This build has no verdict in which chance is in play."


def test_the_ledger_has_every_claim_and_what_was_collected(collected):
    table = ledger(collected).set_index("id")
    assert list(table.index) == list(STATED)
    about = {name: getattr(STATED["fig1a"], name) for name in ("section", "claim", "rule")}
    assert table.loc["fig1a"].to_dict() == {
        **about, "decides": "a mean over seeds", "verdict": "reproduced", "evidence": "a < b & c",
        "chapter": "02_rnn_versus_lstm", "p_value": 0.02, "exploratory": False, "corrected": 0.06,
    }  # fmt: skip
    assert table["corrected"].dropna().to_dict() == {"fig1a": 0.06, "fig1b": 0.4, "fig2a": 0.06}
    assert table["verdict"].value_counts().to_dict() == {
        "not run": 30, "contradicted": 2, "reproduced": 1, "cannot tell": 1,
    }  # fmt: skip


def test_what_the_correction_changes_is_said(collected, tmp_path):
    assert correction(ledger(collected)) == (
        "There are 3 such claims here, of which 2 have a verdict. With Holm's correction for their number, so that at "
        "most one such list in twenty has any wrong one, these can no longer be told: fig1a and fig2a."
    )
    rows = [(name, "reproduced", "", "", 0.01) for name in ("fig1a", "fig2a")]
    assert correction(ledger(write(tmp_path / "sure.json", *rows))).endswith("any wrong one, no verdict changes.")


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-20], lambda data: b"[]", lambda data: b"[1]"])
def test_damaged_verdicts_are_not_taken_for_none(collected, damage):
    path = Path(collected)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ParameterError, match="collected_file must be '' or a file that a build left") as caught:
        ledger(collected)
    assert "\n" not in str(caught.value)


def test_the_ledger_may_list_some_verdicts_only(collected):
    assert list(ledger(collected, ["reproduced", "contradicted"])["id"]) == ["fig1a", "fig2a", "k-zero"]
    assert list(ledger(collected, ["contradicted"]).index) == [0, 1]
    assert len(ledger(collected, list(VERDICTS))) == 34
    nothing = as_html(ledger(collected, ["in part"]))
    assert nothing.count("<th ") == 3
    assert "<td>" not in nothing


def test_the_table_links_to_the_evidence_and_escapes(collected):
    html = as_html(ledger(collected))
    assert html.count("<tr") == 1 + 11 + 34  # the head, a row for each question, one for each claim
    assert list(QUESTIONS) == sorted({claim.section for claim in STATED.values()})
    assert re.findall(r"rowgroup\">(\S+)", html) == list(QUESTIONS)
    for section, name in QUESTIONS.items():
        assert f'<tbody><tr class="question"><th colspan="3" scope="rowgroup">{section} {name}</th></tr>' in html
    verdict = '<a href="02_rnn_versus_lstm.html#claim-fig1a"><span class="verdict-name">reproduced</span></a>'
    assert f'{verdict}<p class="rule">by a mean over seeds; p = 0.02, corrected 0.06</p>' in html
    assert '<span class="verdict-name">contradicted</span></a><p class="rule">by arithmetic</p>' in html
    assert "a &lt; b &amp; c" in html
    assert html.count("<a href") == 4
    assert html.count('class="verdict verdict-not-run"') == 30
    rule = '<details class="more"><summary>rule</summary><p class="rule">Measured: how far, in points'
    assert f"r<sub>on</sub> sets its width{rule}" in html
    assert re.findall(r'value="([^"]+)"( checked)?', html) == [
        ("all", " checked"), ("reproduced", ""), ("contradicted", ""), ("cannot tell", ""), ("not run", ""),
    ]  # fmt: skip


def test_nothing_in_a_file_of_verdicts_is_markup(tmp_path):
    hostile = '"><img src=x>\x1b'
    html = as_html(ledger(write(tmp_path / "collected.json", ("fig1a", "reproduced", hostile, hostile))))
    assert "<img" not in html
    assert html.count("&quot;&gt;&lt;img src=x&gt;␛") == 2  # the chapter and the evidence


@pytest.mark.parametrize(
    ("seeds", "low", "high", "says"),
    [
        (20, 0.7, 0.8, " About 30 seeds would be needed to tell."),  # at least one more than there are
        (29, 0.7, 0.8, " About 30 seeds would be needed to tell."),
        (2_500, 0.25, 1.25, " About 10,000 seeds would be needed to tell."),
        (10_000, 0.7, 0.8, " More than 10,000 seeds would be needed to tell."),
    ],
)
def test_so_many_seeds_could_tell(seeds, low, high, says):
    from rnnreport.claims.uncertainty import Estimate
    from rnnreport.claims.verdicts import _what_could

    claim = claim_of("mean", above=0.5)
    assert _what_could(claim, [([0.75] * seeds, Estimate(0.75, low, high, 0.06))]) == says


@pytest.mark.parametrize(
    ("value", "low", "high", "told"),
    [
        (0.7, 0.5004, 0.9, "0.7000 (0.5004 to 0.9000)"),  # as many digits as tell the ends from the margin,
        (0.5004, 0.1, 0.9, "0.50 (0.10 to 0.90)"),
        (0.1226, 0.121, 0.124, "0.123 (0.121 to 0.124)"),  # and from each other,
        (0.12343, 0.12341, 0.12344, "0.12343 (0.12341 to 0.12344)"),
        (0.1234525, 0.123451, 0.123454, "0.12345 (0.12345 to 0.12345)"),  # up to five
    ],
)
def test_a_mean_is_told_with_the_digits_that_it_takes(value, low, high, told):
    from rnnreport.claims.uncertainty import Estimate
    from rnnreport.claims.verdicts import _in_words

    assert _in_words(claim_of("mean", above=0.5), "", [value] * 3, Estimate(value, low, high, 0.01)) == told


def test_a_verdict_stays_as_it_is():
    verdict = Verdict("fig1a", "reproduced", "it is so")
    with pytest.raises(AttributeError, match="verdict"):
        verdict.verdict = "contradicted"
