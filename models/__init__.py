"""Arrays to results: face detection, alignment, embedding and comparison. It has no idea what a lane is."""
