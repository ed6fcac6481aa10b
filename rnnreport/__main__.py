"""``python -m rnnreport …``: what the Makefile calls, and readers on Windows type."""

import sys

from rnnreport import environment

if sys.argv[1:] == ["clean"]:  # needs no environment, and should not make one
    environment.clean()
    sys.exit()

environment.enter(sys.argv[1:])

from rnnreport.cli import main  # noqa: E402  (only the environment has what it needs)

main()
