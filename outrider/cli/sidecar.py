"""`outrider sidecar`: deliver log files and metrics of the pod that it is part of; SIGTERM ends it when all is sent."""

import click

from outrider.cli.following import follow
from outrider.cli.options import options


@click.command()
@options
def sidecar(path: str, log_level: str) -> None:
    """Deliver log files in a volume of this pod, and the metrics of software that runs in it.

    Follows the files that `logs.files` names, one record a line, and runs the checks of `metrics.checks`. Runs until
    SIGTERM or SIGINT, then reads the files to their end, sends what it has read and measured, saves its cursors and
    exits 0. SIGHUP, or a change of the configuration file, loads the configuration anew; one that cannot be used
    changes nothing.

    \b
    What it has to know of its pod comes from environment variables (the downward API):
      POD_NAMESPACE, POD_NAME, POD_UID    required
      OUTRIDER_CONTAINER                  the container that writes the files, or is measured  [default: outrider]
      NODE_NAME                           the node, unless cluster.node gives it
      OUTRIDER_POD_INFO                   a directory with the files `labels` and `annotations`

    Exit codes: 0 ended by a signal, 2 wrong usage, 78 the configuration is wrong.
    """
    follow("sidecar", path, log_level)
