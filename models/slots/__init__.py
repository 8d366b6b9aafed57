"""One module per decoder family: what an operator's model of that layout needs around it, chosen by its manifest alone."""
