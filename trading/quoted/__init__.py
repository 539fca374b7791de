"""Quoted baskets after the fact: what fills were worth a moment later, and what the quotes of a series have brought."""
