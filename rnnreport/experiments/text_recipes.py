"""Chapter 4: the compared ways to train the character model, and the steps at which the model is examined."""

from typing import Any, Literal

RecipeName = Literal[
    "the course's",
    "state carried",
    "high rate",
    "high rate, nothing carried",
    "longer windows",
    "forget bias 1",
    "dropout 0.1",
    "tied weights",
    "one layer",
    "five minutes",
    "five minutes, no dropout",
    "five minutes, nothing carried",
]
# What each recipe changes in the course's settings.
CARRIED: dict[str, Any] = {"carried": True}
# A rate eight times the course's, which falls to zero along a cosine (Loshchilov and Hutter 2017).
HIGH_RATE: dict[str, Any] = {"learning_rate": 0.016, "schedule": "cosine", "warmup": 200}
LONGER: dict[str, Any] = {**CARRIED, **HIGH_RATE, "sequence_length": 60, "batch_size": 16}
WIDE: dict[str, Any] = {"num_layers": 1, "hidden_size": 204}  # no more parameters than two layers of 128
ONE_LAYER: dict[str, Any] = {**LONGER, **WIDE}
RECIPES: dict[RecipeName, dict[str, Any]] = {
    "the course's": {},
    "state carried": CARRIED,
    "high rate": {**CARRIED, **HIGH_RATE},
    "high rate, nothing carried": HIGH_RATE,
    "longer windows": LONGER,
    "forget bias 1": {**LONGER, "forget_bias": 1.0},
    "dropout 0.1": {**LONGER, "dropout": 0.1},
    "tied weights": {**LONGER, "tied": True, "hidden_size": 120},  # no more parameters, either
    "one layer": ONE_LAYER,
    "five minutes": {**ONE_LAYER, "dropout": 0.2},
    "five minutes, no dropout": ONE_LAYER,
    "five minutes, nothing carried": {**HIGH_RATE, **WIDE, "batch_size": 32, "dropout": 0.1},
}
RECIPE_OF_COURSE: RecipeName = "the course's"
RECIPE_OF_SHORT: RecipeName = "five minutes"
LONGER_THAN_OTHERS: tuple[RecipeName, ...] = (
    RECIPE_OF_SHORT,
    "five minutes, no dropout",
    "five minutes, nothing carried",
)
# The report's accuracies during training; the steps of the kept long training that are examined; the reader's name.
REPORTED = ((50_000, 0.57), (100_000, 0.59), (200_000, 0.61), (500_000, 0.68))
COPIERS, READER_STEP = (2_000, 50_000, 500_000), 50_000
READER = "the course's, 50,000 steps"


def sample_steps(steps: int) -> list[int]:
    """Five evenly spaced steps, the last at the end (fewer if there are fewer than five steps)."""
    return sorted({max(1, round(steps * part / 5)) for part in range(1, 6)})


def learning_steps(steps: int) -> list[int]:
    """0, 20, 50, 100, 200, 500, … up to the last step, which is included."""
    return sorted(
        {0, steps, *(n * 10**power for power in range(1, 6) for n in (1, 2, 5) if 20 <= n * 10**power < steps)}
    )
