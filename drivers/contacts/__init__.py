"""A few inputs and outputs on a Modbus box, for devices that are no more than contacts; such a box may be the barrier's own."""
