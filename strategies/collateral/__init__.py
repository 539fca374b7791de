"""Collateral return: what the exchange gives back while positions of one group are held. Pure: no Django, no input or output."""
