"""Power supplies that can run on a battery."""
