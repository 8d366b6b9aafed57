"""Leads eGate's contract suite to this check: what it is shown, and what it has to say of that."""

CHECKS = {
    "example_series": [
        ({"issuing_state": "UTO", "document_number": "X7766552"}, "failed"),
        ({"issuing_state": "UTO", "document_number": "X7766560"}, "successful"),
        ({"issuing_state": "UTO", "document_number": None}, "undetermined"),
        ({"issuing_state": "D", "document_number": "X7766552"}, "not_supported"),
    ]
}
