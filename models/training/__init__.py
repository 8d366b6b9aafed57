"""How our own small models are made: from seeds and free fonts, with torch, which the product itself never imports."""
