"""The HTTP side: the live page, /health and /metrics. Import `server` and `settings`; NiceGUI loads when it starts."""
