"""The parts of the stream's benchmarks: a flooding server, the plain way, ours, the peers, latency."""
