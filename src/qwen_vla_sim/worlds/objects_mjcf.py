"""Things that a WidowX picks up and puts down, as MJCF text: grey, scenes give them colours."""

TOUCHED = (
    'contype="1" conaffinity="1" condim="4" friction="1.2 0.02 0.0001" '
    'solref="0.005 1" solimp="0.98 0.998 0.001"'
)
"""Contacts that hold what a gripper with rubber fingers lifts."""

BLOCKS = ("block_1", "block_2", "block_3")
BRICKS = ("brick_1", "brick_2", "brick_3")
"""Longer and narrower than blocks."""
PLATES = ("plate_1", "plate_2")
TRAYS = ("tray_1", "tray_2")
"""Square plates."""
HALF_M = {
    **dict.fromkeys(BLOCKS, (0.02, 0.02, 0.02)),
    **dict.fromkeys(BRICKS, (0.031, 0.017, 0.02)),
    **dict.fromkeys(PLATES, (0.045, 0.045, 0.003)),
    **dict.fromkeys(TRAYS, (0.041, 0.041, 0.003)),
}
"""Half of each object's length, width and height."""


def object_mjcf(name: str, parked_m: tuple[float, float, float]) -> str:
    """A body that floats where it is parked until a scene uses it."""
    length, width, height = HALF_M[name]
    box = f'type="box" size="{length} {width} {height}"'
    shapes = f'<geom {box} mass="{_mass_kg(name)}" {TOUCHED}/>'
    if name in PLATES:
        # Round to the eye only: contacts of thin cylinders are sometimes found centimetres deep,
        # and throw the plate (MuJoCo's general convex collider; two boxes have one of their own).
        inside = f'type="box" size="{0.9 * length} {0.9 * width} {height}" group="3"'
        shapes = f"""<geom {inside} mass="{_mass_kg(name)}" {TOUCHED}/>
      <geom type="cylinder" size="{length} {height}" mass="0" contype="0" conaffinity="0"/>"""
    return f"""
    <body name="{name}" pos="{" ".join(f"{value:.3f}" for value in parked_m)}" gravcomp="1">
      <freejoint name="{name}"/>
      {shapes}
    </body>"""


def _mass_kg(name: str) -> float:
    return 0.15 if name in PLATES + TRAYS else 0.05
