"""The configuration of a training of the character model."""

from typing import Any, Self

from rnnreport import corpora
from rnnreport.configuration import ModelName
from rnnreport.runs import Configuration


class TextRun(Configuration):
    """One training of the LSTM, or of another ``model``. The defaults are the course's.

    forget_bias, dropout, tied, model: see :class:`rnnreport.models.CharLSTM`. carried: each batch reads on where the
    one before ended, and starts from its last state. read_on: besides the scores of single windows, the table has
    ``held_out_bits``, of held-out blocks read from end to end with the state carried. last_tenth: what is held out is
    the end of the text.
    """

    corpus: str = corpora.REPORT_BOOK
    sha256: str  # of the text that the name stands for on this machine
    sequence_length: int = 30
    hidden_size: int = 128
    num_layers: int = 2
    batch_size: int = 64
    forget_bias: float = 0.0
    dropout: float = 0.0
    tied: bool = False
    model: ModelName = "lstm"
    carried: bool = False
    read_on: bool = False
    last_tenth: bool = False
    snapshots: tuple[int, ...] = ()

    @classmethod
    def of(cls, steps: int, seed: int = 0, **settings: Any) -> Self:
        """A run with these settings, which may include its recipe's. The recipe's defaults are the course's for part 3.

        These are Adam with learning rate 2e-3, times 0.96 every 5,000 steps, and gradients clipped at norm 5.
        """
        course = {"optimizer": "adam", "learning_rate": 2e-3, "decay": 0.96, "decay_every": 5_000, "clip_norm": 5.0}
        return cls.of_settings(steps, seed, **{**course, **settings})
