"""The ante handler: what a transaction must be before its messages are looked at, and who may send those."""

from typing import TYPE_CHECKING

from hedged.sandbox.injective import codes
from hedged.sandbox.injective.codes import ChainError
from hedged.sandbox.injective.ledger import INJ
from hedged.sandbox.injective.messages import signer_of
from hedged.sandbox.injective.transactions import Message, SignedTx

if TYPE_CHECKING:
    from hedged.sandbox.injective.chain import Chain

LOW_GAS_FACTOR = 1_000


def check(chain: "Chain", tx: SignedTx, expected: int, *, simulated: bool = False) -> None:
    """Check fee, timeout height, funds, sequence and signature, in the order of the chain's ante handler.

    `expected`: the sequence that is next. Raises ChainError.
    """
    factor = LOW_GAS_FACTOR if chain.faults.low_gas else 1
    required = tx.gas_limit * chain.base_fee * factor
    if not simulated and tx.fee_inj < required:
        text = f"insufficient fees; got: {tx.fee_inj}inj required: {required}inj: insufficient fee"
        raise codes.sdk(codes.INSUFFICIENT_FEE, text)
    if tx.timeout_height and chain.height > tx.timeout_height:
        text = f"block height: {chain.height}, timeout height: {tx.timeout_height}: tx timeout height"
        raise codes.sdk(codes.TX_TIMEOUT_HEIGHT, text)
    account = chain.accounts.get(tx.signer)
    if account is None:
        text = f"fee payer address: {tx.signer} does not exist: unknown address"
        raise codes.sdk(codes.UNKNOWN_ADDRESS, text)
    balance = chain.exchange.ledger.bank[tx.signer][INJ]
    if not simulated and balance < tx.fee_inj:
        text = f"spendable balance {balance}inj is smaller than {tx.fee_inj}inj: insufficient funds"
        raise codes.sdk(codes.INSUFFICIENT_FUNDS, text)
    if tx.sequence != expected:
        raise wrong_sequence(expected, tx.sequence)
    if not simulated and not tx.is_signed_for(chain.chain_id, account.number):
        text = f"({account.number}), sequence ({expected}) and chain-id ({chain.chain_id}): unauthorized"
        text = f"signature verification failed; please verify account number {text}"
        raise codes.sdk(codes.UNAUTHORIZED, text)


def authorise(chain: "Chain", signer: str, message: Message) -> None:
    """Check that the signer may send a message, itself or as a grantee. Raises ChainError."""
    acting_for = signer_of(message.type_url, message.value)
    if message.grantee is None:
        if acting_for != signer:
            raise codes.sdk(codes.UNAUTHORIZED, "signature verification failed: unauthorized")
        return
    if message.grantee != signer:
        raise codes.sdk(codes.UNAUTHORIZED, "the grantee did not sign: unauthorized")
    if acting_for != signer:
        now_s = chain.time_s
        if chain.faults.expired_grant:
            chain.grants.require("", "", message.type_url, now_s)
        chain.grants.require(acting_for, signer, message.type_url, now_s)


def wrong_sequence(expected: int, got: int) -> ChainError:
    """Return the error of a sequence that is not the next one."""
    text = f"account sequence mismatch, expected {expected}, got {got}: incorrect account sequence"
    return codes.sdk(codes.WRONG_SEQUENCE, text)
