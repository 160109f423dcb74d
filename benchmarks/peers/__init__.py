"""Lambda handlers for comparison: less than the callbacks do, as a merchant could write them."""
