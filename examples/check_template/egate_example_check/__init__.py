"""A made-up check of document numbers for eGate."""
