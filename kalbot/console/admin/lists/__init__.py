"""What lists and forms of the admin share."""
