"""Reading rules texts against lists of what is understood. Whatever is not on a list was not read, and then nothing is certain."""
