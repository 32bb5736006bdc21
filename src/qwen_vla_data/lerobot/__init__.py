"""LeRobot datasets, format v3.0: write, read and validate; LeRobot itself is not needed."""
