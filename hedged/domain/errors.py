"""Errors, named by what the caller must do.

```
HedgedError
├── Retryable        the request had no effect; the same one may be made again later
├── Rejected         the venue or a rule said no; asking again in the same way is pointless
│   └── WouldTake    a post-only order would have been filled at once: ask at another price, or take
├── OutcomeUnknown   it may have happened: look it up, never send it again
├── NoJournal        what is done cannot be written down now: send nothing, forget nothing, go on when it can be again
└── Fatal            the daemon or command must stop; the message says what the operator should change
    ├── ConfigError  the configuration is wrong
    └── DataError    the recorded data cannot serve this request
```
"""


class HedgedError(Exception):
    """Root of every error that this package raises on purpose."""


class Retryable(HedgedError):
    """The request certainly had no effect; try again later, with back-off."""


class Rejected(HedgedError):
    """A venue or a rule refused. Repeating the same request is pointless."""


class WouldTake(Rejected):
    """A post-only order would have been filled at once, so it does not exist. Rest at another price, or take."""


class OutcomeUnknown(HedgedError):
    """The request may have taken effect. Look it up by its client id; never resend it."""


class NoJournal(HedgedError):
    """The journal cannot be written or read now (disk full, read-only, locked). Send nothing until it can be again.

    It is no venue's failure: an order in whose midst it is raised may well have been sent.
    """


class Fatal(HedgedError):
    """Stop: a person has to change something. The message says what."""


class ConfigError(Fatal):
    """The configuration is wrong; the message names the key and the remedy."""


class DataError(Fatal):
    """The recorded data cannot serve this request; the message names the table and what is missing."""


def reason(error: BaseException) -> str:
    """Write why something ended, of a group its first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
