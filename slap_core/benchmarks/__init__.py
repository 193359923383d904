"""One file per table that README prints; each is a command: python -m slap_core.benchmarks.<name>."""
