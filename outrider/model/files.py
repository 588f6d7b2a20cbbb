"""State files that are whole or not there.

A state file is one line of JSON, `{"version":…,"crc32":…,"body":…}`, written to a temporary name, flushed to the disk
and renamed over the old one, so a reader (or the next start after `kill -9` or a power cut) sees the old content or
the new, never half of one. A file that fails its checksum is set aside under `<name>.corrupt-<n>` for a person to
look at, and reading goes on as if it were missing.
"""

import contextlib
import os
import zlib
from pathlib import Path
from typing import Any

import msgspec
import orjson


class CorruptStateError(Exception):
    """A state file was there but could not be trusted; `kept` is where it lies now (None if it could not be moved)."""

    def __init__(self, path: Path, reason: str, kept: Path | None) -> None:
        super().__init__(f"{path}: {reason}; " + (f"kept as {kept}" if kept else "it could not be set aside"))
        self.path, self.reason, self.kept = path, reason, kept


class _Envelope(msgspec.Struct):
    version: int
    crc32: int
    body: msgspec.Raw


def write_state(path: Path, body: Any, version: int = 1) -> None:
    """Replace `path` by `body` (anything orjson or msgspec encodes), atomically and durably.

    Raises OSError (disk full, read-only file system, …); the old file is then untouched.
    """
    raw = msgspec.json.encode(body)
    data = b'{"version":%d,"crc32":%d,"body":%b}\n' % (version, zlib.crc32(raw), raw)
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def read_state(path: Path, version: int = 1) -> Any | None:
    """The body of `path`, or None if there is no such file.

    Raises CorruptStateError (the file has been set aside) and OSError (it could not be read at all).
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
        raw = bytes(envelope.body)
        if envelope.version != version:
            raise CorruptStateError(path, f"is of version {envelope.version}, not {version}", set_aside(path))
        if zlib.crc32(raw) != envelope.crc32:
            raise CorruptStateError(path, "does not match its checksum", set_aside(path))
        return orjson.loads(raw)
    except (msgspec.DecodeError, orjson.JSONDecodeError, RecursionError) as e:
        raise CorruptStateError(path, f"is not whole ({e})", set_aside(path)) from e


def set_aside(path: Path) -> Path | None:
    """Rename a file that cannot be used to `<name>.corrupt-<n>`; the new path, or None if that failed."""
    for n in range(1000):
        kept = path.with_name(f"{path.name}.corrupt-{n}")
        if not kept.exists():
            try:
                os.replace(path, kept)
            except OSError:
                return None
            return kept
    return None
