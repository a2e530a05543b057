"""The commands that play: `hedged demo` on simulated markets, `hedged backtest` on recorded ones."""

from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hedged.commands.model import bar, day_ms, trainer_of
from hedged.commands.shared import EngineName, ProxyRuleName, console, quiet_logs
from hedged.domain.errors import ConfigError

if TYPE_CHECKING:
    from hedged.backtest.recorded import BacktestOptions
    from hedged.config import Config


DataOption = Annotated[Path, typer.Option(help="Data directory: Parquet tables of market history.")]
FromOption = Annotated[str, typer.Option("--from", help="First day, UTC midnight, inclusive: YYYY-MM-DD.")]
ToOption = Annotated[str, typer.Option("--to", help="Last day, UTC midnight, exclusive: YYYY-MM-DD.")]
SymbolOption = Annotated[
    list[str] | None, typer.Option(help="Symbol to load; repeat. Default: those of the positions.")
]
PositionOption = Annotated[
    list[str] | None, typer.Option(help="Own position on Injective in USD, signed: ETH=100000; repeat.")
]
OutOption = Annotated[Path, typer.Option(help="Where the files go.")]
ProxyOption = Annotated[
    str | None,
    typer.Option(
        help="Stand-in for Injective's funding; default injective=hyperliquid where the data hold none."
    ),
]
ProxyRuleOption = Annotated[
    ProxyRuleName,
    typer.Option(help="chain: Injective's formula on the premium; level: the printed rate."),
]
EquityOption = Annotated[
    float | None, typer.Option(help="Equity in USD. Default: a third of the gross position.")
]
ConfigOption = Annotated[Path | None, typer.Option(help="Configuration file; options here come on top.")]
VenuesOption = Annotated[str | None, typer.Option(help="Comma-separated, e.g. binance,bybit.")]
CapOption = Annotated[
    float | None, typer.Option(min=0, max=1, help="Largest hedge, as share of the own position.")
]
OwnCutOption = Annotated[
    bool | None, typer.Option("--allow-own-cut/--no-own-cut", help="May the own position be cut?")
]
ForecasterOption = Annotated[str | None, typer.Option(help="ensemble, nowcast, ewma or persistence.")]
ModelOption = Annotated[Path | None, typer.Option(help="Model directory. Default: the shipped one.")]
WalkForwardOption = Annotated[
    str | None,
    typer.Option(
        help="Train anew on the past alone, at the beginning and then monthly, quarterly or every so many days."
    ),
]
SmallOption = Annotated[bool, typer.Option("--small", help="Walk-forward: train the small ensemble.")]
ModelsOption = Annotated[
    Path | None,
    typer.Option(help="Walk-forward: where models are kept, for other runs too. Default: OUT/models."),
]
EngineOption = Annotated[
    EngineName,
    typer.Option(
        help="daemon: the very process that runs live, on a virtual clock; batch: the same decisions and fills by "
        "its pure functions alone, faster, for the funding hedge and one decision a bar (docs/backtest.md)."
    ),
]
LawsOption = Annotated[
    Path | None,
    typer.Option(
        help="Batch engine: where the forecasts of a window are kept, for other runs too. Default: OUT/laws."
    ),
]


def demo(
    days: Annotated[int, typer.Option(min=1, max=365, help="Days to simulate.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files.")] = 7,
    out: Annotated[Path, typer.Option(help="Where the files go.")] = Path("out/demo"),
) -> None:
    """See it work: the real daemon over simulated venues, offline, no keys, no configuration."""
    from hedged.backtest.demo import demo_config, run_demo
    from hedged.commands.terminal import progress, show_summary

    quiet_logs()
    console.print(
        f"Simulating Injective and two CEXs for {days} days (seed {seed}); the daemon decides every 15 minutes."
    )
    with progress(console, days * 86_400 // demo_config().cycle.interval_s) as on_cycle:
        summary, report = run_demo(days, seed, out, on_cycle)
    show_summary(console, summary, report)


def backtest(
    data: DataOption,
    from_: FromOption,
    to: ToOption,
    symbol: SymbolOption = None,
    position: PositionOption = None,
    out: OutOption = Path("out/backtest"),
    proxy: ProxyOption = None,
    proxy_rule: ProxyRuleOption = ProxyRuleName.CHAIN,
    equity: EquityOption = None,
    config: ConfigOption = None,
    hedge_venues: VenuesOption = None,
    cap: CapOption = None,
    allow_own_cut: OwnCutOption = None,
    forecaster: ForecasterOption = None,
    model: ModelOption = None,
    walk_forward: WalkForwardOption = None,
    small: SmallOption = False,
    models: ModelsOption = None,
    engine: EngineOption = EngineName.DAEMON,
    laws: LawsOption = None,
) -> None:
    """Run the daemon over recorded market data and report what hedging would have been worth."""
    from hedged.adapters.replay.proxy import Proxy
    from hedged.backtest.recorded import BacktestOptions, run_backtest
    from hedged.backtest.runner import Window
    from hedged.commands.terminal import progress, show_summary

    quiet_logs()
    settings = backtest_config(
        config, position or [], equity, hedge_venues, cap, allow_own_cut, forecaster, model
    )
    symbols = sorted(set(symbol or settings.book.positions))
    stand_in: Proxy | None = None
    if proxy is not None:
        name, _, venue = proxy.partition("=")
        if name != "injective" or not venue:
            raise ConfigError(f"--proxy {proxy!r}: expected injective=VENUE")
        stand_in = Proxy(venue, proxy_rule.value)
    window = Window(day_ms(from_, "--from"), day_ms(to, "--to"))
    if laws and engine is not EngineName.BATCH:
        raise ConfigError("--laws belongs to --engine batch: the daemon forecasts on the way")
    options = BacktestOptions(
        data, symbols, window, out, stand_in, proxy_rule.value, engine=engine.value, laws=laws
    )
    if walk_forward is not None:
        options = _trained_first(options, settings, walk_forward, models or out / "models", small)
    elif small or models:
        raise ConfigError("--small and --models belong to --walk-forward")
    cycles = max(0, (window.to_ms - window.from_ms) // (settings.cycle.interval_s * 1_000))
    if engine is EngineName.BATCH:
        with bar() as on_progress:
            summary, report = run_backtest(settings, options, on_progress=on_progress)
    else:
        with progress(console, cycles) as on_cycle:
            summary, report = run_backtest(settings, options, on_cycle)
    show_summary(console, summary, report)


def _trained_first(
    options: "BacktestOptions", settings: "Config", every: str, models: Path, small: bool
) -> "BacktestOptions":
    """Train the models of a walk-forward run under a progress bar of their own; the run then finds them."""
    from hedged.backtest.recorded import load_world, models_of
    from hedged.backtest.walk_forward import WalkForward

    load_world(settings, options)  # what is wrong with the run is said before the training
    recipe = "the small ensemble, seed 0" if small else "the ensemble, seed 0"
    with bar() as on_progress:
        trainer = trainer_of(options.data, small, 0, on_progress)
        plan = WalkForward(every, recipe, models, trainer, on_progress)
        options = replace(options, walk_forward=plan)
        models_of(settings, options)
    return replace(options, walk_forward=replace(plan, on_progress=lambda _stage, _share: None))


def backtest_config(
    path: Path | None,
    positions: list[str],
    equity: float | None,
    hedge_venues: str | None,
    cap: float | None = None,
    allow_own_cut: bool | None = None,
    forecaster: str | None = None,
    model: Path | None = None,
) -> "Config":
    """Put the command line's options on top of the file (or of the defaults)."""
    from hedged.config import load_config, parse_config

    raw: dict[str, Any] = (load_config(path).model_dump(mode="json", exclude_none=True)) if path else {}
    book, hedge = raw.setdefault("book", {}), raw.setdefault("hedge", {})
    if positions:
        pairs = [_position(text) for text in positions]
        if len({symbol for symbol, _ in pairs}) != len(pairs):
            raise ConfigError("--position names a symbol twice")
        book["positions"] = {symbol: {"usd": usd} for symbol, usd in pairs}
    if equity is not None:
        book["equity_usd"] = equity
    given = {"cap": cap, "allow_own_cut": allow_own_cut, "forecaster": forecaster}
    given["model"] = str(model) if model else None
    hedge.update({key: value for key, value in given.items() if value is not None})
    if hedge_venues is not None:
        hedge["venues"] = [venue.strip() for venue in hedge_venues.split(",") if venue.strip()]
    return parse_config(raw, str(path) if path else "options")


def _position(text: str) -> tuple[str, str]:
    symbol, _, usd = text.partition("=")
    try:
        if not symbol or not Decimal(usd).is_finite() or Decimal(usd) == 0:
            raise InvalidOperation
    except InvalidOperation:
        raise ConfigError(
            f"--position {text!r}: expected SYMBOL=USD with USD not zero, e.g. ETH=100000"
        ) from None
    return symbol, usd
