"""Which errors are waited out, which are a value's fault, and which are bugs."""

import asyncio

import asyncpg
import pytest

from backfilld.store.connection.transient_errors import is_data_error, is_transient

PASS = [
    ConnectionResetError(),
    BrokenPipeError(),
    FileNotFoundError("no socket yet"),
    TimeoutError(),
    asyncio.IncompleteReadError(b"", 5),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.ConnectionDoesNotExistError(),
    asyncpg.CannotConnectNowError(),
    asyncpg.AdminShutdownError(),
    asyncpg.CrashShutdownError(),
    asyncpg.QueryCanceledError(),
    asyncpg.TooManyConnectionsError(),
    asyncpg.DiskFullError(),
    asyncpg.OutOfMemoryError(),
    asyncpg.LockNotAvailableError(),
    asyncpg.DeadlockDetectedError(),
    asyncpg.SerializationError(),
    asyncpg.ReadOnlySQLTransactionError(),
    asyncpg.InvalidPasswordError(),
    asyncpg.InvalidAuthorizationSpecificationError(),
    asyncpg.InvalidCatalogNameError(),
    asyncpg.ObjectNotInPrerequisiteStateError(),
    asyncpg.InsufficientPrivilegeError(),
]
DATA = [
    asyncpg.CharacterNotInRepertoireError(),
    asyncpg.NumericValueOutOfRangeError(),
    asyncpg.StringDataRightTruncationError(),
    asyncpg.UntranslatableCharacterError(),
    asyncpg.CheckViolationError(),
    asyncpg.ForeignKeyViolationError(),
    asyncpg.exceptions.DataError("value out of int32 range"),
    asyncpg.ProgramLimitExceededError(),
]
BUGS = [
    asyncpg.UndefinedTableError(),
    asyncpg.PostgresSyntaxError(),
    asyncpg.CardinalityViolationError(),
    KeyError("x"),
    ZeroDivisionError(),
]


@pytest.mark.parametrize("error", PASS, ids=repr)
def test_what_passes_by_itself_is_nobodys_fault(error: Exception):
    assert is_transient(error)
    assert not is_data_error(error)


@pytest.mark.parametrize("error", DATA, ids=repr)
def test_a_value_that_cannot_be_stored_is_not_waited_for(error: Exception):
    assert is_data_error(error)
    assert not is_transient(error)


@pytest.mark.parametrize("error", BUGS, ids=repr)
def test_a_bug_is_neither(error: Exception):
    assert not is_transient(error)
    assert not is_data_error(error)


async def test_a_value_that_the_driver_cannot_send_is_a_data_error(pool):
    with pytest.raises(asyncpg.DataError) as refused:
        await pool.fetchval("SELECT $1::smallint", 10**6)

    assert is_data_error(refused.value)
    assert not is_transient(refused.value)
