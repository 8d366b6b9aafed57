"""Barriers: doors behind an input/output box that ends every release by itself."""
