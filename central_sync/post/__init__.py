"""Between the gates of one border post and its `egate post`: facts, seal reports and large files, over mutual TLS with pinned certificates."""
