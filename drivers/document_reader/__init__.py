"""Readers of travel documents: machine readable zones and images."""
