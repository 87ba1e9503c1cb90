"""What an operator has to mend before the database can be used, in words that say how.

These refusals do not pass by waiting, and the words that TLS, PostgreSQL and poolers have for them help nobody.
"""

import ssl

import asyncpg

from backfilld.store.connection.address import Address

POOLED = (
    "set [database] pooled = true, and direct_dsn to the server itself for what needs a session of its own"
    " (docs/database.md)"
)


class DatabaseRefused(Exception):
    """The database, or what stands before it, cannot be used like this; the message says what to change.

    `may_pass`: it can be changed there, without our starting anew.
    """

    def __init__(self, message: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.may_pass = may_pass


def refusal_of(problem: BaseException, address: Address) -> DatabaseRefused | None:
    """What `problem` at connecting means; None if it may pass by itself, or speaks for itself."""
    name = address.name
    if isinstance(problem, ssl.SSLCertVerificationError):
        return DatabaseRefused(f"{name} shows a certificate that is not accepted: {_why(problem)}", may_pass=True)
    if isinstance(problem, ssl.SSLError):
        return DatabaseRefused(f"{name} and we cannot agree on TLS: {problem.reason or problem}", may_pass=True)
    if isinstance(problem, ConnectionError) and "rejected SSL upgrade" in str(problem):
        return DatabaseRefused(f"{name} speaks no TLS, which sslmode or [database] ca_file demands", may_pass=True)
    if isinstance(problem, asyncpg.PostgresError) and "unsupported startup parameter" in str(problem):
        return DatabaseRefused(f"{name} is a pooler that takes no settings for a session: {POOLED}")
    return None


def _why(problem: ssl.SSLCertVerificationError) -> str:
    said = problem.verify_message
    if problem.verify_code in _HOST_CODES:
        return f"it was made for another host ({said}); connect by a name that stands in it"
    if problem.verify_code in _CA_CODES:
        return f"it is not signed by a CA that we trust ({said}); [database] ca_file or sslrootcert must name that CA"
    return said


_HOST_CODES = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_CA_CODES = (2, 18, 19, 20, 21)  # no issuer, self-signed, self-signed in the chain, no local issuer, unverifiable leaf
