"""A link as a QR code, for print (SVG) and for slides and messengers (PNG)."""

import io
from typing import Literal

import segno

Kind = Literal["svg", "png"]
SCALE: dict[Kind, int] = {"svg": 8, "png": 16}
"""pixels of a module"""
QUIET_ZONE = 4
"""modules of white around it, as ISO/IEC 18004 asks"""


def qr_code(address: str, kind: Kind) -> bytes:
    """The picture, black on white whatever it stands on; a quarter may be covered or torn (error level Q) and it is read."""
    picture = io.BytesIO()
    segno.make(address, error="q", micro=False).save(
        picture, kind=kind, scale=SCALE[kind], border=QUIET_ZONE, light="#fff"
    )
    return picture.getvalue()
