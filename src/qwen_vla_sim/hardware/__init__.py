"""Simulated hardware: what motors do with commands, and what their drivers do with messages."""
