"""Benchmarks that others wrote, each in an environment of its own, behind openpi's wire format."""
