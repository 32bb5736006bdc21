"""How long the model takes, and how long it would have to take on this machine at least."""
