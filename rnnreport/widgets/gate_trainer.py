"""LSTMs behind a temporal gate that learn in the page, with the gates that the reader sets."""

from __future__ import annotations

from traitlets import Bool

from rnnreport.widgets.kernels import computing
from rnnreport.widgets.lesson import Lesson
from rnnreport.widgets.page import CSS, Choice, Integer, Number


class GateTrainer(Lesson):
    """An LSTM behind a temporal gate (12)-(16) that learns in the page, beside one without a gate if asked.

    task: "palindromes", of digits one-hot, or "bursts", as :class:`rnnreport.sequences.Bursts`; length, T, from 10 to
    300. The periods are drawn log-uniformly from tau_from to tau_to, in steps; shifts: "drawn" from 0 to each period,
    or the "same", s, for all; r_on: open ratio; leak: alpha, while training; learned: whether tau, s and r_on are;
    beside: whether an LSTM without a gate learns too; hidden_size, batch_size; and the settings of a :class:`Lesson`.
    Any other value raises a TraitError with a clear message, here and on assignment.

    >>> GateTrainer(task="bursts", length=200, tau_from=20, tau_to=20, shifts="same", s=4).learned = True
    """

    _esm = computing("gate_trainer.js")
    _css = CSS

    task = Choice(("palindromes", "bursts"), "palindromes").tag(sync=True)
    length = Integer(50, min=10, max=300).tag(sync=True)
    tau_from = Number(1.0, min=1, max=1000).tag(sync=True)
    tau_to = Number(100.0, min=1, max=1000).tag(sync=True)
    shifts = Choice(("drawn", "same"), "drawn").tag(sync=True)
    s = Number(0.0, min=0, max=100).tag(sync=True)
    r_on = Number(0.05, above=0, max=1).tag(sync=True)
    leak = Number(0.0, min=0, max=1).tag(sync=True)
    learned = Bool(True).tag(sync=True)
    beside = Bool(False).tag(sync=True)
    hidden_size = Integer(64, min=4, max=128).tag(sync=True)
    batch_size = Integer(64, min=1, max=256).tag(sync=True)
    learning_rate = Number(3e-3, above=0, max=1).tag(sync=True)
