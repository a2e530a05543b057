"""Checks that ask nobody: the configuration itself, secrets, the disk, the model."""

import os
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from hedged.config import Config
from hedged.control.api import read_token
from hedged.control.checks.finding import Finding, Found, attempt, fail, note, ok, warn
from hedged.directories import open_to_others
from hedged.secret import read_secret

GB = 1_000_000_000
LOW_GB, LEAST_GB = 2.0, 0.2
"""Free space: below the first it is time to look, below the second a journal soon cannot be written."""


def configuration(config: Config, path: Path) -> Found:
    """Tell what was read, and what of it an operator should know."""
    found = [
        ok("file", f"{path} is valid: mode {config.mode}, account {config.account}, config {config.hash}")
    ]
    if config.data.source == "simulator":
        found.append(
            note("data", "simulated: no venue is asked", "data: {source: venues} reads the real ones")
        )
    if not config.telemetry.on_loopback:
        text = (
            f"{config.telemetry.host}:{config.telemetry.port}: whoever reaches it sees positions and limits"
        )
        found.append(warn("page", text, "bind 127.0.0.1, or let a proxy with TLS ask for a password"))
    return found


def unproven_venues(config: Config) -> Found:
    """Tell which exchanges nobody has tried. Raises ConfigError for one that cannot be followed, or not be traded."""
    if config.data.source != "venues":
        return []
    from hedged.wiring.cex_venues import unproven

    return [warn(venue, what) for venue, what in unproven(config).items()]


def secrets(config: Config, environ: Mapping[str, str] = os.environ) -> list[Found]:
    """Read every secret that is configured, each by itself."""
    reads = {**_outside(config, environ), **_trading(config, environ)}
    found = [attempt(name, partial(_read, name, read)) for name, read in reads.items()]
    return [_token(config, environ), *found, attempt("live", lambda: _live(config))]


def _outside(config: Config, environ: Mapping[str, str]) -> dict[str, Callable[[], object]]:
    """Return what reads the secrets of outside sources and the webhook, by name."""
    from hedged.alerts.targets import read_heartbeat, read_targets
    from hedged.wiring.outside_parts import webhook_secret

    sources = {"coinglass": config.outside.coinglass, "coingecko": config.outside.coingecko}
    reads: dict[str, Callable[[], object]] = {
        f"outside.{name}": partial(read_secret, f"outside.{name}.key", one.key_file, one.key_env, environ)
        for name, one in sources.items()
        if one.on
    }
    if config.webhook.on:
        reads["webhook"] = partial(webhook_secret, config, environ)
    for name, one in config.alerts.targets.items():
        alone = config.alerts.model_copy(update={"targets": {name: one}})
        reads[f"alerts.{name}"] = partial(read_targets, alone, environ)
    if config.alerts.heartbeat is not None:
        reads["alerts.heartbeat"] = partial(read_heartbeat, config.alerts, environ)
    return reads


def _trading(config: Config, environ: Mapping[str, str]) -> dict[str, Callable[[], object]]:
    """Return what reads the keys that orders are signed with, by name."""
    from hedged.adapters.cex.keys import load_api_key
    from hedged.adapters.injective.keys import load_key

    told = config.injective
    reads: dict[str, Callable[[], object]] = {
        venue: partial(load_api_key, venue, config.cex_of(venue), environ)
        for venue in config.hedge.venues
        if config.cex_of(venue).has_key
    }
    if told.key_file is not None or told.key_env is not None:
        reads["trading key"] = partial(load_key, told.key_file, told.key_env, environ)
    return reads


def _read(name: str, read: Callable[[], object]) -> Found:
    read()
    return [ok(name, "its secret can be read, and by nobody else")]


def _token(config: Config, environ: Mapping[str, str]) -> Found:
    def look() -> Found:
        if read_token(config, environ) is None:
            todo = "telemetry.token_file turns them on; `hedged kill` works without"
            return [note("control API", "/api/kill, resume and reload are refused: there is no token", todo)]
        return [ok("control API", "/api/kill, resume and reload work, with the token")]

    return attempt("control API", look)


def _live(config: Config) -> Found:
    """Tell what mode: live lacks."""
    if config.mode != "live":
        return []
    lacking = [venue for venue in config.hedge.venues if not config.cex_of(venue).has_key]
    found = [
        fail(
            venue, "mode: live needs its API key", f"set cex.{venue}.key_file, or take it out of hedge.venues"
        )
        for venue in lacking
    ]
    if config.book.source != "injective":
        found.append(
            fail("book", "mode: live trades a real account", "book: {source: injective, address: inj1…}")
        )
    if config.injective.key_file is None and config.injective.key_env is None:
        found.append(
            fail("trading key", "mode: live needs one", "set injective.key_file (docs/injective-trading.md)")
        )
    return found


def disk(config: Config) -> Found:
    """Tell whether what has to be written can be, and for how long."""
    places = {"state_dir": config.state_dir}
    if (recorded := config.recorder.directory(config.data.source, config.state_dir)) is not None:
        places["recorder.dir"] = recorded
    return [finding for name, place in places.items() for finding in _place(name, place)]


def _place(name: str, place: Path) -> list[Finding]:
    here = next((one for one in (place, *place.absolute().parents) if one.exists()), Path("/"))
    if not here.is_dir() or not os.access(here, os.W_OK | os.X_OK):
        who = f"uid {os.geteuid()}"
        return [fail(name, f"{here} cannot be written by {who}", f"chown it, or name another {name}")]
    free = shutil.disk_usage(here).free / GB
    make = fail if free < LEAST_GB else warn if free < LOW_GB else None
    text = f"{place}: {free:,.1f} GB free"
    found = [make(name, text, "free some: without a journal nothing is sent") if make else ok(name, text)]
    if others := open_to_others(place) if name == "state_dir" else "":
        said, _, remedy = others.partition(": ")
        found.append(warn(name, said, remedy))
    return found


def model(config: Config) -> Found:
    """Tell whether the model loads that the daemon would serve, and is of this program."""
    from hedged.features.resample import FEATURE_HASH
    from hedged.wiring.models.serving import from_registry, open_served

    served = open_served(config)
    made = served.forecaster
    text = f"{config.hedge.forecaster} loads: model {made.model_hash}, schema {made.feature_hash}"
    if made.feature_hash != FEATURE_HASH:
        return [
            fail("model", f"{text}, this program has {FEATURE_HASH}", "train it anew with `hedged train`")
        ]
    if served.refused and not from_registry(
        config
    ):  # named on purpose: a mistake in it is not to be lived with
        return [fail("model", f"{served.why}; {text}", "name another in hedge.model, or none")]
    if served.refused:
        todo = "`hedged model rollback`, or add and promote a sound one"
        return [warn("model", f"{text}; it stands in for one that cannot serve ({served.why})", todo)]
    return [ok("model", f"{text}{_trained(config)}")]


def training(config: Config) -> Found:
    """Tell whether the daemon could train anew, on what, and when it did the last time."""
    from hedged.domain.clock import iso
    from hedged.forecast.models.trainings import Trainings
    from hedged.wiring.models.learnable import directory_of, recipe_of, unable
    from hedged.wiring.models.orders import data_end_ms

    if not config.models.retrain:
        return [note("training", "off (models.retrain)")]
    if why := unable(config, data_end_ms(config.clock.make().now_ms())):
        return [note("training", f"no model is trained: {why}")]
    ended = Trainings.of(config.state_dir).ended()
    last = (
        f"the last one ended {iso(ended[-1].ended_ms)}: {ended[-1].outcome}"
        if ended
        else "none has ended yet"
    )
    return [ok("training", f"{recipe_of(config)}, from {directory_of(config)}; {last}")]


def _trained(config: Config) -> str:
    if config.hedge.forecaster != "ensemble":
        return ""
    from hedged.forecast.artefact import SHIPPED, load
    from hedged.wiring.models.serving import from_registry, model_path

    path = model_path(config)
    card = load(path or SHIPPED).card
    whose = "the registry's champion" if path else "as shipped"
    text = whose if from_registry(config) else "by hedge.model, whoever is the registry's champion"
    return f" ({text}), trained on {card.trained_from} to {card.trained_to}"
