"""What sources got wrong so far, by what the exchange settled on: bias, spread, weight beside the market, and how good all that was."""
