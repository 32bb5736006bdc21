"""Evaluation, reports, benchmarks and films: whatever measures or shows a policy."""
