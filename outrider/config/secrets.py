"""Values that are used and never shown.

A secret is written into the file as it is, named by an environment variable (`{env: X}`) or by a file (`{file: path}`).
A file is read when the value is first asked for and again whenever its identity changes: kubelet renews a mounted
Secret or projected token by swapping a symbolic link, so modification time, inode and size are all looked at.
"""

import os
import re
from collections.abc import Mapping
from typing import Any

_PASSWORD_IN_URL = re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)")


class SecretError(Exception):
    """The secret cannot be read; the message names the file or variable, never the value."""


class Secret:
    """One secret value. `env` and `file` say where it comes from (both None: written into the configuration)."""

    __slots__ = ("_known", "env", "file")

    def __init__(self, value: str | None = None, *, env: str | None = None, file: str | None = None) -> None:
        self.env, self.file = env, file
        self._known: tuple[object, str] | None = None if value is None else (None, value.rstrip("\r\n"))

    @classmethod
    def from_env(cls, name: str, env: Mapping[str, str]) -> "Secret":
        """The value that variable `name` has in `env` now; if it is not there, `read` raises SecretError."""
        return cls(env.get(name), env=name)

    @classmethod
    def from_file(cls, path: str) -> "Secret":
        """The content of `path` without its last line ends, read when asked for."""
        return cls(file=path)

    def plain(self) -> str | dict[str, str]:
        """How a configuration refers to this secret; one that is written into it is blotted out."""
        return {"env": self.env} if self.env else {"file": self.file} if self.file else "***"

    @property
    def source(self) -> str:
        """Where the value comes from, fit to be printed."""
        return f"env {self.env}" if self.env else f"file {self.file}" if self.file else "written in the configuration"

    def read(self) -> str:
        """The value now. While its file is away or empty, the last value that was there.

        Raises SecretError if there has never been one.
        """
        if self.file is not None:
            self._refresh(self.file)
        if self._known is None or not self._known[1]:
            raise SecretError(f"the secret has no value ({self.source})")
        return self._known[1]

    def _refresh(self, path: str) -> None:
        try:
            if self._known is not None and self._known[0] == _identity(os.stat(path)):
                return
            with open(path, encoding="utf-8") as f:
                identity = _identity(os.fstat(f.fileno()))
                value = f.read().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as e:
            if self._known is None:
                reason = e.strerror if isinstance(e, OSError) else "it is not UTF-8 text"
                raise SecretError(f"the secret file {path} cannot be read: {reason}") from None
            return
        if value or self._known is None:
            self._known = (identity, value)

    def __repr__(self) -> str:
        return f"Secret({self.source})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash((self.env, self.file))

    def _key(self) -> tuple[object, ...]:
        written = self._known[1] if self._known and not self.file else None
        return (self.env, self.file, written)


def without_password(text: str) -> str:
    """`text` with the password of every URL in it blotted out: `mongodb://u:***@host`."""
    return _PASSWORD_IN_URL.sub(r"\1***", text)


def redacted(value: Any) -> Any:
    """`value` (lists, dicts, scalars) with secrets replaced by their origin and passwords in URLs blotted out."""
    if isinstance(value, Secret):
        return value.plain()
    if isinstance(value, str):
        return without_password(value)
    if isinstance(value, dict):
        return {k: redacted(v) for k, v in value.items()}
    return [redacted(v) for v in value] if isinstance(value, list | tuple) else value


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
