"""The registry of contract terms: which document controls a series, what a person found in it, and whether it is still that one."""
