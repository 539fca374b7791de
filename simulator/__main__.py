"""``python -m simulator``: serve a recorded snapshot as a live exchange on loopback."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
