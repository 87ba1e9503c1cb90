"""Numbers as people read them."""

from decimal import Decimal

THIN = "\u202f"  # a thin space that does not break


def thousands(value: int | float | Decimal | None) -> str:
    """`10 555`; at most one decimal, where it is not whole; "" for None."""
    if value is None:
        return ""
    text = f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
    return text.replace(",", THIN)


def data_size(count: int) -> str:
    """`8.4 MB`, in powers of 1,000 as disks are sold."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if value >= 100 or units[0] == "B" else f"{value:.1f} {units[0]}"


def plural(entity_type: str) -> str:
    """`time entries` of `time_entry`."""
    word = entity_type.replace("_", " ")
    return word[:-1] + "ies" if word.endswith("y") else word if word in ("none", "configuration") else word + "s"


def percent(done: int, total: int) -> str:
    """`53 %`; with a decimal where whole ones hide that it has begun, or that it is not at its end."""
    if total <= 0:
        return ""
    if done >= total:
        return "100 %"
    share = 100 * done / total
    if share == 0:
        return "0 %"
    if share < 10:
        return f"{max(0.1, share):.1f} %"
    return f"{min(99.9, int(share * 10) / 10):.1f} %" if share > 99 else f"{int(share)} %"
