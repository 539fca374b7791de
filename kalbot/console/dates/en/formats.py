"""Formats that Django looks up by language."""

DATETIME_FORMAT = r"Y-m-d H:i:s T"
SHORT_DATETIME_FORMAT = r"Y-m-d H:i T"
DATE_FORMAT = "Y-m-d"
TIME_FORMAT = "H:i:s"
