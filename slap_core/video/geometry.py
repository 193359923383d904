"""From coded pictures to upright ones with square pixels.

A container may say that its pictures are to be turned or mirrored (the display matrix, as every phone writes it) and
that its pixels are not square (the sample aspect ratio, width over height of one pixel). Pictures are resized first,
in the decoder, then turned. With the display matrix [[a, b], [c, d]], x to the right and y down, a pixel moves to

    x' = a x + c y        y' = b x + d y
"""

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import UInt8


@dataclasses.dataclass(frozen=True)
class Orientation:
    """One of the eight ways to hang a picture: transposed first, then mirrored."""

    transposed: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False

    @property
    def upright(self) -> bool:
        """Whether nothing has to be done."""
        return not (self.transposed or self.mirrored_x or self.mirrored_y)

    def apply(self, picture: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "turned_height turned_width 3"]:
        """The picture as it is to be seen."""
        if self.transposed:
            picture = picture.transpose(1, 0, 2)
        if self.mirrored_x:
            picture = picture[:, ::-1]
        if self.mirrored_y:
            picture = picture[::-1]
        return np.ascontiguousarray(picture)


def orientation_of(frame: Any) -> Orientation:
    """The orientation that a decoded `av.VideoFrame` asks for; angles are rounded to quarter turns."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Orientation()
    matrix = np.frombuffer(bytes(data), dtype=np.int32)
    if matrix.size < 5:
        return Orientation()
    a, b, c, d = (int(matrix[i]) for i in (0, 1, 3, 4))
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(transposed=True, mirrored_x=c < 0, mirrored_y=b < 0)
    return Orientation(mirrored_x=a < 0, mirrored_y=d < 0)


def output_size(
    width: int, height: int, *, pixel_aspect: Fraction, transposed: bool, size: int | tuple[int, int] | None
) -> tuple[int, int]:
    """The (height, width) of the upright picture, in pixels.

    Args:
        width: of the coded picture.
        height: of the coded picture.
        pixel_aspect: sample aspect ratio; the width is multiplied by it, as players do.
        transposed: whether the orientation swaps the axes.
        size: None: as large as coded; an int: the length of the shorter side; or (height, width).
    """
    if isinstance(size, tuple):
        return size
    wide, high = Fraction(width) * pixel_aspect, Fraction(height)
    if transposed:
        wide, high = high, wide
    scale = Fraction(1) if size is None else size / min(wide, high)
    return max(1, round(high * scale)), max(1, round(wide * scale))
