"""A Dask cluster as workers: its scheduler hands a task to another worker when one dies.

What goes over a cluster's wire is pickled: whoever reaches scheduler or worker runs code there and, by an answer, here.
So a cluster is of one's own network, or encrypted with certificates of one's own (tls://).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hedged.config.address import is_near
from hedged.domain.errors import ConfigError
from hedged.sweep.identity import Grounds, Unfit, prove
from hedged.sweep.workers import Workers

CONNECT_S = 10.0
JOIN_S = 60.0
"""A cluster without a worker is given so long to get one."""


@contextmanager
def cluster(address: str, grounds: Grounds) -> Iterator[Workers]:
    """Run tasks on the cluster whose scheduler is at `address`, e.g. tcp://10.0.0.5:8786.

    Raises ConfigError when it cannot be reached, has no worker, or has one with other code, data or models. Workers
    that join later prove themselves with their first task.
    """
    _refuse_open(address)
    try:
        from distributed import Client
    except ModuleNotFoundError as missing:
        raise ConfigError(f"--cluster needs {missing.name}: pip install 'hedged[sweep]'") from None
    try:
        client: Any = Client(address, timeout=CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--cluster {address}: no scheduler answers there ({error}); see docs/sweep.md"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=JOIN_S)
        except TimeoutError:
            raise ConfigError(f"--cluster {address}: no worker has joined; see docs/sweep.md") from None
        _refuse_unfit(client, grounds)
        # a pure function's result would be kept: a task that failed would not run again
        executor = client.get_executor(pure=False)
        try:
            yield Workers(lambda: executor, lambda: _slots(client))
        finally:
            executor.shutdown(wait=False)


def _refuse_open(address: str) -> None:
    """Raise ConfigError for a cluster that is asked for in plain text beyond one's own network."""
    scheme, _, rest = address.rpartition("://")
    host = rest.rpartition(":")[0]
    if scheme != "tls" and not is_near(host):
        raise ConfigError(
            f"--cluster {address}: what goes there is pickled: in plain text anybody on the way could run code here; "
            "name an address of your own network, or tls://..."
        )


def _refuse_unfit(client: Any, grounds: Grounds) -> None:
    """Raise ConfigError when a worker is not like this process."""
    # as tasks: what is run beside them holds up the worker's heart
    asked = {name: client.submit(_fault, grounds, workers=[name], pure=False) for name in client.nthreads()}
    for worker, answer in asked.items():
        try:
            fault = answer.result(timeout=JOIN_S)
        except TimeoutError:
            fault = f"it does not answer within {JOIN_S:.0f} s"
        except Exception as error:  # whatever it raised there, most likely an import
            fault = f"it cannot run this version of hedged: {error}"
        if fault is not None:
            raise ConfigError(f"worker {worker}: {fault}")


def _fault(grounds: Grounds) -> str | None:
    """Return what is wrong with the worker that this runs on."""
    try:
        prove(grounds)
    except Unfit as error:
        return str(error)
    return None


def _slots(client: Any) -> int:
    """Return how many tasks to have under way: one for each thread, and one more to go on with at once."""
    threads: dict[str, int] = client.nthreads()
    return max(2, 2 * sum(threads.values()))
