"""The kinds of value that settings are made of, each checked where it is read."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo

from backfilld.executors.http.addresses import netloc_is_fit
from backfilld.store.connection.address import hosts_of, session_attribute


class Section(BaseModel):
    """Strict, so that `port = "80"` is a fault and not a guess; closed, so that a misspelt key is one too."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


def _path(value: Any, info: ValidationInfo) -> Any:
    """`~` is the home directory; a relative path starts at the folder of the configuration file."""
    if not isinstance(value, str | Path) or not value:
        return value
    base = (info.context or {}).get("base")
    try:
        path = Path(value).expanduser()
    except RuntimeError:
        raise ValueError(f"{value} starts with ~, and this user has no home directory: write a whole path") from None
    return path if base is None else base / path


def split_url(value: str, schemes: tuple[str, ...]) -> SplitResult:
    """ValueError in words that do not repeat the URL, which may carry a password."""
    wanted = " or ".join(f"{scheme}://" for scheme in schemes)
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as problem:
        raise ValueError(f"is not a URL: {problem}") from None
    if parts.scheme not in schemes:
        raise ValueError(f"must be a URL that starts with {wanted}")
    if not netloc_is_fit(parts.netloc):
        raise ValueError("is not a URL: in brackets stands an IPv6 address, and behind them nothing but a port")
    return parts


def _http_url(value: str) -> str:
    parts = split_url(value, ("http", "https"))
    if not parts.hostname:
        raise ValueError("names no host")
    if parts.username or parts.password:
        raise ValueError("carries a password: put it into [secrets] and refer to it in a header")
    if any(character.isspace() or not character.isprintable() for character in value):
        raise ValueError("contains blanks or control characters")
    return value


def _dsn(value: SecretStr) -> SecretStr:
    dsn = value.get_secret_value()
    hosts_of(dsn)
    if urlsplit(dsn).scheme not in ("postgresql", "postgres"):
        raise ValueError("must be a URL that starts with postgresql:// or postgres://")
    wanted = session_attribute(dsn)
    if wanted not in (None, *_WRITABLE):
        raise ValueError(f"target_session_attrs must be {', '.join(_WRITABLE[:-1])} or {_WRITABLE[-1]}: we write")
    return value


_WRITABLE = ("read-write", "primary", "any")


Seconds = Annotated[float, Field(gt=0, le=7 * 86_400, allow_inf_nan=False)]
SecondsOrNone = Annotated[float, Field(ge=0, le=7 * 86_400, allow_inf_nan=False)]  # 0: not at all
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
FilePath = Annotated[Path, Field(strict=False), BeforeValidator(_path)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Dsn = Annotated[SecretStr, AfterValidator(_dsn)]
