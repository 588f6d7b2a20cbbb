"""`outrider validate` and `outrider schema` from outside: output, streams, exit codes, start-up."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from outrider.cli.group import main
from outrider.cli.schema import schema
from outrider.config.reference import reference

GOOD = "exporters: {a: {}, b: {kind: console}}\nroutes: [{to: [a, b]}]\n"
WARNED = "exporters: {a: {}, b: {kind: console}}\nroutes: [{to: [a]}]\n"
BAD = "exporters:\n  a:\n    bacth: {}\nworkers: no\n"


def run(tmp_path: Path, text: str, *options: str, env: dict[str, str] | None = None) -> Result:
    file = tmp_path / "o.yaml"
    file.write_text(text)
    return CliRunner().invoke(main, ["validate", "-c", str(file), *options], env=env or {})


def test_a_good_file(tmp_path: Path) -> None:
    result = run(tmp_path, GOOD)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "ok: 2 exporters, 1 route, 0 checks, 0 warnings\n"


def test_warnings_are_shown_and_let_through(tmp_path: Path) -> None:
    result = run(tmp_path, WARNED)
    assert result.exit_code == 0
    assert result.stdout == "ok: 2 exporters, 1 route, 0 checks, 1 warning\n"
    assert result.stderr.endswith("o.yaml:1:20: warning: exporters.b: no route leads to this exporter\n")


def test_warnings_can_be_denied(tmp_path: Path) -> None:
    for result in (
        run(tmp_path, WARNED, "--deny-warnings"),
        run(tmp_path, WARNED, env={"OUTRIDER_DENY_WARNINGS": "1"}),
    ):
        assert (result.exit_code, result.stdout) == (1, "")
        assert "no route leads to this exporter" in result.stderr
    assert run(tmp_path, GOOD, "--deny-warnings").exit_code == 0


def test_errors_go_to_standard_error_with_their_lines(tmp_path: Path) -> None:
    result = run(tmp_path, BAD, "--deny-warnings")
    assert (result.exit_code, result.stdout) == (78, "")
    first, second = result.stderr.splitlines()
    assert ":3:5: exporters.a.bacth: unknown key" in first
    assert first.endswith('did you mean "batch"?')
    assert ":4:10: workers: found false (a boolean)" in second


@pytest.mark.parametrize(
    ("text", "options", "code", "ok"),
    [(GOOD, [], 0, True), (WARNED, [], 0, True), (WARNED, ["--deny-warnings"], 1, False), (BAD, [], 78, False)],
)
def test_json_is_one_document_on_standard_output(
    tmp_path: Path, text: str, options: list[str], code: int, ok: bool
) -> None:
    result = run(tmp_path, text, "-o", "json", *options)
    assert (result.exit_code, result.stderr) == (code, "")
    document = json.loads(result.stdout)
    assert (document["version"], document["ok"], document["file"]) == (1, ok, str(tmp_path / "o.yaml"))
    severities = [p["severity"] for p in document["problems"]]
    assert document["summary"]["errors"] == severities.count("error")
    assert document["summary"]["warnings"] == severities.count("warning")


def test_a_problem_in_json_has_every_field(tmp_path: Path) -> None:
    document = json.loads(run(tmp_path, BAD, "-o", "json").stdout)
    problem = document["problems"][0]
    assert problem["message"].startswith('unknown key "bacth", allowed are kind, ')
    del problem["message"]
    assert problem == {
        "file": str(tmp_path / "o.yaml"),
        "line": 3,
        "column": 5,
        "path": "exporters.a.bacth",
        "hint": 'did you mean "batch"?',
        "severity": "error",
    }


def test_a_file_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["validate", "--config", str(tmp_path / "none.yaml")])
    assert result.exit_code == 78
    assert "none.yaml: cannot be read: No such file or directory" in result.stderr


def test_the_file_may_come_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "o.yaml").write_text(GOOD)
    result = CliRunner().invoke(main, ["validate"], env={"OUTRIDER_CONFIG": str(tmp_path / "o.yaml")})
    assert result.exit_code == 0
    assert CliRunner().invoke(main, ["validate"]).exit_code == 2


def test_variables_come_from_the_process(tmp_path: Path) -> None:
    text = 'workers: "${OUTRIDER_TEST_WORKERS}"\n'
    assert run(tmp_path, text, env={"OUTRIDER_TEST_WORKERS": "3"}).exit_code == 0
    assert run(tmp_path, text).exit_code == 78


def test_the_schema_command_prints_a_schema() -> None:
    result = CliRunner().invoke(schema, [])
    assert result.exit_code == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(result.stdout))


def test_the_schema_command_prints_the_reference_page() -> None:
    result = CliRunner().invoke(schema, ["--reference"])
    assert (result.exit_code, result.stdout) == (0, reference())


def modules_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


def test_help_needs_neither_yaml_nor_msgspec() -> None:
    loaded = modules_after(
        "from outrider.cli.validate import validate\nfrom outrider.cli.schema import schema\n"
        "validate.get_help(__import__('click').Context(validate))"
    )
    assert loaded & {"msgspec", "yaml", "outrider.config"} == set()


def test_the_model_is_there_without_yaml_and_the_loader_without_jsonschema() -> None:
    assert modules_after("import outrider.config") & {"yaml", "jsonschema", "rich"} == set()
    loaded = modules_after("import outrider.config as c\nc.parse('{}')\nimport outrider.config.schema")
    assert "yaml" in loaded
    assert "jsonschema" not in loaded
