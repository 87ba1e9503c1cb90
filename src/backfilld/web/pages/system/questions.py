"""What is asked before something is done to the installation, and what the answer may say beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

RELEASES = {"15": "15 minutes", "60": "1 hour", "240": "4 hours", "720": "12 hours", "1440": "24 hours"}


@dataclass(frozen=True, slots=True)
class Field:
    """Something to be filled in. `options`: value and words of each; without any it is a line of text."""

    name: str
    label: str
    options: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    required: bool = True


@dataclass(frozen=True, slots=True)
class Ask:
    """`about`: what it is done to. `back`: where one was. `asks_why`: whoever looks later reads the reason;
    `needs_why`: he has to know it."""

    title: str
    sentences: Sequence[str]
    button: str
    meanwhile: str
    back: str
    about: str = ""
    danger: bool = False
    asks_why: bool = True
    needs_why: bool = False
    fields: Sequence[Field] = ()
    hidden: Mapping[str, str] = field(default_factory=dict)
    keep: str = "Keep as it is"


STOP = Ask(
    "Stop everything?",
    (
        "Nothing starts any more: no backfill, no schedule, no attempt, in any daemon on this database.",
        "What is in flight finishes. Every backfill keeps its status, and goes on once an admin starts all again.",
    ),
    "Stop everything",
    "Stopping…",
    back="/system",
    danger=True,
    needs_why=True,
)
START = Ask(
    "Start everything again?",
    ("Whatever nothing else holds goes on within seconds. What somebody has paused stays paused.",),
    "Start everything",
    "Starting…",
    back="/system",
    keep="Keep it stopped",
)


def try_target(target: str) -> Ask:
    told = "The next item that is due is sent there at once, and not at the next turn. If that goes well, all goes on."
    return Ask(
        "Ask it again now?", (told,), "Try now", "Asking…", back="/system/targets", about=target,
        hidden={"target": target}, keep="Wait",
    )  # fmt: skip


def test_source(entity_type: str) -> Ask:
    told = (
        "Asks for its fields, the number of its entities and one of them. Where requests are counted, it costs a few."
    )
    return Ask(
        "Test where they come from?", (told,), "Test", "Testing…", back="/system/sources", about=entity_type,
        asks_why=False, keep="Not now",
    )  # fmt: skip


def test_engine(name: str) -> Ask:
    told = "It is asked whether work could run there. Nothing is started."
    return Ask(
        "Test it?", (told,), "Test", "Testing…", back="/system/targets", about=name, asks_why=False, keep="Not now"
    )


def look(name: str) -> Ask:
    told = "It looks once more than usual, and the verdict is taken from that look."
    return Ask(
        "Look now?", (told,), "Look now", "Looking…", back="/system/brakes", about=name, asks_why=False, keep="Not now"
    )


def reset(name: str) -> Ask:
    told = "It looks first, and stays as it is while that is bad. Then what it applies to goes on, in every daemon."
    return Ask("Let it go on?", (told,), "Reset it", "Resetting…", back="/system/brakes", about=name)


def release(name: str) -> Ask:
    told = "Nothing that it sees holds anything until then, not even a critical value. The release ends by itself."
    return Ask(
        "Hold it open?", (told,), "Hold it open", "Releasing…", back="/system/brakes", about=name, danger=True,
        fields=(Field("minutes", "For how long", RELEASES),),
    )  # fmt: skip


def send_test(name: str) -> Ask:
    told = "It is told at once that this is a test. One that arrives switches an endpoint on again that was off."
    return Ask(
        "Send a test?", (told,), "Send it", "Sending…", back="/system/notifications", about=name, asks_why=False,
        keep="Not now",
    )  # fmt: skip


def resend(name: str, *, all_of_them: bool, back: str) -> Ask:
    told = "Every message that nobody tries any more is sent again." if all_of_them else "It is sent once more."
    return Ask(
        "Send them again?" if all_of_them else "Send it again?",
        (told, "Whoever has received one already receives it twice, under the same id."),
        "Send again", "Sending…", back=back, about=name, asks_why=False, keep="Not now",
    )  # fmt: skip


def revoke(name: str) -> Ask:
    told = ("Within a second it opens nothing any more, anywhere; whoever is signed in with it is signed out.",)
    return Ask(
        "Revoke it?", (*told, "This cannot be undone."), "Revoke", "Revoking…", back="/system/keys", about=name,
        danger=True, needs_why=True, hidden={"name": name},
    )  # fmt: skip


ROLE_WORDS: Mapping[str, str] = {
    "viewer": "viewer: sees everything",
    "operator": "operator: creates and steers, too",
    "admin": "admin: everything",
}
LASTS = {"30": "30 days", "90": "90 days", "365": "a year", "": "until it is revoked"}
NEW_KEY = Ask(
    "Make an API key",
    ("It is shown once, on the page that follows, and kept nowhere.",),
    "Make it",
    "Making it…",
    back="/system/keys",
    asks_why=False,
    fields=(
        Field("name", "Who will use it", note="Shown in lists and in the audit log."),
        Field("role", "What it may do", ROLE_WORDS),
        Field("days", "How long it is valid", LASTS),
    ),
    keep="Make none",
)


def switch(name: str, *, enabled: bool) -> Ask:
    if enabled:
        told = ("Backfills of it go on, and new ones may be made.",)
        return Ask("Enable it?", told, "Enable", "Enabling…", back="/system/workflows", about=name)
    told = ("Nothing of it starts any more; its backfills wait, and its schedule does not fire.",)
    return Ask(
        "Disable it?", told, "Disable", "Disabling…", back="/system/workflows", about=name, danger=True, needs_why=True
    )


def remove_workflow(name: str) -> Ask:
    told = ("Nothing can be run with it any more. Its backfills and their ledgers stay.",)
    return Ask(
        "Delete it?", told, "Delete", "Deleting…", back="/system/workflows", about=name, danger=True, needs_why=True
    )


def released_for(minutes: str) -> timedelta | None:
    """How long, of what was chosen; None for what was not offered."""
    return timedelta(minutes=int(minutes)) if minutes in RELEASES else None
