"""Benchmarks. Each module has ``main(argv) -> int``, prints JSON, and compares with the plain way in the same run."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalbot.settings")
