"""The kinds of values that descriptions are made of."""

import re
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field, FiniteFloat


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", text):
        raise ValueError(f"'{text}' is no name: a letter, then letters, digits and _")
    return text


def _topic(text: str) -> str:
    if not re.fullmatch(r"/?[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*", text):
        raise ValueError(f"'{text}' is no ROS topic name: names with / between them")
    return text


Name = Annotated[str, AfterValidator(_name)]
Topic = Annotated[str, AfterValidator(_topic)]
Positive = Annotated[FiniteFloat, Field(gt=0.0)]
Vector3 = tuple[FiniteFloat, FiniteFloat, FiniteFloat]

ROTATION_TOLERANCE = 1e-3
"""How far a rotation matrix in a file may be from orthonormal: three digits are enough."""


def _rotation_matrix(rows: tuple[Vector3, Vector3, Vector3]) -> tuple[Vector3, Vector3, Vector3]:
    matrix = np.array(rows)
    if np.abs(matrix @ matrix.T - np.eye(3)).max() > ROTATION_TOLERANCE:
        raise ValueError("not a rotation matrix: its rows are not orthonormal")
    if np.linalg.det(matrix) < 0.0:
        raise ValueError("not a rotation matrix but a mirror image: its determinant is -1")
    return rows


Rotation = Annotated[tuple[Vector3, Vector3, Vector3], AfterValidator(_rotation_matrix)]
"""A rotation matrix, row by row."""
