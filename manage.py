#!/usr/bin/env python
"""Django's command line for Kalbot."""

import os
import sys


def main() -> None:
    if sys.argv[1:2] == ["alive"]:  # health checks run it every few seconds: without Django it costs milliseconds
        from kalbot import alive

        sys.exit(alive.main(sys.argv[2:]))
    if os.environ.get("RUN_MAIN"):  # runserver's second process
        from kalbot.common import life

        life.die_with_parent()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalbot.settings")
    from kalbot import command_line

    command_line.main(sys.argv)


if __name__ == "__main__":
    main()
