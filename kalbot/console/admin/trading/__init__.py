"""The app ``trading``."""
