"""How worlds with an arm are computed and lit, as the beginning of their MJCF text."""


def arm_world_mjcf(*, znear: float, option: str = "") -> str:
    """Everything before the world's body.

    Args:
        znear: nearest that a camera sees, as a part of the world's size.
        option: more attributes of ``<option>``.
    """
    return f"""<compiler angle="radian" autolimits="true"/>
  <option timestep="0.002" integrator="implicitfast" cone="elliptic" impratio="10"{option}/>
  <visual>
    <headlight ambient="0.35 0.35 0.35" diffuse="0.25 0.25 0.25" specular="0 0 0"/>
    <quality offsamples="0" shadowsize="0"/>
    <map znear="{znear}" zfar="4"/>
    <global offwidth="640" offheight="480"/>
  </visual>
  <asset>
    <texture type="skybox" builtin="flat" rgb1="0.55 0.60 0.64" width="16" height="96"/>
  </asset>"""
