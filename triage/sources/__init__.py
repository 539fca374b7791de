"""Outside sources: what they cover, how fresh they are, what they say and with what error."""
