"""Another's model behind openpi's protocol, as a policy of our robot."""

import numpy as np

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.errors import CheckpointError, RemoteError
from qwen_vla_core.execution import Prefix
from qwen_vla_core.types import Observation

from ..dialect import error_in
from .images import fit_image
from .joint_space import in_joint_space
from .parts import actions_of, state_of
from .schema import Backend


class Adapter:
    """Requests and answers of one backend for one robot. Implements ``Dialect``.

    The policy's actions are those of ``in_joint_space``: an answer becomes joint targets at the
    backend's rate, and those the robot's action steps. Real-time chunking is not in the protocol,
    so the prefix is not sent; control_node fades from one chunk to the next.
    """

    numbered = False

    def __init__(self, backend: Backend, robot: Embodiment, name: str) -> None:
        """Compare the file with the robot.

        Args:
            name: what errors call the backend.
        Raises:
            CheckpointError: they do not fit each other; cameras and groups are named.
        """
        self._backend, self._robot, self._name = backend, robot, name
        self._codec = EmbodimentCodec(in_joint_space(robot))
        groups = {group.name: group for group in robot.groups}
        cameras = {camera.name for camera in robot.cameras}
        if unknown := [v.camera for v in backend.images.views if v.camera not in cameras]:
            self._refuse(f"it shows {', '.join(unknown)}; the cameras are {', '.join(cameras)}")
        parts = [part for vector in (*backend.states, backend.actions) for part in vector.parts]
        if unknown := sorted({part.group for part in parts} - set(groups)):
            self._refuse(f"it names {', '.join(unknown)}; the groups are {', '.join(groups)}")
        acting = {part.group for part in backend.actions.parts}
        if idle := sorted(set(groups) - acting):
            self._refuse(f"its actions say nothing of {', '.join(idle)}")
        chunk_s = robot.horizon * robot.action_step_s
        if backend.chunk_s < chunk_s - 1e-9:
            self._refuse(
                f"its answer lasts {backend.chunk_s:.2f} s and a chunk of the robot {chunk_s:.2f} "
                "s; lower horizon in a copy of the embodiment"
            )
        try:
            self._states = [
                (
                    v.key,
                    [(robot.group_slice(p.group), state_of(p, groups[p.group])) for p in v.parts],
                )
                for v in backend.states
            ]
            self._actions = [
                (robot.group_slice(p.group), *actions_of(p, groups[p.group]))
                for p in backend.actions.parts
            ]
        except RemoteError as error:
            self._refuse(str(error))

    def _refuse(self, why: str) -> None:
        raise CheckpointError(f"backend {self._name} does not fit {self._robot.name}: {why}")

    def check(self, metadata: object) -> None:
        """Refuse a server that is plainly another.

        Raises:
            RemoteError: it is one of ours, or says that its answers have another length.
        """
        if not isinstance(metadata, dict):
            raise RemoteError("it does not begin with a map, as openpi's protocol does")
        if metadata.get("protocol") == "qwen_vla":
            raise RemoteError("it is a qwen-vla server; use it without a backend")
        horizon = metadata.get("action_horizon", metadata.get("action_chunk_size"))
        if isinstance(horizon, int) and horizon != self._backend.horizon:
            raise RemoteError(
                f"its answers have {horizon} steps, and those of backend {self._name} "
                f"{self._backend.horizon}"
            )

    def write(
        self, observation: Observation, prefix: Prefix | None, number: int, left_s: float
    ) -> dict:
        """The request."""
        request: dict = dict(self._backend.constants)
        for view in self._backend.images.views:
            if view.camera in observation.images:
                image = fit_image(observation.images[view.camera], self._backend.images)
                _put(request, view.key, image)
        for key, parts in self._states:
            values = [read(observation.positions_D[rows]) for rows, read in parts]
            _put(request, key, np.concatenate(values).astype(np.float32))
        _put(request, self._backend.prompt, observation.instruction)
        return request

    def error(self, answer: object) -> str:
        """Why the server has no actions, in its words; empty where it has."""
        return error_in(answer)

    def read(self, answer: object, observation: Observation) -> np.ndarray:
        """Normalised actions [H, C] of ``in_joint_space``, float32 in [-1, 1].

        Raises:
            RemoteError: the answer holds something else; nothing of it may reach the robot.
        """
        values_HN = self._values(answer)
        commanded_D = observation.commanded_D
        targets_TD = np.empty((len(values_HN) + 1, len(commanded_D)))
        targets_TD[0], column = commanded_D, 0
        for rows, count, take in self._actions:
            targets_TD[1:, rows] = take(
                values_HN[:, column : column + count],
                observation.positions_D[rows],
                commanded_D[rows],
            )
            column += count
        native_HC = self._codec.encode(self._at_our_rate(targets_TD))
        return self._codec.normalize_actions(native_HC).astype(np.float32)

    def _values(self, answer: object) -> np.ndarray:
        found = answer
        for step in self._backend.actions.key:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):
                said = f"; it says {str(answer)[:300]}" if isinstance(answer, dict) else ""
                raise RemoteError(f"no {step!r} in the answer{said}") from None
        if not isinstance(found, np.ndarray) or found.dtype.kind != "f":
            raise RemoteError(f"actions are no array of floats but {str(found)[:300]}")
        if found.ndim == 3 and len(found) == 1:
            found = found[0]
        shape = (self._backend.horizon, sum(count for _, count, _ in self._actions))
        if found.shape != shape:
            raise RemoteError(f"actions have shape {found.shape}, not {shape}")
        if not np.isfinite(found).all():
            raise RemoteError("actions hold NaN or infinity")
        return found.astype(float)

    def _at_our_rate(self, targets_TD: np.ndarray) -> np.ndarray:
        """Targets [H + 1, D] at the robot's action steps, of those at the backend's."""
        theirs_s = np.arange(len(targets_TD)) / self._backend.action_hz
        ours_s = np.arange(self._robot.horizon + 1) * self._robot.action_step_s
        return np.stack([np.interp(ours_s, theirs_s, joint) for joint in targets_TD.T], axis=1)


def _put(request: dict, key: tuple[str | int, ...], value: object) -> None:
    """Store a value at a path; lists and maps on the way are made."""
    place: dict | list = request
    for step, following in zip(key, (*key[1:], None), strict=True):
        made: object = value if following is None else [] if isinstance(following, int) else {}
        if isinstance(place, list):
            while len(place) <= step:
                place.append(None)
            if place[step] is None or following is None:
                place[step] = made
        elif following is None or step not in place:
            place[step] = made
        place = place[step]
