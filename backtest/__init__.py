"""What a profile would have done with a tape: the product's own screening, cycle, execution and settlement on a simulated clock."""
