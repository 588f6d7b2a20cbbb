"""What the check `elasticsearch` may be told."""

from typing import Annotated

from outrider.checks.check import CheckSettings
from outrider.checks.tls import TlsSettings
from outrider.config import forms
from outrider.config.secrets import Secret
from outrider.config.shape import Doc, Hidden, Int


class ElasticsearchSettings(CheckSettings, frozen=True, kw_only=True):
    """An Elasticsearch or an OpenSearch."""

    url: Annotated[forms.Url, Doc("Where a node answers over HTTP.")] = "http://127.0.0.1:9200"
    username: Annotated[str | None, forms.NAME, Doc("User, if it asks for one.")] = None
    password: Annotated[Secret | None, Hidden(), Doc("Password of the user.")] = None
    api_key: Annotated[
        Secret | None, Hidden(), Doc("API key instead of a user, in the encoded form that Elasticsearch gives it.")
    ] = None
    tls: Annotated[TlsSettings, Doc("How to speak TLS with it, if the URL says https.")] = TlsSettings()
    cluster_stats: Annotated[
        bool, Doc("Whether all nodes of the cluster are reported, and not only the one that answers.")
    ] = False
    pshard_stats: Annotated[bool, Doc("Sums of all primary shards of the cluster.")] = False
    index_stats: Annotated[bool, Doc("Size, health and queries of each index.")] = False
    max_indices: Annotated[
        int, Int(1, 100_000), Doc("How many indices are reported one by one: the largest. The rest is `other`.")
    ] = 100
    max_pipelines: Annotated[
        int, Int(1, 100_000), Doc("How many ingest pipelines of a node: the most used. The rest is `other`.")
    ] = 50
    pending_task_stats: Annotated[bool, Doc("Changes of the cluster that wait, by their priority.")] = True
    cat_allocation_stats: Annotated[bool, Doc("Shards and disk space of each node, as the cluster sees them.")] = False
    slm_stats: Annotated[bool, Doc("Snapshots by policy (SLM).")] = False
    submit_events: Annotated[bool, Doc("An event whenever the health of the cluster changes.")] = True
