"""What is held and what rests, and what triage says of it."""
