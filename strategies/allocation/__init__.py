"""Where money returns most: which of several baskets to buy when capital, positions or orders do not suffice for all. Pure."""
