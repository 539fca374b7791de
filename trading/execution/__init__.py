"""From a decision to an open position, and out of it again."""
