"""One MuJoCo world per embodiment, drawn with primitives."""
