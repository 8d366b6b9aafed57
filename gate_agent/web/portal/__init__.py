"""Declaration pages: one question per page, no script needed, nothing kept longer than the draft's hour."""
