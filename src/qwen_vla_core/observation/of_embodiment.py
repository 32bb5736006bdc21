"""The assembler of a robot's observations, as its description says."""

from ..embodiment import Embodiment
from ..embodiment.streams import joint_streams
from .assembler import CameraSpec, JointsSpec, ObservationAssembler


def assembler_of(embodiment: Embodiment, *, simulated: bool) -> ObservationAssembler:
    """Cameras by their names, joint states by their topics, with the embodiment's limits.

    Args:
        simulated: a still image is not a frozen camera.
    """
    watchdogs = embodiment.watchdogs
    return ObservationAssembler(
        cameras=[
            CameraSpec(
                name=camera.name,
                max_age_s=camera.max_age_s,
                optional=camera.optional,
                frozen_after_s=None if simulated else watchdogs.frozen_camera_s,
                history_s=camera.history_s(embodiment.action_hz),
            )
            for camera in embodiment.cameras
        ],
        joint_streams=[
            JointsSpec(
                name=stream.topic,
                max_age_s=watchdogs.joint_states_s,
                joints=stream.driver_names,
                rows=stream.rows,
            )
            for stream in joint_streams(embodiment)
        ],
        joint_names=embodiment.joint_names,
        unmeasured_rows=[row for row, base in enumerate(embodiment.base_D) if base],
        max_skew_s=watchdogs.camera_skew_s,
    )
