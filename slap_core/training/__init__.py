"""One file per trained network; each is a command: python -m slap_core.training.<name>."""
