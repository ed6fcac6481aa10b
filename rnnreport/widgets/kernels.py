"""The scripts of widgets whose networks compute in the page, with the kernels that the set-up has compiled for them."""

from __future__ import annotations

from rnnreport import vendor
from rnnreport.widgets.page import module

# Files that say whether what lies there is compiled from the present kernels.
READS = ("book/_static/vendor/kernels.wasm", "book/_static/vendor/stamp", "package.json", "package-lock.json")


def computing(name: str) -> str:
    """The module as :func:`module` gives it, with its kernels in WebAssembly, or without where there are none."""
    return module(name, vendor.compiled())
