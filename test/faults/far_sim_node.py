"""sim_node whose cameras are reached through camera_relay.py, as over a bridge."""

import sys

from qwen_vla_sim.node.sim_node import main

CAMERAS = ("blue/image_raw", "wrist/image_raw")  # of a WidowX

if __name__ == "__main__":
    for topic in CAMERAS:
        sys.argv += ["-r", f"{topic}:=far/{topic}"]
    main()
