"""What profiles think: of an event, of a family, of a change to their settings."""
