"""Names of metrics and tags as Datadog takes them.

Datadog rewrites what it does not allow, and what it makes of it is another series. So the rewriting is done here, by
its own rules: what is looked for in Datadog is then what the exporter says that it sent, over the API and over
DogStatsD, where a comma or a bar would end a tag.
"""

import re
from functools import lru_cache

MAX_NAME = 200
"""Characters of a metric's name (docs.datadoghq.com, metrics/custom_metrics)."""
MAX_METRIC_TAG = 200
"""Characters of a tag of a metric."""

_ODD = re.compile(r"[^a-zA-Z0-9_.]+")
_AROUND_DOTS = re.compile(r"_*\._*")
_BEFORE_LETTER = re.compile(r"^[^a-zA-Z]+")
_ENDS_TAG = re.compile(r"[,|\x00-\x1f\x7f]+")


@lru_cache(4096)
def metric_name(text: str) -> str | None:
    """`text` with a letter first, then ASCII letters, digits, `_` and `.`; None if nothing is left or it is too long:
    two long names that are cut may become one.
    """
    name = _BEFORE_LETTER.sub("", _AROUND_DOTS.sub(".", _ODD.sub("_", text)))
    return name if 0 < len(name) <= MAX_NAME else None


def metric_tag(text: str) -> str:
    """`text` on one line, without commas and bars, cut to what Datadog takes."""
    if not text.isascii():  # half a surrogate pair, from a server that says anything, cannot be written as UTF-8
        text = text.encode("utf-8", "replace").decode("utf-8")
    return _ENDS_TAG.sub("_", text.strip())[:MAX_METRIC_TAG]
