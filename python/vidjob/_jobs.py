"""Lists the jobs of a journal without a client: no key is needed."""

from __future__ import annotations

from vidjob._calls import JobsCall
from vidjob._hints import resolvable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vidjob._values import JobRecord
    from vidjob.types import PathInput

__all__ = ["jobs", "jobs_async"]


@resolvable
def jobs(folder: PathInput) -> list[JobRecord]:
    """Lists the jobs of a journal. Nothing is sent, and no key is needed.

    Args:
        folder: The folder of a batch or of renders.

    Returns:
        One record for each item, in the order in which the journal first names them.

    Raises:
        InvalidRequest: The folder does not exist, or has no journal.
        JournalError: The journal cannot be read.
    """
    return _call(folder).run()


@resolvable
async def jobs_async(folder: PathInput) -> list[JobRecord]:
    """Async version of `jobs`."""
    return await _call(folder).run_async()


def _call(folder: PathInput) -> JobsCall:
    from vidjob._arguments import absolute_path, local_path
    from vidjob._journal import existing_journal

    return JobsCall(existing_journal(absolute_path(local_path("folder", folder))))
