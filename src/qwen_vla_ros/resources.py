"""Where the package's own files are: in the checkout, or in share/ of a colcon install."""

from pathlib import Path

PACKAGE = "qwen_vla_ros"

SHIPPED_CHECKPOINT = (
    Path(__file__).resolve().parents[1] / "qwen_vla_model" / "checkpoints" / "generalist"
)
"""The folder of the weights that come with the package."""


def share_directory() -> Path:
    """The folder that holds embodiments/, config/, launch/ and rviz/."""
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "embodiments").is_dir():
        return checkout
    from ament_index_python.packages import get_package_share_directory

    return Path(get_package_share_directory(PACKAGE))


def embodiments_directory() -> Path:
    """The folder of embodiment descriptions."""
    return share_directory() / "embodiments"
