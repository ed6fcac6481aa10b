"""``python -m rnnreport …``: what the Makefile calls, and readers on Windows type."""

import sys

from rnnreport import environment


def main() -> None:
    """Run the command line, which is imported only here: Ctrl-C may come before it is there."""
    try:
        if __name__ == "__main__":
            if sys.argv[1:] == ["clean"]:  # needs no environment, and should not make one
                environment.settle()
                environment.clean()
                sys.exit()
            environment.enter(sys.argv[1:])
        from rnnreport.cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        print("rnnreport: stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
