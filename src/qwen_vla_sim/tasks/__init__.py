"""Tasks: scenes by seed, what counts as success, and scripted experts that solve them."""
