"""Where the package's own files are: in the checkout, or in share/ of an install."""

import os
import sys
from pathlib import Path
from xml.etree import ElementTree

from .errors import QwenVlaError

PACKAGE = "qwen_vla_ros"

SHIPPED_CHECKPOINT = (
    Path(__file__).resolve().parents[1] / "qwen_vla_model" / "checkpoints" / "generalist"
)
"""The folder of the weights that come with the package."""


def share_directory() -> Path:
    """The folder that holds embodiments/, config/, launch/ and rviz/.

    Raises:
        QwenVlaError: this is neither a checkout nor an install that colcon or pip made.
    """
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "embodiments").is_dir():
        return checkout
    workspaces = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    for prefix in (*filter(None, workspaces), sys.prefix):
        folder = Path(prefix) / "share" / PACKAGE
        if (folder / "embodiments").is_dir():
            return folder
    raise QwenVlaError(
        f"no folder share/{PACKAGE}/embodiments in AMENT_PREFIX_PATH or {sys.prefix}; "
        "source the workspace's install/setup.bash, or install the package again"
    )


def package_version() -> str:
    """The version in package.xml."""
    return ElementTree.parse(share_directory() / "package.xml").findtext("version")


def embodiments_directory() -> Path:
    """The folder of embodiment descriptions."""
    return share_directory() / "embodiments"
