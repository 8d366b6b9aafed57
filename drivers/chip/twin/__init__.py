"""A virtual passport: the chip side of ISO 7816, with cryptography of its own."""
