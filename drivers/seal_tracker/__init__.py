"""Electronic seals and their trackers: one codec per maker's protocol, normalised events, the server that trackers call."""
