"""The launch files, without what is one robot's: arguments, actions, and the end of a node."""
