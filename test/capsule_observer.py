"""Distances between a robot's capsules by MuJoCo: shares no code with the safety filter.

The robot is built anew from the embodiment's YAML text, and MuJoCo computes where everything is
and how far apart.
"""

from itertools import combinations

import mujoco
import numpy as np
import yaml

FARTHEST_M = 2.0
AXES = {"x": "1 0 0", "y": "0 1 0", "z": "0 0 1"}


class CapsuleObserver:
    """One robot; ``nearest`` says how far the closest two parts are that may not touch."""

    def __init__(self, text):
        robot = yaml.safe_load(text)
        collision = robot["collision"]
        self.margin_m, self.table_z_m = collision["margin_m"], collision["table_z_m"]
        shapes = {name: arm["capsules"] for arm in collision["arms"] for name in arm["groups"]}
        self._rows, self._parts, bodies, row = [], [], "", 0
        for group in robot["groups"]:
            count = len(group["joints"])
            if group["name"] in shapes:
                self._rows.append((group["name"], slice(row, row + count)))
                bodies += self._body(group, shapes[group["name"]])
            row += count
        self._model = mujoco.MjModel.from_xml_string(
            f"<mujoco><compiler angle='radian'/><worldbody>{bodies}</worldbody></mujoco>"
        )
        self._data = mujoco.MjData(self._model)
        self._pairs = [
            (self._geom(a), self._geom(b), a, b)
            for a, b in combinations(self._parts, 2)
            if self._apart(a, b)
        ]

    def _body(self, group, capsules):
        chain = group["action"]["kinematics"]
        by_link = {}
        for number, capsule in enumerate(capsules):
            by_link.setdefault(capsule["link"], []).append((number, capsule))
        mount = chain.get("mount_m", [0.0, 0.0, 0.0])
        text = f"<body pos='{_text(mount)}'>" + self._geoms(group, 0, by_link.get("base_link", ()))
        hardware = {j["name"]: j.get("hardware_name", j["name"]) for j in group["joints"]}
        for depth, link in enumerate(chain["links"], start=1):
            name = link["joint"]
            text += f"<body pos='{_text(link['origin_m'])}'>"
            text += f"<joint name='{name}' axis='{AXES[link['axis']]}'/>"
            text += "<inertial pos='0 0 0' mass='1' diaginertia='1 1 1'/>"
            text += self._geoms(group, depth, by_link.get(hardware[name], ()))
        return text + "</body>" * (len(chain["links"]) + 1)

    def _geoms(self, group, depth, capsules):
        text = ""
        for number, capsule in capsules:
            name = f"{group['name']}/{number}"
            self._parts.append((name, group["name"], depth, capsule))
            ends = _text([*capsule["from_m"], *capsule["to_m"]])
            text += f"<geom name='{name}' type='capsule' fromto='{ends}' "
            text += f"size='{capsule['radius_m']}'/>"
        return text

    def _geom(self, part):
        return mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_GEOM, part[0])

    @staticmethod
    def _apart(a, b):
        if a[1] == b[1]:
            return abs(a[2] - b[2]) > 1  # neighbours touch by construction
        kinds = {a[3].get("kind", "link"), b[3].get("kind", "link")}
        return ("link" in kinds or "fingers" not in kinds) and (a[2] or b[2])

    def distances(self, positions_D):
        """By pair of names: distance, m. And by name: height above the table, m.

        The margin is added where the embodiment asks for none.
        """
        self._place(positions_D)
        line = np.zeros(6)
        apart = {
            (a[0], b[0]): mujoco.mj_geomDistance(self._model, self._data, i, j, FARTHEST_M, line)
            + (self.margin_m if _hands(a, b) else 0.0)
            for i, j, a, b in self._pairs
        }
        return apart, self._heights()

    def _place(self, positions_D):
        qpos = np.concatenate([positions_D[rows] for _, rows in self._rows])
        self._data.qpos[:] = qpos
        mujoco.mj_kinematics(self._model, self._data)

    def _heights(self):
        heights = {}
        for part in self._parts:
            name, _, depth, capsule = part
            if self.table_z_m is None or depth < 2:
                continue
            i = self._geom(part)
            half = self._model.geom_size[i][1] * abs(self._data.geom_xmat[i][8])
            lowest = self._data.geom_xpos[i][2] - half - capsule["radius_m"] - self.table_z_m
            heights[name] = lowest + (self.margin_m if capsule.get("kind") == "fingers" else 0.0)
        return heights

    def tool(self, positions_D, tool_origin_m):
        """Where the tool of the first arm is in its base_link, m; for an arm that is not moved."""
        self._place(positions_D)
        last = self._model.nbody - 1
        turn = self._data.xmat[last].reshape(3, 3)
        return self._data.xpos[last] + turn @ np.array(tool_origin_m)

    def nearest(self, positions_D):
        """The smallest distance of all, m."""
        apart, heights = self.distances(positions_D)
        return min([*apart.values(), *heights.values()])


def _hands(a, b):
    return a[1] != b[1] and a[3].get("kind") == b[3].get("kind") == "hand"


def _text(numbers):
    return " ".join(f"{number:.9f}" for number in numbers)
