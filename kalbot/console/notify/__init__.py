"""Notifications: what happens to money and machines reaches people outside the console. Read from rows; nothing waits for it."""
