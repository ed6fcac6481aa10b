"""What the chapters run: for each figure a function from the chapter's parameters to a table of runs."""
