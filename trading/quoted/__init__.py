"""Quoted baskets after the fact: what fills were worth a moment later, what quotes of a series have brought, and what a person sees of them."""
