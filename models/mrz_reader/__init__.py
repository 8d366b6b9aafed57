"""The machine readable zone in a picture: found at any rotation, read by our own network, decoded over the grammar of ICAO Doc 9303.

`read_zone` answers with what it read and how sure it is of every character; whether the zone is *accepted* is part of the answer.
Nothing is repaired silently: a character that only a check digit speaks for is read, named as doubtful, and not accepted.
"""

from models.mrz_reader.reader import MrzReader, read_zone
from models.mrz_reader.zone import DoubtfulCharacter, MrzZone

__all__ = ["DoubtfulCharacter", "MrzReader", "MrzZone", "read_zone"]
