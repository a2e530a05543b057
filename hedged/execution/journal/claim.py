"""A journal belongs to one mode and, live, to one account: what is another's is not the daemon's own."""

from hedged.domain.errors import Fatal
from hedged.execution.journal.store import JournalStore
from hedged.execution.journal.thread import Journal

STATE = "mode"


async def claim_journal(journal: Journal, mode: str, account: str = "", book: str = "") -> None:
    """Mark the journal as of this mode, and live as of this account and book (address and subaccount).

    Raises Fatal for one of another: simulated fills are not the account's, and what one account holds is not another's.
    """
    claimed = await journal(JournalStore.load_state, STATE)
    before = claimed.get("mode")
    attempted = await journal(JournalStore.intents)
    if before is None and attempted:
        before = "paper"  # older journals are all of that mode
    if before not in (None, mode):
        raise Fatal(f"the journal was written in mode: {before}: give mode: {mode} a state_dir of its own")
    now = {"mode": mode}
    if mode == "live":
        now |= {"account": account, "book": book}
        for name, value in now.items():
            if claimed.get(name) not in (None, value):
                raise Fatal(
                    f"the journal is of {name} {claimed[name]}, the configuration says {value}: put that back, or give "
                    f"{value} a state_dir of its own"
                )
    await journal(JournalStore.save_state, STATE, now)
