"""The chapters' experiments: one function per figure, from the chapter's parameters to a table of runs."""
