r"""What the stack traces of each language look like, as tables of rules, and the screen that is made from them.

A grammar is a list of rules (states, pattern, next state): a line that matches `pattern` while the machine stands in
one of `states` takes it to `next`. `START` is where every trace begins and `END` where a trace closes by itself; the
other names mean something only within this module. The machine (`outrider.tail.exceptions`) follows every rule that
fits at the same time, since one head can open traces of two languages: `PHP Fatal error:  Uncaught Exception: ...` is
PHP as well as Java until the next line is seen.

The rules follow GoogleCloudPlatform/fluent-plugin-detect-exceptions, `exception_detector.rb`, which the legacy GKE
agent ran, so that what was one entry there is one entry here. Where a runtime has since changed what it prints, rules
were added (each is marked `+` with what prints it). Three were narrowed: the dots of Java's `... 12 more` are literal,
a Python header needs a frame behind it, and Python's source lines are indented. One was delayed: a Python trace ends
with the line after it, which may be the blank one before a chained exception.

Lines come without their line feed and without a carriage return before it, hence `\Z` where the source has `$` or
`[\r\n]`. A pattern that starts with `^` is tried at the beginning of the line, any other anywhere in it. None may
backtrack quadratically, since a line can be megabytes long: `(?>...)` and `*+` are there for that. Patterns that are
searched for begin with letters (hence the look-behinds), which `re` looks for much faster than for anything else.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache

Rule = tuple[str, bytes, str]
Matcher = Callable[[bytes], re.Match[bytes] | None]
Table = dict[str, tuple[tuple[Matcher, str], ...]]

START = "start"
END = "end"

_JAVA: tuple[Rule, ...] = (
    # + `TypeError [ERR_INVALID_ARG_TYPE]: ...` of Node.js and `SocketException (111): ...` of .NET.
    *(
        ("start java.nested", word + rb"(?: \[\w+\]| \(\w+\))?(?:[:\r]|\Z)", "java.head")
        for word in (b"Exception", b"Error", b"Throwable", b"V8 errors stack trace")
    ),
    ("java.head", rb"^[\t ]*nested exception is:", "java.nested"),
    ("java.head", rb"^\r*\Z", "java.head"),
    ("java.head java.frames", rb"^[\t ]+(?:eval )?at ", "java.frames"),
    ("java.head java.frames", rb"^[\t ]*(?:Caused by|Suppressed):", "java.head"),
    ("java.head java.frames", rb"^[\t ]*\.\.\. \d+ (?:more|common frames omitted)", "java.frames"),
    # C#. + .NET Core ends the first with `<---` in an AggregateException, leaves `where exception was thrown` out of
    # the second (its console logger indents that one, too), and puts an inner exception on a line of its own.
    ("java.head java.frames", rb"^[\t ]+--- End of inner exception stack trace ---(?:<---)?\Z", "java.frames"),
    ("java.head java.frames", rb"^[\t ]*--- End of stack trace from previous location .*---\Z", "java.frames"),
    ("java.head java.frames", rb"^[\t ]+---> ", "java.head"),
    # + Node.js: the module that was not found is followed by the files that asked for it.
    ("java.head", rb"^Require stack:\Z", "js.require"),
    ("js.require", rb"^- ", "js.require"),
    ("js.require", rb"^[\t ]+at ", "java.frames"),
    # + Node.js: an error with fields (`code: 'ECONNREFUSED'`, `[cause]: ...`) opens a brace after its last frame.
    ("java.head java.frames", rb"^[\t ]+at .*\{\Z", "js.fields"),
    ("js.fields", rb"^[\t ]+\S", "js.fields"),
    ("js.fields", rb"^\}\Z", END),
)

_PYTHON: tuple[Rule, ...] = (
    ("start python.link", rb"^Traceback \(most recent call last\):\Z", "python.head"),
    ("python.head", rb"^[\t ]+File ", "python.frames"),
    # + A frame may have no source line, several (3.13), or one underlined with carets (3.11); all are indented.
    ("python.frames", rb"^[\t ]+\S", "python.frames"),
    # + Without a message there is no colon: `KeyboardInterrupt`, or what a bare `assert` raises.
    ("python.frames", rb"^(?:[^\s.():]++\.)*+[^\s.():]++(?::|\Z)", "python.error"),
    # + Chained exceptions (PEP 3134): one failure, printed as several tracebacks.
    ("python.error python.group", rb"^\Z", "python.gap"),
    ("python.gap", rb"^During handling of the above exception, another exception occurred:\Z", "python.chain"),
    ("python.gap", rb"^The above exception was the direct cause of the following exception:\Z", "python.chain"),
    ("python.chain", rb"^\Z", "python.link"),
    # + Exception groups (PEP 654).
    ("start python.link", rb"^  \+ Exception Group Traceback \(most recent call last\):\Z", "python.group"),
    ("python.group", rb"^ +[|+]", "python.group"),
)

_PHP: tuple[Rule, ...] = (
    # + `Fatal error:` without `PHP ` is what display_errors prints; ` in /app/a.php:12` ends what PHP 7 makes of an
    # exception that a program writes out itself.
    *(("start", word + b":", "php.head") for word in (b"Notice", b"Parse error", b"Fatal error", b"Warning")),
    ("start", rb"exception '[^']+' with message '", "php.head"),
    ("start", rb" in \S*?:\d+\Z", "php.head"),
    ("php.head", rb"^Stack trace:", "php.frames"),
    ("php.frames", rb"^#\d", "php.frames"),
    ("php.frames", rb"^\s+thrown in ", END),
    # + The exception that was thrown while the one above was handled.
    ("php.frames", rb"^\Z", "php.gap"),
    ("php.gap", rb"^Next \S", "php.head"),
)

_GO: tuple[Rule, ...] = (
    # + `fatal error: concurrent map writes` and its like are the runtime's own; a recovered panic that panics again, or
    # a message of several lines, is indented; and not every handler leaves a blank line before the first goroutine.
    ("start", rb"panic: (?<=\bpanic: )", "go.panic"),
    ("start", rb"http: panic serving", "go.panic"),
    ("start", rb"^fatal error: ", "go.panic"),
    ("go.panic", rb"^\[signal ", "go.panic"),
    ("go.panic", rb"^\t", "go.panic"),
    ("go.panic go.function", rb"^\Z", "go.gap"),
    # + `goroutine 1 gp=0xc0000061c0 m=0 mp=0x57a500 [running]:` (Go 1.23, GOTRACEBACK=system).
    ("go.panic go.gap", rb"^(?:goroutine \d+ [^\[]*\[[^\]]+\]|runtime stack):\Z", "go.function"),
    # + A generic function (`main.Map[...](...)`) has dots right before the parenthesis.
    ("go.function", rb"^(?:[^\s:]+\(|created by )", "go.location"),
    ("go.function", rb"^(?:\.\.\.|\tgoroutine running on other thread)", "go.function"),
    ("go.location", rb"^\s", "go.function"),
)

_RUBY: tuple[Rule, ...] = (
    # Rails. + Not every class of exception is called Error: `ActiveRecord::RecordNotFound (Couldn't find ...):`.
    ("start", rb"^(?=.*+(?<=\):)\Z).*?(?:Error|::[A-Z]\w*+) \(", "rails.head"),
    ("rails.head", rb"^  \Z", "rails.frames"),
    # + The lines of the template around the fault.
    ("rails.head", rb"^[\t ]+\d+: ", "rails.head"),
    ("rails.head", rb"^[\t ]++.*:\d+:in [`']", "rails.frames"),
    # + Rails 5 stopped indenting frames, frames may lie in templates, and Ruby 3.4 opens the name with a plain quote.
    ("rails.frames", rb"^.*:\d+:in [`']", "rails.frames"),
    # + What Ruby prints of an exception that nobody rescued, and of its causes.
    ("start ruby.frames", rb"^(?=.*+(?<=\))\Z)\S.*:\d+:in [`']", "ruby.head"),
    ("ruby.head ruby.frames", rb"^[\t ]+from ", "ruby.frames"),
    ("ruby.frames", rb"^[\t ]+\.\.\. \d+ levels\.\.\.\Z", "ruby.frames"),
)

_DART_FRAME = rb"^#\d+\s(?>.+?\()..++(?<=\))\Z"
_DART: tuple[Rule, ...] = (
    ("start", rb"^Unhandled exception:\Z", "dart.head"),
    # + Any class named like this, the libraries' and the program's own (the source lists those of the core library).
    ("dart.head", rb"^[A-Z][a-z][\w$]*+(?:(?<=Exception)|(?<=Error))", "dart.frames"),
    (
        "dart.head",
        rb"^(?:Instance of|Bad state|Invalid argument|Assertion failed|Cannot instantiate|Reading static variable"
        rb"|Unsupported operation|Concurrent modification|Out of Memory|Stack Overflow)",
        "dart.frames",
    ),
    # + What sound types and null safety made of older errors.
    ("dart.head", rb"^(?:type '|Null check operator)", "dart.frames"),
    ("dart.head", rb"^'(?>.+?':).", "dart.type.1"),
    ("dart.type.1", _DART_FRAME, "dart.frames"),
    ("dart.type.1", rb"^.", "dart.type.2"),
    ("dart.type.2", rb"\^", "dart.type.3"),
    ("dart.type.3", rb"^\Z", "dart.type.4"),
    ("dart.type.4", rb"^\Z", "dart.frames"),
    ("dart.head", rb"^FormatException", "dart.format.1"),
    ("dart.format.1", rb"^.", "dart.format.2"),
    ("dart.format.2", rb"\^", "dart.format.3"),
    ("dart.format.3", rb"^\Z", "dart.frames"),
    ("dart.head", rb"^NoSuchMethodError:", "dart.method.1"),
    ("dart.method.1", rb"^Receiver:", "dart.method.2"),
    ("dart.method.2", rb"^Tried calling:", "dart.method.3"),
    ("dart.method.3", rb"^Found:", "dart.frames"),
    ("dart.method.3", _DART_FRAME, "dart.frames"),
    ("dart.frames", _DART_FRAME, "dart.frames"),
    ("dart.frames", rb"^<asynchronous suspension>\Z", "dart.frames"),
)

GRAMMARS: dict[str, tuple[Rule, ...]] = {
    "java": _JAVA,
    "javascript": _JAVA,
    "js": _JAVA,
    "csharp": _JAVA,
    "python": _PYTHON,
    "py": _PYTHON,
    "php": _PHP,
    "go": _GO,
    "ruby": _RUBY,
    "rb": _RUBY,
    "dart": _DART,
    "all": _JAVA + _PYTHON + _PHP + _GO + _RUBY + _DART,
}
"""The rules by language name; `all` is every language at once."""


def table(languages: Iterable[str]) -> Table:
    """The compiled rules of `languages` (names of `GRAMMARS`, in any case) by state.

    Raises ValueError for a name that is not known.
    """
    names = sorted({name.lower() for name in languages})
    for name in names:
        if name not in GRAMMARS:
            raise ValueError(f"unknown language {name!r}: one of {', '.join(GRAMMARS)}")
    return _compiled(tuple(dict.fromkeys(rule for name in names for rule in GRAMMARS[name])))


@cache
def _compiled(rules: tuple[Rule, ...]) -> Table:
    by_state: dict[str, list[tuple[Matcher, str]]] = {START: []}
    for states, pattern, target in rules:
        compiled = re.compile(pattern)
        matcher = compiled.match if pattern.startswith(b"^") else compiled.search
        for state in states.split():
            by_state.setdefault(state, []).append((matcher, target))
    return {state: tuple(targets) for state, targets in by_state.items()}


def second_line_patterns() -> list[bytes]:
    """The patterns of all rules that the second line of a trace can match; a carriage return may end it."""
    rules = GRAMMARS["all"]
    heads = {target for states, _, target in rules if START in states.split()}
    patterns = (pattern for states, pattern, _ in rules if heads & set(states.split()))
    return list(dict.fromkeys(pattern.replace(rb"\Z", rb"\r?\Z") for pattern in patterns))


def second_line() -> Matcher:
    """Matches the lines that one of `second_line_patterns` matches.

    For speed the patterns of indented lines are tried on those only, and without `^` `re` passes over an alternative
    whose first letter is another.
    """
    patterns = second_line_patterns()
    indented = [p for p in patterns if p.startswith((rb"^[\t ]+", b"^ ", rb"^\t"))]
    others = [p for p in patterns if p not in indented]
    either = [b"|".join(p.removeprefix(b"^") for p in group) for group in (indented, others)]
    return re.compile(rb"(?=[\t ])(?:%b)|%b" % tuple(either)).match
