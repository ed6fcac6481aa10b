"""The ledger: a predicate and the runs it looks at give a verdict on one of the report's claims.

``data/claims.yml`` says what is claimed. A predicate takes tables and returns whether the claim holds, with the
evidence in one sentence: True (reproduced), False (contradicted) or None, when the runs cannot tell (underpowered).
Each chapter's predicates have a module of its name here, from which it has ``judge`` too. The chapter shows a verdict
where its evidence is; the last chapter collects them.
"""
