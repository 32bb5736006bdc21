"""How the columns of a dataset are stored in its tables."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa


def arrow_type(described: Mapping[str, Any]) -> pa.DataType:
    """How a column of numbers or images is stored."""
    if described["dtype"] == "image":
        return pa.struct({"bytes": pa.binary(), "path": pa.string()})
    value, shape = described["dtype"], described["shape"]
    kind = pa.string() if value == "string" else pa.from_numpy_dtype(np.dtype(value))
    return kind if shape == [1] else pa.list_(kind, shape[0])


def is_flat(described: Mapping[str, Any]) -> bool:
    """Whether a column stands in the tables as ``arrow_type`` says: no video, and no matrix."""
    return described["dtype"] == "image" or (
        described["dtype"] not in ("video", "language") and len(described["shape"]) == 1
    )
