"""Compiles what of outrider/native is C: one extension for every CPython from 3.11 on, by way of the limited API.

A wheel gets it from a temporary directory, so that none which lies in the tree, older than the sources, can come into
it. An editable installation has it in the tree, where it takes the place of the last one when it is whole. Where it
cannot be had (another system, no compiler, no headers of Python), the wheel is one for every platform: the extension is
faster, and does nothing that the Python code does not do. OUTRIDER_NATIVE=require makes that an error, for whoever
builds for others; OUTRIDER_NATIVE=off does without it in any case.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

SOURCES, EXTENSION = "outrider/native/*.c", "outrider/native/_core.abi3.so"
LIMITED_API, PYTHONS = "0x030b0000", "cp311-abi3"  # both say 3.11
COMPILED = ["-std=gnu11", "-O3", "-g0", "-fPIC", "-fvisibility=hidden", "-fstack-protector-strong"]
# Some compilers define it by themselves, and another value would be a warning.
COMPILED += ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2", f"-DPy_LIMITED_API={LIMITED_API}"]
WARNED = ["-Wall", "-Wextra", "-Wformat=2"]
# What there must not be, and what not every compiler refuses of its own accord.
WARNED += [
    f"-Werror={kind}"
    for kind in (
        "format-security",
        "implicit-function-declaration",
        "incompatible-pointer-types",
        "int-conversion",
        "return-type",
        "vla",
    )
]
LINKED = ["-shared", "-Wl,-z,relro", "-Wl,-z,now"]
# A symbol that nobody has, or a machine that is not this one, shows when it is loaded.
LOAD = """
import importlib.machinery, importlib.util, sys
loader = importlib.machinery.ExtensionFileLoader("_core", sys.argv[1])
importlib.util.module_from_spec(importlib.util.spec_from_loader("_core", loader))
"""


class NotBuiltError(Exception):
    """Why there will be no extension."""


class NativeHook(BuildHookInterface[Any]):
    """What hatchling calls before it packs a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        wish = os.environ.get("OUTRIDER_NATIVE", "")
        if wish not in ("", "off", "require"):
            raise SystemExit(f"OUTRIDER_NATIVE={wish}: it can be `require`, `off` or nothing")
        self._place = tempfile.TemporaryDirectory(prefix="outrider-native-")  # until the wheel is packed
        in_tree = Path(self.root, EXTENSION)
        built = in_tree if version == "editable" else Path(self._place.name, in_tree.name)
        try:
            if wish == "off":
                raise NotBuiltError("OUTRIDER_NATIVE=off")
            build(sorted(Path(self.root).glob(SOURCES)), built)
        except NotBuiltError as e:
            built.unlink(missing_ok=True)
            if wish == "require":
                raise SystemExit(f"outrider: no native code: {e}; OUTRIDER_NATIVE=require asks for it") from None
            print(f"outrider: no native code: {e}; Python does the same, more slowly", file=sys.stderr)
            return
        if version != "editable":  # whose wheel says where the tree is, and no more
            # The one that promises nothing of other machines' C libraries, as manylinux would.
            platform = next(tag for tag in platform_tags() if tag.startswith("linux_"))
            build_data["pure_python"] = False
            build_data["tag"] = f"{PYTHONS}-{platform}"
            build_data["force_include"][str(built)] = EXTENSION

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        self._place.cleanup()


def build(sources: list[Path], target: Path) -> None:
    """Puts the extension at `target`, whole or not at all. Raises NotBuiltError."""
    _check_interpreter()
    command = [*_compiler(), *COMPILED, *WARNED, *_headers(), *map(str, sources), *LINKED]
    command += [word for name in ("CFLAGS", "LDFLAGS") for word in shlex.split(os.environ.get(name, ""))]
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        # What the compiler has to say goes where the rest goes that is said.
        if code := subprocess.call([*command, "-o", str(unfinished)], stdin=subprocess.DEVNULL):
            raise NotBuiltError(f"`{command[0]}` ended with {code}")
        if subprocess.call([sys.executable, "-c", LOAD, str(unfinished)]):
            raise NotBuiltError(f"what `{command[0]}` made of it cannot be loaded")
        unfinished.replace(target)
    except OSError as e:
        raise NotBuiltError(str(e)) from e
    finally:
        unfinished.unlink(missing_ok=True)


def _check_interpreter() -> None:
    if sys.platform != "linux" or sys.implementation.name != "cpython":
        raise NotBuiltError(f"it is for CPython on Linux, not for {sys.implementation.name} on {sys.platform}")
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise NotBuiltError("a free-threaded Python has no limited API")


def _compiler() -> list[str]:
    named = shlex.split(os.environ.get("CC", ""))
    for command in [named] if named else [["cc"], ["gcc"], ["clang"]]:
        if shutil.which(command[0]):
            return command
    raise NotBuiltError(f"no C compiler ({named[0] if named else 'cc, gcc, clang'})")


def _headers() -> list[str]:
    places = dict.fromkeys(sysconfig.get_path(name) for name in ("include", "platinclude"))
    if not any(Path(place, "Python.h").exists() for place in places):
        raise NotBuiltError(f"no headers of Python ({next(iter(places))}/Python.h)")
    return [f"-I{place}" for place in places]
