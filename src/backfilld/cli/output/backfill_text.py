"""A backfill, a preview and a verified filter as text for people."""

from collections.abc import Mapping
from typing import Any

import click

from backfilld.cli.output.printing import compact, local, number, print_fields, print_prose, print_table, spelled


def done(backfill: dict[str, Any]) -> int:
    """How many of its items were worked on to an end; those that planning or a cancel took out were not."""
    total, wanted = backfill["total_entities"], to_run(backfill)
    return 0 if total is None or wanted is None else int(backfill["processed_count"]) - (int(total) - wanted)


def to_run(backfill: dict[str, Any]) -> int | None:
    """How many items there are to work on; None while the plan is being made."""
    found: int | None = backfill.get("to_run_count", backfill["total_entities"])
    return found


def share(backfill: dict[str, Any]) -> str:
    """`312/598 (52%)` of what there is to run; `?` for that while the plan is being made."""
    total = to_run(backfill)
    percent = f" ({100 * done(backfill) // total}%)" if total else ""
    return f"{number(done(backfill))}/{number(total)}{percent}"


def is_empty(backfill: dict[str, Any]) -> bool:
    """Whether it completed without a single entity."""
    return bool(backfill["status"] == "completed" and backfill["total_entities"] == 0)


def is_held(backfill: Mapping[str, Any]) -> bool:
    """Whether it waits for somebody to look at its sample, or its plan, and to resume it."""
    why = backfill.get("status_reason") or {}
    return backfill["status"] == "paused" and why.get("code") in ("sample_done", "awaiting_approval")


def status(backfill: dict[str, Any]) -> str:
    """Its status; with what that means where there was nothing to do."""
    return "completed, nothing matched" if is_empty(backfill) else str(backfill["status"])


def reason(backfill: dict[str, Any]) -> str | None:
    """Why nothing is starting, since when, and until when where that is known."""
    why = backfill.get("status_reason")
    if not why:
        return None
    until = f", until {local(why['until'], backfill.get('timezone'))}" if why.get("until") else ""
    return f"{why['message']} ({why['code']}, since {local(why['since'], backfill.get('timezone'))}{until})"


def why(backfill: dict[str, Any]) -> str | None:
    """The reason in a cell: `target_unreachable since 2027-03-01 12:00:05 +0000`."""
    found = backfill.get("status_reason")
    return f"{found['code']} since {local(found['since'], backfill.get('timezone'))}" if found else None


def counts(backfill: dict[str, Any]) -> str:
    """All counters that are not zero, in words."""
    names = ("succeeded", "failed", "skipped", "cancelled", "in_flight", "retrying", "pending")
    parts = [
        f"{number(backfill[f'{name}_count'])} {name.replace('_', ' ')}" for name in names if backfill[f"{name}_count"]
    ]
    return ", ".join(parts) or "nothing yet"


def limits(backfill: dict[str, Any]) -> str | None:
    """Pace, cap of credits, and how much may fail; None without any."""
    rate, cap, policy = (backfill.get(name) for name in ("starts_per_minute", "max_credits", "failure_policy"))
    found = []
    if rate:
        found.append(f"{rate:g} starts/min")
    if cap:
        found.append(f"{cap:,} credits")
    if policy and policy["enabled"]:
        share = f"{policy['max_failure_ratio'] * 100:g} % of the last {policy['window']}"
        found.append(f"stops above {share} failed or {policy['max_consecutive_failures']} in a row")
    return ", ".join(found) or None


def backfill_fields(backfill: dict[str, Any]) -> dict[str, object]:
    """What `backfills show` shows, by name."""
    windows = backfill.get("effective_windows") or {}
    rate, zone = backfill.get("throughput_per_minute"), backfill.get("timezone")
    creator = backfill.get("created_by_name") or backfill["created_by"]
    return {
        "id": backfill["id"],
        "name": backfill.get("name"),
        "status": status(backfill),
        "why": reason(backfill),
        "error": compact(backfill.get("error")),
        "workflow": f"{backfill['target_workflow_name']} ({backfill['target_workflow_id']})",
        "entity type": backfill["entity_type"],
        "filter": None if named_ids(backfill) and not backfill["filter_spec"] else compact(backfill["filter_spec"]),
        "entities": named_ids(backfill),
        "done": share(backfill),
        "counts": counts(backfill),
        "rate": f"{rate:,.0f}/min" if rate else None,
        "finished about": local(backfill.get("estimated_completion_at"), zone),
        "max in flight": backfill["max_in_flight"],
        "limits": limits(backfill),
        "windows": window_lines(windows) or "always",
        "timezone": backfill["timezone"],
        "next opening": local((backfill.get("window") or {}).get("next_open_at"), zone),
        "reason given": backfill.get("reason"),
        "rerun of": backfill.get("parent_backfill_run_id"),
        "created": f"{local(backfill['created_at'], zone)} by {creator}",
        "started": local(backfill.get("started_at"), zone),
        "completed": local(backfill.get("completed_at"), zone),
        "ledger SHA-256": backfill.get("ledger_digest"),
    }


def named_ids(backfill: dict[str, Any]) -> str | None:
    """`5,000 named ids (SHA-256 9f86d081…)`, the digest whole: it is there to be compared. None: whatever matches."""
    count = backfill.get("entity_ids_count")
    if count is None:
        return None
    return f"{count:,} named {'id' if count == 1 else 'ids'} (SHA-256 {backfill['entity_ids_digest']})"


def window_lines(windows: dict[str, Any]) -> str:
    """`mon-fri 22:00-06:00`, as `--window` takes it: a day a line, equal days in a row joined."""
    by_day = [
        (day, ", ".join(f"{_clock(entry['run_start_time'])}-{_clock(entry['run_end_time'])}" for entry in entries))
        for day, entries in windows.items()
        if entries
    ]
    joined: list[tuple[list[str], str]] = []
    for day, times in by_day:
        if joined and joined[-1][1] == times:
            joined[-1][0].append(day)
        else:
            joined.append(([day], times))
    return "\n".join(f"{days[0][:3]}{'-' + days[-1][:3] if len(days) > 1 else ''} {times}" for days, times in joined)


def _clock(time: str) -> str:
    """Without seconds that say nothing."""
    return time.removesuffix(":00") if time.count(":") == 2 else time


def print_created(data: dict[str, Any]) -> None:
    """What the answer to a creation says."""
    backfill = data["backfill"]
    print_fields(
        {
            "backfill": backfill["id"],
            "status": backfill["status"],
            "why": reason(backfill),
            "entities": number(_total(data, backfill)),
            "credits": (data.get("cost_estimate") or {}).get("total_credits_estimated") or None,
        }
    )


def _total(data: dict[str, Any], backfill: dict[str, Any]) -> int | None:
    found = (data.get("cost_estimate") or {}).get("total_entities")
    return found if found is not None else backfill.get("total_entities")


def print_preview(data: dict[str, Any], zone: str | None) -> None:
    """What a backfill would do, which is to have that zone."""
    skipped = ", ".join(f"{number(count)} {why}" for why, count in (data.get("skipped") or {}).items() if count)
    print_fields(
        {
            "entities": _counted(data["total_entities"], data.get("at_least"), data.get("at_most")),
            "to run": _counted(data["to_run_count"], data.get("to_run_at_least")),
            "skipped": skipped or None,
            "credits": (data.get("cost_estimate") or {}).get("total_credits_estimated") or None,
            "starts about": local(data.get("estimated_start_at"), zone),
            "finished about": local(data.get("estimated_completion_at"), zone),
            "bounded by": "\n".join(map(limit, data.get("limits") or ())) or None,
            "windows": window_lines(data.get("effective_windows") or {}),
            "notes": "\n".join(_text(note) for note in data.get("notes") or ()) or None,
        }
    )
    openings = data.get("openings") or ()
    if openings:
        click.echo("\nopenings, local time")
        for opening in openings:
            closes = spelled(opening["closes_at_local"]) or "further notice"
            click.echo(f"  {spelled(opening['opens_at_local'])} to {closes}")
    print_sample(data.get("sample") or ())


def _counted(count: int | None, at_least: int | None, at_most: int | None = None) -> str:
    """The number; else what is known of it."""
    if count is not None or (at_least is None and at_most is None):
        return number(count)
    bounds = (("at least", at_least), ("at most", at_most))
    return ", ".join(f"{words} {number(value)}" for words, value in bounds if value is not None)


def limit(found: Mapping[str, Any]) -> str:
    """`starts per minute of crm 60, 20 items/min`."""
    whose = f" of {found['name']}" if found.get("name") else ""
    rate = found.get("items_per_minute")
    return f"{found['what'].replace('_', ' ')}{whose} {found['value']:,g}" + (
        f", {rate:{',.0f' if rate >= 10 else '.2g'}} items/min" if rate else ""
    )


def limit_row(found: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """What it is, and whose; the most, what is in use of it, and the items a minute that it comes to."""
    most, used, each = (
        "" if value is None else f"{value:,.6g}"
        for value in (found["value"], found["in_use"], found.get("items_per_minute"))
    )
    whose = f" ({found['name']})" if found.get("name") else ""
    return f"{found['what']}{whose}", most, used, each


def print_verified(data: dict[str, Any]) -> None:
    """What a filter matches."""
    print_prose(f"{data['level']}: {data['message']}")
    print_fields({"matching": _counted(data["matching_entities"], data.get("at_least"), data.get("at_most"))})
    print_sample(data.get("sample") or ())


def print_sample(sample: Any) -> None:
    if sample:
        click.echo("\nsample")
        print_table(("ID", "ATTRIBUTES"), [(entity["id"], compact(entity.get("attributes"))) for entity in sample])


def _text(note: Any) -> str:
    return note if isinstance(note, str) else str(note.get("message") or compact(note))
