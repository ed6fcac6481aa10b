"""Chapter 4: the character model on a book."""

from typing import Annotated, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from rnnreport import checksums, corpora
from rnnreport.configuration import OptimizerName
from rnnreport.experiments.text_recipes import COPIERS, RECIPES, REPORTED, RecipeName
from rnnreport.experiments.text_run import TextRun
from rnnreport.parameters import DISTINCT, Count, FolderName, ParameterError, Text, TextName, integer, located, number
from rnnreport.parameters.training import TrainingParameters
from rnnreport.runs import configuration_of, load
from rnnreport.shown import brief

# Beyond this a step takes more memory than there is, or days.
MAX_CHARACTERS = 2**16  # of a training step


class TextParameters(TrainingParameters, chapter="04_text_generation"):
    """The parameters of chapter 4."""

    corpus: TextName
    lengths: Annotated[list[Annotated[int, integer(2, 1_000)]], DISTINCT]
    optimizers: Annotated[list[OptimizerName], DISTINCT]
    recipes: Annotated[list[RecipeName], DISTINCT]
    recipe_steps: Count
    longest_steps: Count
    temperatures: Annotated[
        list[Annotated[float, number(0.01, 100)]],
        Field(max_length=20, description="a list of 1 to 20 different numbers from 0.01 to 100"),
        DISTINCT,
    ]
    prompt: Annotated[Text, Field(max_length=500, description="a UTF-8 text of 1 to 500 characters")]
    sample_length: Annotated[int, integer(1, 10_000)]
    long_folder: FolderName
    short_folder: FolderName

    @field_validator("long_folder", "short_folder")
    @classmethod
    def _kept(cls, folder: str, which: ValidationInfo) -> str:
        try:
            kept = kept_configuration(folder)
        except ParameterError as error:
            raise ValueError(f"{which.field_name}: {error}") from error
        looked_at = {*COPIERS, *dict(REPORTED)} if which.field_name == "long_folder" else set()
        if kept and (missing := looked_at - set(kept.snapshots)):
            steps = ", ".join(f"{step:,}" for step in sorted(missing))
            raise ValueError(f"long_folder must be a training with weights after {steps} steps, not {folder!r}")
        return folder

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (characters := self.batch_size * max(self.lengths)) > MAX_CHARACTERS:
            raise ValueError(
                f"batch_size times the longest of lengths must be at most {MAX_CHARACTERS:,} characters a step, "
                f"not {characters:,}"
            )
        return self

    @model_validator(mode="after")
    def _readable(self) -> Self:
        try:
            corpus = corpora.load(self.corpus)
            of_recipes = [RECIPES[name].get("sequence_length", self.lengths[0]) for name in self.recipes]
            for length in [*self.lengths, *of_recipes]:
                corpus.check_length(length)
        except corpora.CorpusError as error:
            raise ValueError(f"corpus: {error}") from error
        if len(corpus.vocabulary) < 2:
            raise ValueError(
                f"corpus: a text needs two different characters; {brief(self.corpus)} has {corpus.vocabulary!r} alone"
            )
        try:
            corpus.check_characters(self.prompt)
        except corpora.CorpusError as error:
            raise ValueError(f"prompt: {error}") from error
        return self


def kept_configuration(folder: str) -> TextRun | None:
    """The configuration of the training recorded in that folder, found by :func:`located`; None for "".

    Raises ParameterError where there is none, or something in it is damaged.
    """
    if not folder:
        return None
    place = located(folder)
    try:
        if not (place / checksums.MANIFEST).exists():  # trainings of older versions have none: all that is sure is read
            return load(place, TextRun).configuration
        run = configuration_of(place, TextRun)
        weights = (f"weights-{step}.safetensors" for step in run.snapshots)
        checksums.verify_folder(place, "run.json", "table.parquet", *weights)
        return run
    except checksums.DamagedError as error:
        raise ParameterError(str(error)) from error
    except (OSError, ValueError, KeyError, TypeError) as error:  # pyarrow's, JSON's and pydantic's are ValueErrors
        reason = str(error).splitlines()[0]
        raise ParameterError(f"{folder!r} is no folder that `rnnreport train text` has filled: {reason}") from error
