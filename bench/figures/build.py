"""Which Python the figures were made with: how it was built is worth as much as some of the changes that they judge."""

import os
import platform
import re
import sys
import sysconfig

PROFILES = ("--enable-optimizations", "-fprofile-use")
LINK_TIME = ("--with-lto", "-flto")
DEBIANS_SCHEME = "posix_local"  # a patch of Debian's, which Ubuntu has, too


def python_build() -> str:
    """Version, kind and place, in words."""
    said = " ".join(
        str(sysconfig.get_config_var(name) or "") for name in ("CONFIG_ARGS", "PY_CFLAGS", "PY_CORE_CFLAGS")
    )
    return f"Python {platform.python_version()} ({kind(said, sysconfig.get_scheme_names())}; `{place()}`)"


def kind(said: str, schemes: tuple[str, ...] = ()) -> str:
    """How it was optimised, by what its own build says; Debian takes the flags out of that."""
    with_profiles, with_link_time = (any(flag in said for flag in flags) for flags in (PROFILES, LINK_TIME))
    level = re.findall(r"(?<!\S)-O(\w+)", said)
    parts = [f"-O{level[-1]}"] if level else []
    if not with_profiles and not with_link_time and DEBIANS_SCHEME in schemes:
        parts.append("as Debian builds it: with profiles and link-time optimisation")
    else:
        parts.append("with profiles" if with_profiles else "without profiles")
        parts.append("with link-time optimisation" if with_link_time else "without link-time optimisation")
    return ", ".join(parts)


def place() -> str:
    """The interpreter itself, whatever environment it runs in."""
    return os.path.realpath(sys.executable)


def slug() -> str:
    """The same as the name of a folder."""
    return re.sub(r"[^\w.]+", "-", place()).strip("-")
