"""Errors that the command line reports in one sentence. Standard library only: imported before anything else."""


class ReaderError(Exception):
    """An error that a reader can fix; the message is one sentence for the reader."""
