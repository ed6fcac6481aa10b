"""What the command line tells in one sentence. Standard library only: it is known before anything else is imported."""


class ReaderError(Exception):
    """Something that a reader can mend; the message is one sentence for the reader."""
