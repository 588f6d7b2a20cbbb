"""The benchmark: `python -m bench [throughput|latency|idle|stages|looks|statsd] ...`, throughput if nothing is said.

| command | what it tells |
|---|---|
| throughput | how fast a backlog is delivered, and what a line costs, beside the floors of the machine |
| latency | how long a line that has just been written takes to its acknowledgement, and at which cost |
| idle | what a collector costs that has nothing to do, its start, and a sidecar that measures |
| stages | what a line costs in each part of the hot path |
| looks | what a look at a stream costs that has got a few lines |
| statsd | how many datagrams a second the DogStatsD server takes without a loss, and what one costs |

`python -m bench.memory`, `python -m bench.join_screen` and `python -m bench.kubelet` are programs of their own.
"""

import argparse
import importlib
import sys

COMMANDS = {
    "throughput": "how fast a backlog is delivered, and what a line costs (the default)",
    "latency": "how long a line takes from its writing to its acknowledgement",
    "idle": "what a collector costs that has nothing to do, and a sidecar that measures",
    "stages": "what a line costs in each part of the hot path",
    "looks": "what a look at a stream costs that has got a few lines",
    "statsd": "what the DogStatsD server takes without a loss",
}


def main(words: list[str]) -> int:
    """Runs the command that `words` name; the exit code."""
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words = ["throughput", *words]
    parser = argparse.ArgumentParser(prog="python -m bench", description="What the collector can do, measured.")
    commands = parser.add_subparsers(dest="command", required=True)
    modules = {}
    for name, text in COMMANDS.items():
        modules[name] = importlib.import_module(f"bench.{name}")
        own = commands.add_parser(
            name, help=text, description=modules[name].__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        modules[name].add_arguments(own)
    arguments = parser.parse_args(words)
    code: int = modules[arguments.command].main(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
