"""A journal belongs to one mode: simulated fills are not the account's, and the account's are no simulation."""

from hedged.domain.errors import Fatal
from hedged.execution.journal import Journal
from hedged.execution.store import JournalStore

STATE = "mode"


async def claim_journal(journal: Journal, mode: str) -> None:
    """Mark the journal as of this mode. Raises Fatal for one of another: simulated fills are not the account's."""
    before = (await journal(JournalStore.load_state, STATE)).get("mode")
    attempted = await journal(JournalStore.intents)
    if before is None and attempted:
        before = "paper"  # older journals are all of that mode
    if before not in (None, mode):
        raise Fatal(f"the journal was written in mode: {before}: give mode: {mode} a state_dir of its own")
    await journal(JournalStore.save_state, STATE, {"mode": mode})
