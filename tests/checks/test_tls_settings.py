"""The TLS settings that checks share: what a file that cannot be used leads to. What works is shown by the checks."""

from pathlib import Path

import pytest

from outrider.checks.check import CheckError
from outrider.checks.tls import TlsSettings


@pytest.mark.parametrize("content", [None, "no certificate"])
@pytest.mark.parametrize("key", ["ca", "cert"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, key: str, content: str | None) -> None:
    file = tmp_path / "file.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(CheckError, match=str(file)):
        TlsSettings(**{key: str(file)}).context()
