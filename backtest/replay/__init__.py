"""A tape played through the product: clock, books, catalogue and database in the place of the real ones."""
