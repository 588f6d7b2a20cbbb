"""Where the program starts: `outrider`, or `python -m outrider.cli.main`."""

import sys
from typing import Any

from outrider.cli.following import follow, plainly

COMMANDS = {
    "node": "Collect the logs of all pods on this node, and metrics.",
    "sidecar": "Deliver log files and metrics of the pod that it is part of.",
    "cluster": "Tell Kubernetes' events, and run checks of the whole cluster.",
    "check": "Read one product now and print its metrics under both names.",
    "send": "Send a test line or metric and show what the vendor says.",
    "intake": "Stand in for Google's and Datadog's APIs on this machine.",
    "demo": "Show everything at work on this machine.",
    "audit": "Account for every byte and record of a running collector.",
    "tap": "Follow what a running collector ships.",
    "explain": "Say what will become of a pod, from its manifest.",
    "wire": "Put a sidecar into manifests, or print what to paste.",
    "doctor": "Say what is in the way of a collector here, and the cure.",
    "validate": "Check a configuration file.",
    "schema": "Print the configuration's JSON schema.",
}


def start() -> None:
    """Do what the command line says."""
    if sys.stdin is None or sys.stdout is None:
        from outrider.cli.printing import stand_in

        stand_in()
    if plain := plainly(sys.argv[1:]):
        follow(*plain)
    else:
        from outrider.cli.interrupts import leave_at_once
        from outrider.cli.printing import printing

        leave_at_once()
        with printing():
            __getattr__("main")(prog_name="outrider")


def __getattr__(name: str) -> Any:
    """`main` is the command group; whoever does not ask for it goes without click."""
    if name != "main":
        raise AttributeError(name)
    from outrider.cli.group import main

    return main


if __name__ == "__main__":
    start()
