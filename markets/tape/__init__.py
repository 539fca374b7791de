"""The tape: a recording of everything that came from outside, with the time at which it came, replayable."""
