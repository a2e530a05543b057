"""All checkers by name."""

from hedged.simulate.invariants import orders, positions, process, working
from hedged.simulate.invariants.rules import Checker

CHECKERS: dict[str, Checker] = {
    check.__name__: check
    for check in (
        orders.journalled_first, orders.one_at_a_time, orders.second_leg_waits, orders.reconciled_first,
        orders.latch_holds, orders.rates_capped, orders.hashes_agree, orders.absent_is_certain,
        orders.closing_is_reduce_only, positions.within_limits, positions.data_sound, positions.fills_count_once,
        working.within_approved, working.none_stands_alone, working.cancels_its_own, working.flattens,
        positions.own_is_known, positions.funding_agrees, positions.ledger_halts, process.ends_on_purpose,
        process.cycles_apart, process.stays_bounded, process.converges, process.data_fresh, process.stops_in_time,
    )
}  # fmt: skip
