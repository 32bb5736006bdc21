"""What is wrong with an episode: one file for each thing that is looked at."""

from .cameras import CameraLook, swapped_between_episodes
from .episode import Checked, check_episode
from .finding import Finding

__all__ = ["CameraLook", "Checked", "Finding", "check_episode", "swapped_between_episodes"]
