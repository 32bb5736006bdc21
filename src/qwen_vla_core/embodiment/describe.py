"""An embodiment in lines for a person: prompt, cameras, channels, joints and limits."""

from .prompt import build_prompt
from .schema import Camera, EeDelta, Embodiment, Group


def describe_embodiment(embodiment: Embodiment, origin: str) -> list[str]:
    """The description in lines for a person; ``origin`` is the file it came from."""
    lines = [
        f"{origin}: embodiment '{embodiment.name}' is valid",
        "",
        f"prompt   {build_prompt(embodiment, '<instruction>')}",
        f"rates    actions {embodiment.action_hz:g} Hz, commands {embodiment.command_hz:g} Hz, "
        f"horizon {embodiment.horizon} steps ({embodiment.horizon / embodiment.action_hz:g} s)",
        "",
        "cameras",
    ]
    for camera in embodiment.cameras:
        lines.append(
            f"  {camera.name:<16} {camera.topic:<28} {camera.tag:<16} "
            f"{camera.width} x {camera.height}  at most {camera.max_age_s:g} s old"
            + _special(camera)
        )
    for group in embodiment.groups:
        lines += [
            "",
            f"group '{group.name}': {_convention(group)} through {group.driver.type}"
            + ("" if group.is_base else f", {group.side} side"),
        ]
        quantiles = group.action_normalization
        for channel, low, high in zip(
            group.action_channels, quantiles.q01, quantiles.q99, strict=True
        ):
            lines.append(f"  action {channel:<16} q01 {low:>8g}  q99 {high:>8g}")
        for joint in group.joints:
            lines.append(
                f"  joint  {joint.name:<16} {joint.lower:>9.4f} .. {joint.upper:<9.4f} "
                f"{joint.unit:<4} <= {joint.velocity:g} {joint.unit}/s, "
                f"{joint.acceleration:g} {joint.unit}/s^2"
            )
    if embodiment.hardware is not None:
        lines += ["", "bringup_hardware:=true starts"]
        for one in embodiment.hardware.start:
            with_teleop = f" with teleop:={one.teleop}" if one.teleop else ""
            lines.append(f"  {one.package} {one.launch or one.executable}{with_teleop}")
    return lines


def _special(camera: Camera) -> str:
    """What few cameras have."""
    words = ""
    if camera.depth_range_m is not None:
        words += ", depth from {:g} to {:g} m".format(*camera.depth_range_m)
    if camera.history_steps:
        steps = " and ".join(map(str, camera.history_steps))
        words += f", also seen {steps} action steps before"
    return words + (", optional" if camera.optional else "")


def _convention(group: Group) -> str:
    """How the model acts on a group."""
    action = group.action
    if isinstance(action, EeDelta):
        return f"{action.convention} ({action.rotation}, {action.frame_name} axes)"
    return action.convention
