"""The hot path in C, where it was built: `core` is the extension, or None, and then Python does the same work."""

import contextlib
import importlib
from typing import Any

core: Any = None
with contextlib.suppress(ImportError):
    core = importlib.import_module("outrider.native._core")
