"""`outrider cluster`: what there is once in a cluster; SIGTERM ends it and gives the lead away."""

import click

from outrider.cli.following import follow
from outrider.cli.options import options


@click.command()
@options
def cluster(path: str, log_level: str) -> None:
    """Tell Kubernetes' events to Cloud Logging and Datadog, and run the checks of `metrics.checks` once in a cluster.

    Several replicas may run; one leads, by the Lease `kube.lease`, and only it does anything. Its successor goes on
    where it has ended. Runs until SIGTERM or SIGINT, then tells what it has read, gives the Lease back and exits 0.
    SIGHUP, or a change of the configuration file, loads the configuration anew; one that cannot be used changes
    nothing.

    \b
    What it has to know of its pod comes from environment variables (the downward API):
      POD_NAMESPACE        the namespace of the Lease  [default: that of the service account]
      POD_NAME, POD_UID    what this replica is called in it  [default: the host and a random number]

    Exit codes: 0 ended by a signal, 2 wrong usage, 78 the configuration is wrong.
    """
    follow("cluster", path, log_level)
