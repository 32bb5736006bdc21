"""All that is looked at in one episode."""

from dataclasses import dataclass

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError

from ..episode import Episode
from ..plans import check_robot
from .cameras import CameraLook, looks_of, swapped_within
from .finding import Finding
from .images import image_findings, thumbnails
from .joints import joint_findings
from .labels import instruction_findings, time_findings
from .motion import motion_findings


@dataclass(frozen=True, kw_only=True, eq=False)
class Checked:
    """What is wrong, and what it looks like, to be compared with other episodes."""

    findings: tuple[Finding, ...]
    looks: tuple[CameraLook, ...]


def check_episode(episode: Episode, codec: EmbodimentCodec) -> Checked:
    """Look at everything; what an episode lacks is a finding, too."""
    robot = codec.embodiment
    try:
        check_robot(episode, codec)
    except QwenVlaError as error:
        return Checked(findings=(Finding(second=0.0, what=str(error)),), looks=())
    findings = instruction_findings(episode) + time_findings(episode, robot)
    if episode.left_out is not None:
        findings.append(Finding(second=0.0, what=episode.left_out))
    findings += joint_findings(episode, robot) + motion_findings(episode, codec)
    small = {}
    for camera in robot.cameras:
        if camera.name not in episode.images:
            if not camera.optional:
                findings.append(Finding(second=0.0, what=f"no images of camera {camera.name}"))
            continue
        small[camera.name], light_T2 = thumbnails(camera, episode.images[camera.name])
        findings += image_findings(episode, robot, camera, light_T2)
    findings += swapped_within(episode, robot, small)
    return Checked(
        findings=tuple(sorted(findings, key=lambda finding: finding.second)),
        looks=looks_of(small),
    )
