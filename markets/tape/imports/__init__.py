"""What others recorded, as tapes. Each module reads one kind of recording and states its cadence, fields and holes."""
