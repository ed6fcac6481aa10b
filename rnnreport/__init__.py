"""A living reproduction of a 2018 report on recurrent networks.

The networks are importable from here; everything else is imported from its module. They are resolved on
first use, so that ``import rnnreport`` (and ``rnnreport --help``) does not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnreport.models import LSTM, RNN, CharLSTM, PalindromeClassifier, TemporalGateLSTM

__all__ = ["LSTM", "RNN", "CharLSTM", "PalindromeClassifier", "TemporalGateLSTM"]
__version__ = "0.8.0"


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("rnnreport.models"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
