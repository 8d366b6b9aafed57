"""The enclosure of a gate: how warm it is inside, and its heater."""
