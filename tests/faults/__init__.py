"""Deterministic runs of the real executor, inbox, reconciliation and ledger against the simulated exchange, with seeded faults.

Nothing of the product is re-implemented here: the harness only decides when the process dies, what the exchange answers,
which frames arrive, and how the clock and the books move. See ``harness.run``.
"""
