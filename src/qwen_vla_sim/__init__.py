"""Simulated robots: MuJoCo worlds, tasks, scripted experts, and a node that poses as hardware."""
