"""Access control at staff doors: badge readers, keypads and locks that speak OSDP."""
