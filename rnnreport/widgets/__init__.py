"""Things a reader can move: a class here and a JavaScript module of its name beside it.

What a widget shows is computed in its module, so that it moves in the built page, where there is no kernel; in
JupyterLab its traits follow the controls and the controls follow its traits. ``page.js`` holds what the modules share,
``weights.js`` how they read the numbers that come with the page, ``page.py`` what the classes share, and
``widgets.css`` serves them all. Trained networks run in :class:`PalindromeReader` and :class:`CharacterWriter`.
A module exports what it computes as plain functions, for the tests to hold against the library's, and ``{ render }``
by default.
"""

from rnnreport.widgets.gates import GatePopulation, GateReplay, TemporalGate
from rnnreport.widgets.gradients import FLIPS, Derivation, VanishingGradient
from rnnreport.widgets.page import HERE
from rnnreport.widgets.palindromes import MAX_DIGITS, PalindromeReader
from rnnreport.widgets.writer import CharacterWriter

__all__ = [
    "FLIPS",
    "HERE",
    "MAX_DIGITS",
    "CharacterWriter",
    "Derivation",
    "GatePopulation",
    "GateReplay",
    "PalindromeReader",
    "TemporalGate",
    "VanishingGradient",
]
