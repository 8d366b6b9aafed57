"""Driver of a made-up bar code reader: the template of docs/drivers.md."""
