"""Bar code readers, and bar codes in pictures."""
