"""A disk with room for a few bytes, without mounting one."""

import contextlib
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The kernel refuses to let any file of this process grow beyond `size` bytes: writes end short or with EFBIG, at
    the place and in the way in which they end on a full disk (ENOSPC). Python ignores the SIGXFSZ that comes with it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
