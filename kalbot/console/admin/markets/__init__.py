"""The app ``markets``."""
