"""What an error of ccxt means to the caller.

On a read nothing happened, whatever went wrong: Retryable. On a send it depends on what is proven:

```
an order of this client id is there already           → OutcomeUnknown  look it up
refused by the exchange's rules, rights or funds      → Rejected        it does not exist
  (by ccxt's class, or by a code known to refuse)
too many requests; time outside the receive window    → Retryable       it was not looked at
timeout, unavailable, maintenance, no JSON, a code
that ccxt does not know, an answer that broke off     → OutcomeUnknown  look it up, never resend
```
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ccxt

from hedged.domain.errors import HedgedError, OutcomeUnknown, Rejected, Retryable

LONGEST_DETAIL = 240
_QUERY = re.compile(r"\?\S*")

REFUSED = (
    ccxt.AuthenticationError,
    ccxt.ArgumentsRequired,
    ccxt.BadRequest,
    ccxt.OperationRejected,
    ccxt.InsufficientFunds,
    ccxt.InvalidOrder,
    ccxt.NotSupported,
)
NOT_LOOKED_AT = (ccxt.RateLimitExceeded, ccxt.DDoSProtection, ccxt.InvalidNonce)


def explain(error: BaseException, redact: Callable[[str], str] = str) -> str:
    """Return an error in one short line: no query, so no signature, and nothing of the key."""
    text = _QUERY.sub("", " ".join(str(error).split()))
    return f"{type(error).__name__}: {redact(text)[:LONGEST_DETAIL]}"


def of_send(
    error: Exception, what: str, redact: Callable[[str], str] = str, refusals: str = r"(?!)"
) -> HedgedError:
    """Return what a failed send means. `refusals`: pattern of codes that refuse but are nothing special to ccxt."""
    if isinstance(error, HedgedError):
        return error
    detail = f"{what}: {explain(error, redact)}"
    if isinstance(error, NOT_LOOKED_AT):
        return Retryable(detail)
    if isinstance(error, REFUSED) and not isinstance(error, ccxt.DuplicateOrderId):
        return Rejected(detail)
    if type(error) is ccxt.ExchangeError and re.search(refusals, str(error)):
        return Rejected(detail)
    return OutcomeUnknown(detail)


@contextmanager
def reading(what: str, redact: Callable[[str], str] = str) -> Iterator[None]:
    """Turn whatever goes wrong with a read, also an answer that cannot be understood, into Retryable."""
    try:
        yield
    except ccxt.BaseError as error:
        raise Retryable(f"{what}: {explain(error, redact)}") from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        # ccxt reads answers without checking their shape first
        raise Retryable(f"{what}: the answer cannot be read: {explain(error, redact)}") from None


def refused(error: Exception) -> bool:
    """Tell whether the exchange itself said no, whatever its reason, to a request that it looked at."""
    return isinstance(error, ccxt.ExchangeError) and not isinstance(error, NOT_LOOKED_AT)
