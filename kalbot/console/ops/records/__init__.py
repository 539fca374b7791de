"""Records that running leaves: log lines and task runs, without secrets."""
