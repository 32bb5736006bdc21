"""A policy run on what was recorded: how far it is from what was done, and where most."""
