"""Families: markets of several events on one underlying value, and the baskets across them. Pure: no Django, no input or output."""
