"""What came of a run: figures, baskets, advice, and the report on a terminal or in one file."""
