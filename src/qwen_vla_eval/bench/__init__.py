"""Measurements behind `qwen-vla bench`; the only place beside the model that uses torch."""
