"""Alert rules over values and events."""
