"""Signed transactions: taken apart, and their signature verified as the chain's ante handler does."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ecdsa import BadSignatureError, SECP256k1, VerifyingKey
from google.protobuf.message import DecodeError
from pyinjective.proto.cosmos.authz.v1beta1 import tx_pb2 as authz_tx
from pyinjective.proto.cosmos.tx.v1beta1 import tx_pb2
from pyinjective.proto.injective.crypto.v1beta1.ethsecp256k1 import keys_pb2
from pyinjective.wallet import Address

from hedged.sandbox.injective import codes
from hedged.sandbox.injective.wire import keccak

MSG_EXEC = "/cosmos.authz.v1beta1.MsgExec"


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its type url and bytes, and the grantee who executes it for its sender (None = the sender signs)."""

    type_url: str
    value: bytes
    grantee: str | None


@dataclass(frozen=True, slots=True)
class SignedTx:
    """A transaction as it came. Fee and gas as stated; `messages` with MsgExec unpacked, `envelopes` without."""

    raw: bytes
    tx_hash: str
    signer: str
    sequence: int
    timeout_height: int
    gas_limit: int
    fee_inj: int
    messages: Sequence[Message]
    envelopes: Sequence[tuple[str, int]]
    """(type url, how many of `messages` it holds) of each outer message."""
    public_key: bytes
    signature: bytes
    body_bytes: bytes
    auth_info_bytes: bytes

    def is_signed_for(self, chain_id: str, account_number: int) -> bool:
        """Whether the signature holds for this chain and account number (the sequence is in what was signed)."""
        doc = tx_pb2.SignDoc(
            body_bytes=self.body_bytes,
            auth_info_bytes=self.auth_info_bytes,
            chain_id=chain_id,
            account_number=account_number,
        )
        key = VerifyingKey.from_string(self.public_key, curve=SECP256k1)
        try:
            return bool(key.verify_digest(self.signature, keccak(doc.SerializeToString())))
        except BadSignatureError:
            return False


def tx_hash(raw: bytes) -> str:
    """Return a transaction's hash, upper-case hex as nodes print it."""
    return hashlib.sha256(raw).hexdigest().upper()


def decode(raw: bytes) -> SignedTx:
    """Take a transaction apart. Raises ChainError 2 (cannot be parsed) as the chain does."""
    try:
        outer = tx_pb2.TxRaw.FromString(raw)
        body = tx_pb2.TxBody.FromString(outer.body_bytes)
        auth = tx_pb2.AuthInfo.FromString(outer.auth_info_bytes)
        info = auth.signer_infos[0]
        key = keys_pb2.PubKey.FromString(info.public_key.value).key
        messages, envelopes = _unpack(body.messages)
        signer = _address_of(key)
    except (DecodeError, IndexError, ValueError, AssertionError) as error:
        raise codes.sdk(2, f"tx parse error: {error}") from None
    return SignedTx(
        raw=raw,
        tx_hash=tx_hash(raw),
        signer=signer,
        sequence=info.sequence,
        timeout_height=body.timeout_height,
        gas_limit=auth.fee.gas_limit,
        fee_inj=sum(int(coin.amount) for coin in auth.fee.amount if coin.denom == "inj"),
        messages=messages,
        envelopes=envelopes,
        public_key=key,
        signature=outer.signatures[0] if outer.signatures else b"",
        body_bytes=outer.body_bytes,
        auth_info_bytes=outer.auth_info_bytes,
    )


def _unpack(outer: Any) -> tuple[list[Message], list[tuple[str, int]]]:
    messages: list[Message] = []
    envelopes: list[tuple[str, int]] = []
    for item in outer:
        url = _slashed(item.type_url)
        if url == MSG_EXEC:
            wrapped = authz_tx.MsgExec.FromString(item.value)
            messages += [Message(_slashed(m.type_url), m.value, wrapped.grantee) for m in wrapped.msgs]
            envelopes.append((url, len(wrapped.msgs)))
        else:
            messages.append(Message(url, item.value, None))
            envelopes.append((url, 1))
    return messages, envelopes


def _slashed(type_url: str) -> str:
    return "/" + type_url.rsplit("/", 1)[-1]


def _address_of(public_key: bytes) -> str:
    """Injective's addresses are Ethereum's: the last 20 bytes of the Keccak hash of the uncompressed key."""
    point = VerifyingKey.from_string(public_key, curve=SECP256k1).to_string("uncompressed")[1:]
    address: str = Address(keccak(point)[-20:]).to_acc_bech32()
    return address
