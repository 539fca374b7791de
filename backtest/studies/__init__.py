"""Many runs, or runs beside something else: sweeps, evidence, comparison with what was recorded, leaks."""
