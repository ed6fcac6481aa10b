# The work is done by `python -m rnnreport`, which makes .venv first; on Windows type that instead.
PYTHON ?= python3

book pdf test serve clean bench:
	@PYTHONSAFEPATH= $(PYTHON) -m rnnreport $@

test-all:
	@PYTHONSAFEPATH= $(PYTHON) -m rnnreport test --all

.PHONY: book pdf test test-all serve clean bench
.DEFAULT_GOAL := book
