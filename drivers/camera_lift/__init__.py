"""A camera that travels up and down."""
