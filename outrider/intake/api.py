"""Cloud Logging's API behind both transports: one store, one validation, one place where requests are counted.

`write` follows `entries.write`. Every entry is prepared on its own. If all are fine they are stored together. If some
are not, `partialSuccess` decides: without it nothing is written; with it the good ones are, and the error names the
others by index. "Failed requests for which no entries are written will not include per-entry errors"
(google/logging/v2/logging.proto).
"""

from outrider.intake.clock import Clock
from outrider.intake.errors import NOT_FOUND, ApiError, invalid, partly_written
from outrider.intake.faults import GOOGLE, Fault, Faults
from outrider.intake.listing import Lister, Page
from outrider.intake.requests import ListRequest, WriteRequest
from outrider.intake.store import Store
from outrider.intake.timestamps import SECOND
from outrider.intake.validate import Ready, RejectedError, prepare


class Api:
    """What the transports call. Raises ApiError for every answer that is not OK."""

    def __init__(self, store: Store, clock: Clock, faults: Faults) -> None:
        self.store = store
        self._faults = faults
        self._clock = clock
        self._lister = Lister(store)

    def draw(self) -> Fault | None:
        """The fault that the next write request meets."""
        return self._faults.draw(GOOGLE)

    def answer(self, fault: Fault) -> ApiError | None:
        """The answer of a fault that is one."""
        return fault.error(GOOGLE)

    def write(self, request: WriteRequest) -> None:
        """`entries.write`."""
        if not request.entries:
            raise invalid("A required field is missing: entries")
        now = int(self._clock.now() * SECOND)
        ready: list[Ready] = []
        refused: dict[int, str] = {}
        for index, entry in enumerate(request.entries):
            try:
                ready.append(prepare(entry, request, now))
            except RejectedError as error:
                refused[index] = str(error)
        if refused and not (ready and request.partial_success):
            self.store.count_rejected(len(request.entries))
            raise invalid(next(iter(refused.values())))
        if not request.dry_run:
            self.store.add(ready, now)
        if refused:
            self.store.count_rejected(len(refused))
            raise partly_written(refused)

    def list_entries(self, request: ListRequest) -> Page:
        """`entries.list`."""
        self.store.count_list()
        return self._lister.page(request)

    def list_logs(self, parent: str) -> list[str]:
        """`logs.list`, all on one page."""
        return self.store.log_names(parent)

    def delete_log(self, log_name: str) -> None:
        """`logs.delete`."""
        if not self.store.delete_log(log_name):
            raise ApiError(NOT_FOUND, f"Log {log_name} does not exist")
