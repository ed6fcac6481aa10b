"""Chapter 7: for how long the trainings of the Bug Museum run."""

from rnnreport.parameters import Count, Parameters, Seeds


class MuseumParameters(Parameters, chapter="07_bug_museum"):
    """The parameters of the Bug Museum."""

    seeds: Seeds
    train_steps: Count
