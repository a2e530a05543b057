"""A trader to rehearse with: an address with a position, a grantee that may trade for it, and the daemon's settings."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pyinjective import PrivateKey

from hedged.config.whole import LIVE_ACKNOWLEDGEMENT
from hedged.domain.clock import DAY_MS
from hedged.sandbox.injective.server import InjectiveSandbox
from hedged.sandbox.injective.wire import subaccount_of

GRANTED = (
    "MsgCreateDerivativeMarketOrder",
    "MsgCreateDerivativeLimitOrder",
    "MsgCancelDerivativeOrder",
    "MsgBatchUpdateOrders",
)
"""What the grantee may send: orders, nothing that moves money out."""
GRANT_DAYS = 30
OPERATOR_USDT = 100_000


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Addresses that exist on this sandbox alone. The operator's key is nowhere: only the grantee's is written."""

    operator: str
    grantee: str
    key_file: Path
    config_file: Path


def address_of(key: PrivateKey) -> str:
    """Return the account of a key."""
    address: str = key.to_public_key().to_address().to_acc_bech32()
    return address


TIDAL = "tail_h: 0 # the tides turn within hours, so that the usual rate tells nothing of what comes"
"""By the usual rate a hedge would be held through every ebb, rightly: it comes back before closing has paid."""

TRADING = f"""\
mode: live # as with real money; here there is none
live_acknowledgement: {LIVE_ACKNOWLEDGEMENT}
"""

ALONE = """\
quality:
  rate_evidence: 1000000 # the tides are this chain's alone, and would pass for a rate in the wrong unit
"""


def throwaway_key(seed: int, role: str) -> PrivateKey:
    """Return the same throw-away key for the same seed, so that a written configuration outlives a restart."""
    return PrivateKey.from_hex(hashlib.sha256(f"hedged sandbox {role} {seed}".encode()).hexdigest())


def prepare(
    sandbox: InjectiveSandbox,
    positions: Mapping[str, Decimal],
    out: Path,
    seed: int,
    hedge: str = "hedge:\n  venues: [] # own cuts on Injective are the only hedge\n",
    *,
    trading: bool = False,
) -> Rehearsal:
    """Fund the operator, open its positions (signed USD by symbol), grant, write key and configuration to `out`.

    `hedge`: the part of the configuration that says where to hedge, as YAML. `trading`: the daemon shall trade here,
    not on paper.
    """
    chain = sandbox.chain
    operator = address_of(throwaway_key(seed, "operator"))
    grantee_key = throwaway_key(seed, "grantee")
    grantee = address_of(grantee_key)
    chain.fund(operator, inj=10, usdt=OPERATOR_USDT)
    chain.fund(grantee, inj=1)
    expires_s = (chain.now_ms() + GRANT_DAYS * DAY_MS) // 1_000
    for name in GRANTED:
        chain.grant(operator, grantee, f"/injective.exchange.v2.{name}", expires_s)
    for symbol, usd in positions.items():
        market = sandbox.markets[symbol]
        quantity = usd / market.mark // market.rules.quantity_tick * market.rules.quantity_tick
        chain.seed_position(subaccount_of(operator), symbol, quantity, market.mark)
    out.mkdir(parents=True, exist_ok=True)
    key_file, config_file = out / "grantee.key", out / "config.yaml"
    write_secret(key_file, grantee_key.to_hex())
    if sandbox.config.tide_h is not None:
        hedge = hedge.replace("hedge:\n", f"hedge:\n  {TIDAL}\n", 1) + ALONE
    mode = TRADING if trading else "mode: paper\n"
    config_file.write_text(mode + daemon_settings(sandbox, operator, out, key_file) + hedge)
    return Rehearsal(operator, grantee, key_file, config_file)


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read, from its first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")


def daemon_settings(sandbox: InjectiveSandbox, operator: str, out: Path, key_file: Path) -> str:
    """Return the daemon's configuration for this sandbox, as YAML."""
    at = sandbox.endpoints
    return f"""\
account: rehearsal
state_dir: {out / "state"}
book:
  source: injective
  address: {operator}
  subaccount: 0
data:
  source: venues
injective:
  network: custom
  chain_id: {sandbox.config.chain_id}
  nodes:
    - chain_grpc: {at.chain_grpc}
      indexer_grpc: {at.indexer_grpc}
      chain_stream: {at.chain_stream}
  key_file: {key_file} # read with mode: live alone
{_clock(sandbox)}"""


def _clock(sandbox: InjectiveSandbox) -> str:
    if sandbox.config.speed == 1:
        return ""
    return f"""\
clock: # the chain's: it counts from the sandbox's start, so a new start needs the new file
  speed: {sandbox.config.speed:g}
  from_ms: {sandbox.from_ms}
"""
