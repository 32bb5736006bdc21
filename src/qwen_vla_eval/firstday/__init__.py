"""A person's first day with a robot, in simulation: from teleoperation to their own policy."""
