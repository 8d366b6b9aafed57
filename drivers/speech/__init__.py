"""Spoken instructions: words from a synthesiser or from recordings, to a sound card."""
