"""Results of X-ray screening, as another machine leaves them."""
