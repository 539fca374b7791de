"""Whether prices mean what they say: said against came on recorded markets, and a correction that must earn its use."""
