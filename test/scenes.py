"""A scene in which nothing is to be seen, for tests that draw or describe one thing of it."""

import numpy as np

from qwen_vla_core.scene import Scene, Status

NOTHING = Scene(
    stamp_s=0.0,
    frame="world",
    status=Status(),
    joints={},
    commanded={},
    ghost=None,
    plan=(),
    events=(),
    old_plans=(),
    executed=(),
    limits=(),
    footprints=np.empty((0, 4, 3)),
)
