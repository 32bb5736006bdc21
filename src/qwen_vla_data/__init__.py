"""Recorded episodes: their format, and what is learned from them; neither ROS nor torch."""
