"""The chocolate plant as a digital twin: pure, deterministic, without wall clock and I/O. `plant.Plant` is the door."""
