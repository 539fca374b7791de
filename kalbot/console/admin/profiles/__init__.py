"""Profiles: their form, its units, and which changes let more risk in."""
