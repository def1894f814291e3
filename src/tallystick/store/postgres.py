"""PostgreSQL through asyncpg: a pool, a transaction per unit of work, retried when it must be.

READ COMMITTED with unique constraints and row locks; a deadlock or serialization failure is
retried. Nothing is ever set on the session, only inside a transaction, so that a pooler in front
cannot mix tenants (decision 10).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeVar

import asyncpg

from tallystick.errors import ConfigurationError, StoreFailed
from tallystick.store.db import Row, Statement, Taken, Unit, Value, values_of

T = TypeVar("T")

CONNECTIONS_MAX = 16
TRIES_MAX = 5
STATEMENT_S = 5.0
CONNECT_S = 10.0
ROLL_BACK_S = 1.0
_NEVER_S = 86_400.0
# A process whose machine is gone must not hold its locks for as long as TCP hopes for it. Said in
# the transaction, so that it ends with it. (A `statement_timeout` would cancel commits as well.)
IDLE_MS = 10_000
_BEGIN = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = {}"

# As the session has them: a role or a database may have its own.
_DURABILITY = (
    "SELECT current_setting('fsync') AS fsync,"
    " current_setting('synchronous_commit') AS synchronous_commit"
)

_AGAIN = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_BROKEN = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # it is starting, stopping, or was told to give up
    asyncpg.InsufficientResourcesError,  # no room on the disk, no memory, no connection left
    asyncpg.PostgresSystemError,  # the disk does not answer
    asyncpg.ReadOnlySQLTransactionError,  # it is a standby now
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that broke between two of its messages
    OSError,
    TimeoutError,
)
# A connection that was lost while nobody used it, say because its address now leads to another
# server, and says so only when it is asked something: then the next one is asked.
_GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionError,
)


class PostgresDatabase:
    """A PostgreSQL database, or whatever speaks its protocol."""

    engine = "postgresql"
    risks: Sequence[str] = ()

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: Any = None

    async def open(self) -> None:
        """Raises StoreFailed, and ConfigurationError for an address that cannot be read."""
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=CONNECTIONS_MAX,
                timeout=CONNECT_S,
                command_timeout=STATEMENT_S,
            )
            settings = await self._pool.fetchrow(_DURABILITY)
        except ValueError:
            # Without what was said: it quotes the address, and with it a part of the password.
            raise ConfigurationError(
                "database_url cannot be read; special characters in a password are percent-encoded,"
                " as %23 for #"
            ) from None
        except (*_BROKEN, asyncpg.PostgresError) as error:
            raise StoreFailed(type(error).__name__) from None
        self.risks = [f"{name} = off" for name, value in settings.items() if value == "off"]

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def one(self, statement: Statement, **values: Value) -> Row | None:
        row: Row | None = await self._read("fetchrow", statement, values)
        return row

    async def all(self, statement: Statement, **values: Value) -> Sequence[Row]:
        rows: Sequence[Row] = await self._read("fetch", statement, values)
        return rows

    async def _read(self, how: str, statement: Statement, values: dict[str, Value]) -> Any:
        asked = statement.numbered[0], *values_of(statement, values)
        try:
            for others in reversed(range(CONNECTIONS_MAX + 1)):
                async with self._pool.acquire(timeout=CONNECT_S) as connection:
                    try:
                        return await getattr(connection, how)(*asked)
                    except TimeoutError:
                        await _roll_back(connection)
                        raise
                    except _GONE:
                        if not others:
                            raise
        except _BROKEN as error:
            raise StoreFailed(type(error).__name__) from None

    async def transact(self, unit: Unit[T]) -> T:
        for tried in range(1, TRIES_MAX + 1):
            try:
                return await self._try(unit)
            except asyncpg.UniqueViolationError:
                raise Taken from None
            except _AGAIN as error:
                if tried == TRIES_MAX:
                    raise StoreFailed(type(error).__name__) from None
                await asyncio.sleep(random.uniform(0, 0.01 * 2**tried))  # noqa: S311  # jitter
        raise StoreFailed("tried too often")

    async def _try(self, unit: Unit[T]) -> T:
        committing = False
        try:
            async with self._begun() as connection:
                try:
                    result = await unit(_PostgresTransaction(connection))
                except BaseException:
                    await _roll_back(connection)
                    raise
                committing = True
                await _commit(connection)
                return result
        except _BROKEN as error:
            raise StoreFailed(
                type(error).__name__, committed=None if committing else False
            ) from None

    @contextlib.asynccontextmanager
    async def _begun(self) -> AsyncIterator[Any]:
        """A connection with a transaction open on it."""
        for others in reversed(range(CONNECTIONS_MAX + 1)):
            async with self._pool.acquire(timeout=CONNECT_S) as connection:
                try:
                    await connection.execute(_BEGIN.format(IDLE_MS))
                except _GONE:
                    if others:
                        continue
                    raise
                except BaseException:
                    await _roll_back(connection)
                    raise
                yield connection
                return


async def _commit(connection: Any) -> None:
    """Commit; after STATEMENT_S, or when the caller is cancelled, drop the connection.

    asyncpg asks the server to cancel what it no longer waits for. A COMMIT that waits for a
    synchronous standby obeys by being visible at once, and a repetition of the request would be
    told of what the standby does not have. Of a COMMIT whose connection is dropped nobody sees
    anything until the standby has it.
    """
    late = asyncio.get_running_loop().call_later(STATEMENT_S, connection.terminate)
    try:
        await connection.execute("COMMIT", timeout=_NEVER_S)
    except asyncio.CancelledError:
        connection.terminate()  # before asyncpg's own task has asked
        raise
    finally:
        late.cancel()


async def _roll_back(connection: Any) -> None:
    """Take back what failed. On a connection where that takes long nobody answers: it is dropped,
    and with it the transaction.
    """
    try:
        await connection.execute("ROLLBACK", timeout=ROLL_BACK_S)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        with contextlib.suppress(asyncpg.InterfaceError):  # it is gone already
            connection.terminate()


class _PostgresTransaction:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def one(self, statement: Statement, **values: Value) -> Row | None:
        row: Row | None = await self._connection.fetchrow(
            statement.numbered[0], *values_of(statement, values)
        )
        return row

    async def all(self, statement: Statement, **values: Value) -> Sequence[Row]:
        rows: Sequence[Row] = await self._connection.fetch(
            statement.numbered[0], *values_of(statement, values)
        )
        return rows

    async def run(self, statement: Statement, **values: Value) -> int:
        tag: str = await self._connection.execute(
            statement.numbered[0], *values_of(statement, values)
        )
        count = tag.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def many(self, statement: Statement, rows: Sequence[Mapping[str, Value]]) -> None:
        sql = statement.numbered[0]
        await self._connection.executemany(sql, [values_of(statement, row) for row in rows])
