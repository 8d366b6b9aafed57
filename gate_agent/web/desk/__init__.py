"""The desks of the agencies: their pages, and which of their fields each role may see."""
