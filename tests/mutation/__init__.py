"""Single-point mutations of ``trading``: does some test notice each of them? ``bin/mutants`` runs them, by night."""
