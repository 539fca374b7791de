"""Walk-forward proof on recorded days: what each source, the learned errors, the combination and the market would have scored."""
