"""Where the package's own files are; see ``qwen_vla_core.resources``."""

from qwen_vla_core.resources import SHIPPED_CHECKPOINT, embodiments_directory, share_directory

__all__ = ["SHIPPED_CHECKPOINT", "embodiments_directory", "share_directory"]
