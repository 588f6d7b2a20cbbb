"""What the Dockerfile says, without building it: `make image` builds it, and tries what comes of it."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from outrider import __version__

ROOT = Path(__file__).parents[2]
TEXT = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
LINES = [line.split(maxsplit=1) for line in TEXT.splitlines() if line and not line.startswith("#")]
ARGS = dict(rest.split("=", 1) for word, rest in LINES if word == "ARG" and "=" in rest)
TARGETS = ("sidecar", "node", "debug")


def _stages() -> dict[str, tuple[str, list[list[str]]]]:
    """By name: what each stage is made from, and its lines."""
    stages: dict[str, tuple[str, list[list[str]]]] = {}
    lines: list[list[str]] = []
    for word, rest in LINES:
        if word == "FROM":
            base, name = rest.split(" AS ")
            lines = []
            stages[name] = (base, lines)
        else:
            lines.append([word, rest])
    return stages


def test_every_base_is_an_argument_pinned_by_digest() -> None:
    stages = _stages()
    outside = {base for base, _ in stages.values() if base not in stages and base != "scratch"}
    assert outside == {"${BUILD}", "${RUNTIME}", "${BUSYBOX}"}
    for base in outside:
        assert re.fullmatch(r"[a-z.]+/[a-z0-9/-]+:[a-z0-9.-]+@sha256:[0-9a-f]{64}", ARGS[base[2:-1]]), base


def test_what_runs_is_distroless() -> None:
    assert ARGS["RUNTIME"].startswith("gcr.io/distroless/python3-debian13:nonroot@")
    minor = re.search(r"python:(3\.\d+)-slim-trixie@", ARGS["BUILD"])
    assert minor is not None and minor[1] == "3.13"  # Debian 13's, or nothing that is compiled would be found


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_ends_as_a_numeric_user(target: str) -> None:
    """runAsNonRoot can be checked by kubelet if it is a number."""
    users = [rest for word, rest in _stages()[target][1] if word == "USER"]
    assert users[-1] == "65532:65532"


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_of_a_target_needs_a_shell(target: str) -> None:
    lines = _stages()[target][1]
    for word, rest in lines:
        if word in ("RUN", "CMD", "ENTRYPOINT"):
            assert re.fullmatch(r"(--mount=\S+ +)*\[.*\]", rest), rest


def test_the_program_is_the_entrypoint_and_the_target_its_argument() -> None:
    stages = _stages()
    assert ["ENTRYPOINT", '["outrider"]'] in stages["sidecar"][1]
    assert ["CMD", '["sidecar"]'] in stages["sidecar"][1]
    assert ["CMD", '["node"]'] in stages["node"][1]
    assert (stages["node"][0], stages["debug"][0]) == ("sidecar", "node")


def test_no_secret_is_an_argument_or_copied() -> None:
    assert not [line for line in LINES if line[0] in ("ARG", "ENV", "COPY") and "pip" in line[1].lower()]
    (pip,) = [rest for word, rest in _stages()["build"][1] if word == "RUN" and "environment" in rest]
    assert pip.count("--mount=type=secret") == 2


def test_what_is_copied_is_let_through() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for word, rest in _stages()["build"][1]
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)


def test_the_extras_are_those_of_the_program_that_a_configuration_can_ask_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    script = (ROOT / ".ci/image/environment").read_text()
    (installed,) = re.findall(r'"\.\[([\w,]+)\]"', script)
    of_checks = {"mongodb", "mysql", "postgres"}  # which `checks` has together
    assert set(installed.split(",")) == project["optional-dependencies"].keys() - of_checks - {"intake", "test"}


def test_the_version_is_one() -> None:
    charts = [yaml.safe_load(path.read_text()) for path in (ROOT / "charts").glob("*/Chart.yaml")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    versions = {project["version"], ARGS["VERSION"], *(c[key] for c in charts for key in ("version", "appVersion"))}
    assert versions == {__version__}
