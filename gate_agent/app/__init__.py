"""The wiring of one gate: the only place that picks concrete devices, engines and links."""
