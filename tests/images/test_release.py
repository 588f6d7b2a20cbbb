"""The release workflow, as far as it can be judged without running it."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))
JOBS: dict[str, Any] = WORKFLOW["jobs"]
STEPS = [(job, step) for job, content in JOBS.items() for step in content["steps"]]
COMMANDS = {job: "\n".join(step["run"] for of, step in STEPS if of == job and "run" in step) for job in JOBS}


def test_only_a_tag_of_a_version_is_released() -> None:
    assert WORKFLOW[True] == {"push": {"tags": ["v*"]}}  # YAML 1.1 takes `on` for a truth
    assert 'version = \\"${GITHUB_REF_NAME#v}\\""' in COMMANDS["check"]


def test_nothing_is_pushed_before_everything_is_checked() -> None:
    assert (JOBS["images"]["needs"], JOBS["charts"]["needs"]) == ("check", "images")
    assert WORKFLOW["permissions"] == {"contents": "read"}


def test_what_it_is_checked_in_is_pinned_as_the_images_are() -> None:
    (pinned,) = re.findall(r"^ARG BUILD=(\S+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert JOBS["check"]["container"] == pinned


@pytest.mark.parametrize("job", JOBS)
def test_no_job_runs_for_ever_or_may_more_than_it_needs(job: str) -> None:
    assert JOBS[job]["timeout-minutes"] <= 120
    pushes = {"contents": "read", "packages": "write", "id-token": "write"}
    assert JOBS[job].get("permissions") == (None if job == "check" else pushes)


@pytest.mark.parametrize("uses", sorted({step["uses"] for _, step in STEPS if "uses" in step}))
def test_actions_are_pinned_by_commit(uses: str) -> None:
    assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", uses)


def test_the_commands_of_this_repository_exist() -> None:
    text = "\n".join(COMMANDS.values())
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    scripts = set(re.findall(r"(?:^|\s)(\.ci/\w+)", text))
    assert scripts == {".ci/run"}
    assert all(os.access(ROOT / script, os.X_OK) for script in scripts)
    called = " ".join((ROOT / script).read_text() for script in scripts) + text
    made = {
        word
        for line in re.findall(r"^make (.*)$|; then make (\w+)", called, re.MULTILINE)
        for word in "".join(line).split()
    }
    assert {"lint", "types", "layers", "test", "image"} <= made <= targets


def test_images_are_of_all_targets_for_two_platforms_with_their_papers() -> None:
    built = COMMANDS["images"]
    targets = set(re.findall(r"^FROM \S+ AS (\w+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    (named,) = re.findall(r"for target in ([\w ]+);", built)
    assert set(named.split()) == targets - {"runtime", "busybox", "build"}
    for part in ("--platform linux/amd64,linux/arm64", "--sbom=true", "--provenance=mode=max", "cosign sign --yes"):
        assert part in built
    arguments = set(re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert set(re.findall(r"--build-arg (\w+)=", built)) <= arguments


def test_charts_are_all_but_the_examples() -> None:
    (named,) = re.findall(r"for chart in ([\w -]+);", COMMANDS["charts"])
    assert set(named.split()) == {path.parent.name for path in (ROOT / "charts").glob("*/Chart.yaml")}
    assert "helm push" in COMMANDS["charts"] and "cosign sign --yes" in COMMANDS["charts"]
