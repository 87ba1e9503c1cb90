"""Which errors of a database pass by themselves.

A lost connection, a server that restarts, a full disk, a statement that waited too long, a right or a password that
was taken away and can be given again: nothing is wrong with what was asked, so it is asked again. Everything else is
either a data error, which splits a batch until the culprit is alone, or a bug, which ends the daemon loudly.
"""

import asyncio

import asyncpg

from backfilld.store.connection.pool import NoConnection

# Whoever keeps the database can mend it there; asking again finds out.
NOT_LET_IN = (
    asyncpg.InvalidAuthorizationSpecificationError,  # a password, a role, a line of pg_hba.conf
    asyncpg.InvalidCatalogNameError,  # renamed, or dropped to be restored
    asyncpg.ObjectNotInPrerequisiteStateError,  # closed for maintenance: ALLOW_CONNECTIONS false
    asyncpg.InsufficientPrivilegeError,
)
_PASSING = (
    OSError,
    TimeoutError,
    asyncio.IncompleteReadError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection whose server said goodbye while nobody asked it anything
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutdown, crash, cannot connect now, cancelled by a timeout
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby that is about to be promoted
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.PostgresIOError,
    *NOT_LET_IN,
)
_DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)


def is_transient(error: BaseException) -> bool:
    """True if asking the same again later may help."""
    # asyncpg's complaint about a value that it cannot encode is an InterfaceError too, but also a ValueError
    return isinstance(error, _PASSING) and not isinstance(error, ValueError)


def in_words(error: BaseException) -> str:
    """What such an error means, for whoever asked; nothing of what was asked, or of the database, is in it."""
    if isinstance(error, NoConnection):
        return str(error)
    return next((words for kind, words in _WORDS if isinstance(error, kind)), "the database does not answer")


_WORDS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (asyncpg.TooManyConnectionsError, "the database has no connection left for this daemon"),
    (asyncpg.DiskFullError, "the disk of the database is full"),
    (asyncpg.ReadOnlySQLTransactionError, "the database takes no changes: it is a standby, or read-only"),
    (asyncpg.TargetServerAttributeNotMatched, "none of the database's servers takes changes"),
    (asyncpg.LockNotAvailableError, "others in the database held for too long what this needs"),
    (asyncpg.InsufficientPrivilegeError, "this daemon's role lacks a right in the database"),
    (NOT_LET_IN, "the database does not let this daemon in"),
)


def is_data_error(error: BaseException) -> bool:
    """True if a value in the statement cannot be stored."""
    return isinstance(error, (*_DATA, ValueError))
