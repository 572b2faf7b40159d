"""The plant as an OPC UA server: address space, pacing against real time, history, events, methods, security."""
