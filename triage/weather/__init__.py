"""From a temperature market to its station, its day and its bounds; from a forecast to probabilities. Pure."""
