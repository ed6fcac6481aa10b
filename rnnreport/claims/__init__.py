"""The ledger: a predicate gives a verdict on one of the report's claims, from the runs that it looks at.

``data/claims.yml`` lists the claims. A predicate takes tables and returns whether the claim holds, with the evidence in
words: True (reproduced), False (contradicted) or None if the runs cannot tell (underpowered). The module named after a
chapter has its predicates, and exports ``judge`` as well. A chapter shows each verdict beside its evidence; the last
chapter collects them.
"""
