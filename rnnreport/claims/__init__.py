"""The ledger: what the report claims, what would settle it, and what the runs say.

``data/claims.yml`` states the claims and their margins (``stated``). The module named after a chapter has its
predicates, which measure a claim's quantity on tables of runs, and exports ``judge``. ``verdicts`` decides:
*reproduced*, *in part*, *contradicted* or *cannot tell*, with an interval and a test from ``uncertainty`` where chance
is in play. A chapter shows each verdict beside its evidence; ``ledger`` and ``overview`` show what a build collected.
"""
