"""Device drivers: bytes to typed events and back. They have no idea what a border is."""
