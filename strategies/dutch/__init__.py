"""The mathematics of a dutch: payoffs, coverage, sizes, the best basket and the reason why there is none. Pure."""
