"""Values and rules of the business, without any I/O: what a rate, a position, an order, a forecast *is*."""
