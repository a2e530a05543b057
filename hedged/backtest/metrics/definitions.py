"""Every figure of a run: its name, its unit, what it says, how it is reckoned and where that comes from.

The tables of docs/metrics.md are made from `Metric` and `LABELS`; a test compares the two.
"""

from collections.abc import Callable
from enum import StrEnum

from hedged.backtest.metrics import formulas
from hedged.backtest.metrics.formulas import Frame, Part
from hedged.backtest.metrics.sums import Sums

Formula = Callable[[Sums, Frame], Part]
NOTHING = "Not told where that is below 20 bp of notional a year."


class Metric(StrEnum):
    """A figure. In the order in which a reader wants them; `of` is None where it is no function of sums over days."""

    label: str
    unit: str
    meaning: str
    source: str
    of: Formula | None

    def __new__(
        cls, value: str, label: str, unit: str, of: Formula | None, meaning: str, source: str = ""
    ) -> "Metric":
        """`meaning`: what an operator reads; `source`: where the formula comes from."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.label, member.unit, member.of = label, unit, of
        member.meaning, member.source = meaning, source
        return member

    NET_SAVING = (
        "net_saving", "Net saving", "usd", formulas.net_saving,
        "Funding of all that was held less that of the unhedged book, less fees, half-spread, impact and what prices "
        "did before an order arrived. Price gains are no saving.",
    )  # fmt: skip
    SAVING_RATIO = (
        "saving_ratio", "Saving ratio", "share", formulas.saving_ratio,
        f"Net saving as a share of the funding that the unhedged book paid on the whole. {NOTHING}",
    )  # fmt: skip
    SAVING_RATIO_CEILING = (
        "saving_ratio_ceiling", "Its ceiling at the cap", "share", formulas.saving_ratio_ceiling,
        "What cutting to the cap at every settlement at which something was paid, and only then, would have saved "
        "without costs. A leg at another venue may earn more than that, as it lives on two rates.",
    )  # fmt: skip
    SAVING_RATIO_CEILING_FULL = (
        "saving_ratio_ceiling_full", "Its ceiling at a cap of 100 %", "share", formulas.saving_ratio_ceiling_full,
        "The same with the whole position cut: above 100 % where some settlements were received.",
    )  # fmt: skip
    HEDGE_EFFECTIVENESS = (
        "hedge_effectiveness", "Hedge effectiveness", "share", formulas.hedge_effectiveness,
        "Share of the unhedged book's losses that was avoided: losses are those of days (UTC) on which the book paid, "
        f"the hedged ones after costs. A cut held all day reaches the cap. {NOTHING}",
        "requirement C12",
    )  # fmt: skip
    VARIANCE_EFFECTIVENESS = (
        "variance_effectiveness", "Variance effectiveness", "share", formulas.variance_effectiveness,
        "By how much hedging lowered the variance of the book's daily funding, costs left out.",
        "Ederington 1979",
    )  # fmt: skip
    VARIANCE_EFFECTIVENESS_CEILING = (
        "variance_effectiveness_ceiling", "Its ceiling at the cap", "share", formulas.variance_effectiveness_ceiling,
        "What the cap always cut gives, whatever the forecast is worth: 64 % at a cap of 40 %. Cuts that come and go "
        "and legs at other venues may lie on either side of it.",
    )  # fmt: skip
    FORESIGHT_SHARE = (
        "foresight_share", "Share of perfect foresight", "share", formulas.foresight_share,
        "Net saving as a share of what perfect foresight would have saved with the same costs and limits. Not told "
        "where perfect foresight saves less than 20 bp of notional a year: of nothing there is no share.",
    )  # fmt: skip
    OVER_CONSTANT = (
        "over_constant", "Net saving over the constant hedge", "usd", formulas.over_constant,
        "What deciding was worth: net saving less that of the cap held always.",
    )  # fmt: skip
    TURNOVER = (
        "turnover", "Turnover", "usd", formulas.turnover,
        "Notional of all hedge orders; both legs of a pair count.",
    )  # fmt: skip
    TURNOVER_MONTH = (
        "turnover_month", "Turnover a month", "times", formulas.turnover_month,
        "Turnover of 30 days, in times the gross notional of the own positions at the start.",
    )  # fmt: skip
    MAKER_SHARE = (
        "maker_share", "Made", "share", None,
        "Share of the turnover whose orders rested in the book and paid the maker's fee; the rest was taken.",
    )  # fmt: skip
    WORST_DAY = (
        "worst_day", "Worst day", "usd", None,
        "The least net saving of a day (UTC), with its date. The day on which a hedge is opened bears its whole cost.",
    )  # fmt: skip
    NAKED_HOURS = (
        "naked_hours", "Leg alone", "hours", None,
        "Time in which a leg of a pair stood alone, summed over symbols, from the fills: a same-side leg elsewhere "
        "that no cut covers, or one fill of a pair waiting for the other.",
    )  # fmt: skip
    RETURN_ON_CAPITAL = (
        "return_on_capital", "Return on capital, a year", "share", formulas.return_on_capital,
        "Net saving, carried on to a year, as a share of the collateral that lies at the hedge venues, used or not.",
    )  # fmt: skip
    MONTHLY_FUNDING = (
        "monthly_funding", "Funding cost a month, unhedged", "usd", formulas.monthly_funding,
        "What the unhedged book paid in 30 days on average; < 0 where it received.",
    )  # fmt: skip
    BREAK_EVEN_MONTHLY_FUNDING = (
        "break_even_monthly_funding", "Funding cost a month from which hedging pays", "usd",
        formulas.break_even_monthly_funding,
        "The monthly funding cost at which this way of hedging would just have earned what it costs: its orders and "
        "the charge on the collateral, a month, divided by the share of funding that it saved. Not told where it "
        "saved nothing.",
        "requirement A15: worthwhile from 500 to 1,000 USD a month on",
    )  # fmt: skip


LABELS = {
    "hedged": ("hedged", "The run itself."),
    "none": ("no hedge", "The book left alone: zero by definition."),
    "constant": (
        "cap held always",
        "As much hedge as the cap allows, opened at the start and never changed: relocated to the first hedge venue; "
        "cut where there is none; opposite, within the delta band, where the own position may not be cut.",
    ),
    "on_sign": (
        "cap by sign",
        "The same hedge while the last settled rates say that it saves, else none; decided every hour.",
    ),
    "persistence": (
        "planner, persistence",
        "The planner on the last settled rate with bands of its own past errors.",
    ),
    "ewma": (
        "planner, EWMA",
        "The planner on an exponentially weighted mean, tuned on the year before, with bands of its own past errors.",
    ),
    "foresight": (
        "perfect foresight",
        "Dynamic programming over 0, ¼, ½, ¾ and 1 of the cap for cut, opposite and relocation together, with every "
        "coming settlement known; every hour. Not attainable.",
    ),
}
"""Ways of hedging by name: what a table calls them, and what they do."""


def metrics_table() -> str:
    """Return the figures as a Markdown table."""
    rows = [
        f"| `{m}` | {m.label} | {m.unit} | {_formula(m)} | {m.meaning}{f' ({m.source})' if m.source else ''} |"
        for m in Metric
    ]
    return "\n".join(["| name | figure | unit | formula | meaning |", "|---|---|---|---|---|", *rows])


def baselines_table() -> str:
    """Return the ways of hedging as a Markdown table."""
    rows = [f"| `{name}` | {label} | {what} |" for name, (label, what) in LABELS.items()]
    return "\n".join(["| name | called | what it does |", "|---|---|---|", *rows])


def _formula(metric: Metric) -> str:
    return (metric.of.__doc__ or "").rstrip(".") if metric.of else ""
