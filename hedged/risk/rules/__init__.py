"""The rules of the gate, in the order in which they are asked. Each is a pure function of (order, facts, limits)."""

from collections.abc import Callable

from hedged.domain.orders import Intent
from hedged.risk.facts import GateFacts
from hedged.risk.limits import Limits
from hedged.risk.rules import form, money, permission, size, state
from hedged.risk.verdict import Verdict

Rule = Callable[[Intent, GateFacts, Limits], Verdict]

RULES: tuple[Rule, ...] = (*state.RULES, *form.RULES, *permission.RULES, *size.RULES, *money.RULES)
"""State before form before permission before size: the first refusal is the one that is named."""
