"""Quoted baskets on recorded prints: what would have filled, what completed, and what the rest was worth."""
