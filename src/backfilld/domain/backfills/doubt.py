"""What is not known of an item that a target may have received.

A time limit, a broken connection, a 5xx or a kill says nothing of what the target made of the request: it may be at it
still. A target that does the work once per key then answers the next request with a 409 (423, 425): another one under
this key is under way, or ended in a way that it does not repeat. That is no failure of the item, but "not known yet".
"""

from dataclasses import replace
from datetime import datetime, timedelta

from backfilld.domain.backfills.records import Item
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.texts import MESSAGE_BYTES, clean_text

# A kept connection that closed as the request was written: nobody answered, but somebody may have read it.
_PERHAPS_READ = "connection_closed"


def stays_in_doubt(verdict: Verdict, item: Item) -> bool:
    """Whether after this try nobody knows what a target that received the item has done, or is doing.

    An answer that only puts us off (429, 408, 401, no connection) leaves that as it was.
    """
    return item.in_doubt or _says_nothing(verdict)


def _says_nothing(verdict: Verdict) -> bool:
    status = verdict.http_status
    if verdict.kind is VerdictKind.TRY_AGAIN:
        puts_off = status is not None and 400 <= status < 500 and verdict.error_class == f"http_{status}"
        return not puts_off
    if verdict.kind is VerdictKind.UNREACHABLE:
        return status is not None or verdict.error_class == _PERHAPS_READ
    return False


def not_known_yet(verdict: Verdict, item: Item) -> bool:
    """True if the answer may be about an earlier request under the same key, of which nothing definite is known."""
    return verdict.is_about_key and item.in_doubt


def asking_again(verdict: Verdict) -> Verdict:
    """The same answer, as what it means: to be asked again under the same key, for as long as one has patience."""
    text = f"{verdict.error}; whether an earlier request under this key has been done is not known yet"
    return replace(verdict, kind=VerdictKind.TRY_AGAIN, error=clean_text(text, MESSAGE_BYTES))


def given_up(verdict: Verdict, since: datetime, now: datetime) -> Verdict:
    """The same answer once one has been patient for long enough."""
    text = f"{verdict.error}; so it has answered for {_told(now - since)}, and what it did with an earlier request"
    return replace(
        verdict, kind=VerdictKind.FAILED, error=clean_text(f"{text} under this key is not known", MESSAGE_BYTES)
    )


def _told(wait: timedelta) -> str:
    return f"{max(wait.total_seconds(), 0.0):.0f} s"
