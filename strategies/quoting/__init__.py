"""Quoted baskets: a leg that rests in the book and the legs that are bought when it fills. Pure: no Django, no input or output."""
