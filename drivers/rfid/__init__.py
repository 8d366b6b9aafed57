"""Readers of radio frequency tags (EPC Gen2), among them the tags in seals."""
