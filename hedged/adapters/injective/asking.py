"""What a failed read means: nothing happened, ask again later. Unknown is never zero."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc.aio
from google.protobuf.message import DecodeError

from hedged.domain.errors import Retryable

LONGEST_DETAIL = 200


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn whatever goes wrong with a read, also an answer that cannot be understood, into Retryable."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise Retryable(f"Injective, {what}: {explain(error)}") from None
    except (ArithmeticError, AttributeError, DecodeError, LookupError, TypeError, ValueError) as error:
        raise Retryable(
            f"Injective, {what}: the answer cannot be read: {type(error).__name__} {error}"
        ) from None


def explain(error: grpc.aio.AioRpcError) -> str:
    """Return code and detail of a gRPC error in one short line."""
    detail = " ".join((error.details() or "").split())
    return f"{error.code().name}: {detail[:LONGEST_DETAIL]}"
