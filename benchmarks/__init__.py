"""How fast the recurrences are: `make bench` measures what the book's appendix "How fast" shows.

tasks.py says what is trained, networks.py, lax.py and gate.py who competes, measure.py how a time is taken, and run.py
puts them together and writes the record, which :mod:`rnnreport.experiments.speed` reads.
"""
