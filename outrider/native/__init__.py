"""The core of the hot path in C, where it was built: `core`, or None.

`scan` finds the lines of a chunk, `google` and `datadog` write entries of them, with nothing made of a line on the way.
Each does what Python does as well (outrider/tail/lines.py, the encoders), and whatever it will not judge it leaves to
Python: `scan` a chunk with any line of another shape, the encoders single lines. So an installation without a compiler
is slower and otherwise the same, and the tests hold both to one result. `OUTRIDER_NATIVE=off` in the environment leaves
it out, to see whether it is to blame.

Costs 0.08 µs a line to scan and 0.2 to 0.8 µs to encode, against 0.6 and 1.2 to 2.7 µs (`python -m bench stages`).
"""

import os
import struct

FORM = 1
"""Of what is given to the functions and comes from them; an extension that was compiled for another is not used."""
trouble = ""
"""Why there is none, if it was built."""

try:
    import outrider.native._core as _core  # `from` would not tell one that is not there from one that cannot be loaded
except ModuleNotFoundError:
    core = None
except ImportError as e:  # of another machine, or for another C library
    core, trouble = None, f"cannot be loaded: {e}"
else:
    core = _core
    if getattr(_core, "FORM", 0) != FORM:
        core, trouble = None, "is older than the rest"
if os.environ.get("OUTRIDER_NATIVE") == "off":
    core, trouble = None, "is left out (OUTRIDER_NATIVE=off)"

_length = struct.Struct("=I").pack


def strings(*some: bytes) -> bytes:
    """`some` as one, in the form in which `core` takes them."""
    return b"".join([part for one in some for part in (_length(len(one)), one)])
