"""What chapters show and a build collects, for the ledger and the first page; works without pandas."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ValidationError

from rnnreport.parameters import ParameterError, located
from rnnreport.shown import brief

METADATA = "rnnreport"  # the key of the data of a shown verdict, answer or finding: lists by the names of Collected
VerdictName = Literal["reproduced", "in part", "contradicted", "cannot tell", "not run"]
VERDICTS: tuple[VerdictName, ...] = get_args(VerdictName)


class CollectedVerdict(BaseModel):
    """A verdict, with the chapter that shows it."""

    id: str
    verdict: VerdictName
    evidence: str
    chapter: str
    p_value: float | None = None
    exploratory: bool = False


def not_run(claim: str) -> CollectedVerdict:
    """What stands for the verdict on a claim that no chapter shows."""
    return CollectedVerdict(id=claim, verdict="not run", evidence="", chapter="")


class CollectedAnswer(BaseModel):
    """The answer to a question of the assignment, and the label of the figure that shows it."""

    question: str
    answer: str
    label: str
    chapter: str


class CollectedFinding(BaseModel):
    """A figure's finding."""

    label: str
    finding: str
    chapter: str


class Collected(BaseModel):
    """What the chapters of a build show, in their order."""

    verdicts: list[CollectedVerdict] = []
    answers: list[CollectedAnswer] = []
    findings: list[CollectedFinding] = []


def collected(file: str) -> Collected:
    """What a build collected in the file of that name; nothing for "".

    Raises ParameterError if the file cannot be read as such.
    """
    try:
        return Collected.model_validate_json(located(file).read_bytes() if file else b"{}")
    except (OSError, ValidationError) as error:
        raise ParameterError(
            f"collected_file must be '' or a file that a build left, collected.json, not {brief(file)}"
        ) from error
