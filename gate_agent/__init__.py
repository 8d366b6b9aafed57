"""eGate: the software of a border-crossing e-Gate, from the document on the glass to the record in the centre's database."""

__version__ = "0.1.0"
