"""What was made: results, backtests, capital, paper beside live, exports."""
