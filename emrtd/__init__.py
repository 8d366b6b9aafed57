"""ICAO Doc 9303 on the chip, as bytes and values: TLV, files of the logical data structure, keys. No device, no judgement, no clock."""
