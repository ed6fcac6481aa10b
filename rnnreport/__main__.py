"""``python -m rnnreport …``: the command that the Makefile calls and that readers on Windows type."""

import sys

from rnnreport import environment


def main() -> None:
    """Run the command line. It is imported inside the ``try`` because Ctrl-C may come during the import."""
    try:
        if __name__ == "__main__":
            if sys.argv[1:] == ["clean"]:  # needs no environment and should not create one
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
