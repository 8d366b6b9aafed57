"""Unmanned aircraft: their telemetry, listened to and never answered."""
