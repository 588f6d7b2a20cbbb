"""The Agent's processing rules: what is left out, what is masked, what begins a record.

Rules work one after the other, each on what the one before has left: those of the configuration first, then those of
the pod's annotation (datadog-agent, `pkg/logs/processor/processor.go`). Patterns are RE2, the Agent's own syntax, so a
pod's annotation cannot stall the node; nor may masks find, or make, more in a record than its size allows. A rule that
cannot be used is left out, and said; the others stay.

A `multi_line` rule names what a record begins with. The Agent compiles `^` + pattern and searches for it, so of `a|b`
only `a` is bound to the beginning of the line; so it is here. If there are several the last holds.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from outrider.model.patterns import Pattern, PatternError, compiled

EXCLUDE, INCLUDE, MASK, MULTI_LINE = "exclude_at_match", "include_at_match", "mask_sequences", "multi_line"
TYPES = (EXCLUDE, INCLUDE, MASK, MULTI_LINE)
UNSUPPORTED = (
    "exclude_truncated",
    "remap_source",
    "exclude_at_gojq_match",
    "include_at_gojq_match",
    "mask_gojq",
)
"""Types that newer Agents know and Outrider does not."""
MATCHES, MATCHES_PER_BYTE, MOST_MATCHES = 200, 2, 100_000
MADE, MADE_PER_BYTE = 4096, 4
"""What all masks together may find in one record, and the bytes that they may put into it, by its size. Without such
limits a mask that doubles every character would take all memory after a few rules, and all turns of the other pods.
"""


SECONDS, SECONDS_PER_BYTE = 0.1, 5e-6
"""Of processor time, for a record of so many bytes. Linear in a record can still be long: `a.*b|a` looks to the end
of it for every `a`.
"""
MOST_STEPS = 10_000
"""Instructions that all patterns of an annotation compile to: each may cost as much as one step a byte. Ordinary ones
have 14 to 2,000.
"""


class TooMuchError(Exception):
    """The masks find or make more than they may: the record must not go out as it is."""


class Rule(Protocol):
    """A rule as it is written, in the configuration or in an annotation; `type` is the Agent's name of its kind."""

    @property
    def type(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def pattern(self) -> str: ...

    @property
    def replace_placeholder(self) -> str: ...


class _Step(NamedTuple):
    """`put` is what a match is replaced by, for a mask; a record goes on if `goes_on` is whether it matches."""

    pattern: Pattern
    goes_on: bool
    put: Callable[[Any], bytes] | None


class Rules:
    """Rules ready for use. `problems` has words about each that was left out."""

    __slots__ = ("_steps", "_steps_left", "multi_line", "problems")

    def __init__(self, rules: Iterable[Rule], asked: Iterable[Rule] = ()) -> None:
        self.multi_line: str | None = None
        """The pattern of lines that begin a record, the same whether it is searched for or matched from the line's
        beginning."""
        self.problems: list[str] = []
        self._steps: list[_Step] = []
        self._steps_left = MOST_STEPS
        for rule, free in [*((rule, True) for rule in rules), *((rule, False) for rule in asked)]:
            try:
                self._add(rule, free)
            except PatternError as e:
                self.problems.append(f"rule {rule.name or rule.type!r}: {e}")

    def __bool__(self) -> bool:
        return bool(self._steps)

    def apply(self, content: bytes) -> bytes | None:
        """What is left of `content`, which must be valid UTF-8; None if the record is left out. Raises TooMuchError."""
        matches = min(MATCHES + MATCHES_PER_BYTE * len(content), MOST_MATCHES)
        made = MADE + MADE_PER_BYTE * len(content)

        end = time.thread_time() + SECONDS + len(content) * SECONDS_PER_BYTE

        def counted(m: Any) -> bytes:
            nonlocal matches, made
            text = put(m) if put is not None else b""
            matches, made = matches - 1, made - len(text)
            if matches < 0 or made < 0 or time.thread_time() > end:
                raise TooMuchError
            return text

        for pattern, goes_on, put in self._steps:
            if put is not None:
                content = pattern.replace(counted, content)
            elif (pattern.search(content) is not None) is not goes_on:
                return None
        return content

    def _afforded(self, text: str, free: bool) -> Pattern:
        """The pattern, if it may cost what it costs: `free` are those of the configuration."""
        pattern = compiled(text)
        self._steps_left -= 0 if free else pattern.steps
        if self._steps_left < 0:
            raise PatternError(
                f"with those before it, it compiles to more than {MOST_STEPS} steps: a byte would cost too much"
            )
        return pattern

    def _add(self, rule: Rule, free: bool) -> None:
        """Raises PatternError."""
        if rule.type in UNSUPPORTED:
            raise PatternError(f"type {rule.type} is not supported")
        if rule.type not in TYPES:
            raise PatternError(f"type {rule.type!r} is not one of {', '.join(TYPES)}")
        if not rule.name:
            raise PatternError("it has no name")
        if not rule.pattern:
            raise PatternError("it has no pattern")
        if rule.type == MULTI_LINE:
            self.multi_line = self._afforded(_beginning(rule.pattern), free).text
            return
        pattern = self._afforded(rule.pattern, free)
        put = replacement(rule.replace_placeholder, pattern) if rule.type == MASK else None
        self._steps.append(_Step(pattern, rule.type == INCLUDE, put))


def _beginning(pattern: str) -> str:
    """`^` + `pattern`, in a form that also finds, from the line's beginning, an alternative that is not bound to it.
    Raises PatternError."""
    bound = compiled("^" + pattern).text
    return compiled(f"(?s:.*?)(?:{bound})").text if "|" in pattern else bound


def replacement(template: str, pattern: Pattern) -> Callable[[Any], bytes]:
    """What takes the place of a match, as Go's `Regexp.Expand` reads `template`: `$1`, `${1}`, `$name`, `${name}` are
    groups, `$$` is a dollar sign; a name goes as far as letters, digits and underscores do; a group that there is not
    is empty; any other dollar sign stands for itself.
    """
    parts: list[bytes | int] = []
    before, dollar, rest = template.partition("$")
    while dollar:
        parts.append(before.encode())
        if rest.startswith("$"):
            parts.append(b"$")
            rest = rest[1:]
        else:
            name, after = _name(rest)
            if name is None:
                parts.append(b"$")
            elif (group := _group(name, pattern)) is not None:
                parts.append(group)
            rest = after
        before, dollar, rest = rest.partition("$")
    parts.append(before.encode())
    if not any(isinstance(p, int) for p in parts):
        constant = b"".join(p for p in parts if isinstance(p, bytes))
        return lambda _: constant
    return lambda m: b"".join(p if isinstance(p, bytes) else m.group(p) or b"" for p in parts)


def _name(text: str) -> tuple[str | None, str]:
    """The name of a group at the beginning of `text`, and what follows; None if there is none."""
    braced = text.startswith("{")
    begin = end = int(braced)
    while end < len(text) and (text[end].isalpha() or text[end].isdecimal() or text[end] == "_"):
        end += 1
    if end == begin or (braced and text[end : end + 1] != "}"):
        return None, text
    return text[begin:end], text[end + braced :]


def _group(name: str, pattern: Pattern) -> int | None:
    if not (name.isascii() and name.isdigit()):
        return pattern.names.get(name)
    if name.startswith("0") and name != "0":
        return None
    return int(name) if len(name) < 9 and int(name) <= pattern.groups else None
