"""A small REST API for scripts and phones, over the same services, permissions and audit log as the console's dialogs."""
