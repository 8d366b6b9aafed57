"""Cameras: a child process reads, the newest frame is handed over in shared memory, a watch finds frozen, stale and black pictures."""
