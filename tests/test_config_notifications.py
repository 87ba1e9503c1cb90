"""What `[[notifications]]` may say, and what is said of each fault."""

from pathlib import Path

import pytest

from backfilld.config import check, load_settings

SECRETS = """
[secrets.hook]
value = "https://hooks.slack.com/services/T/B/x"
[secrets.builder]
value = "https://hooks.slack.com/workflows/T/B/x"
[secrets.inner]
value = "http://169.254.169.254/x"
[secrets.key]
value = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "c.toml"
    file.write_text(text + SECRETS)
    file.chmod(0o600)
    return file


ONE = '[[notifications]]\nname = "oncall"\n'
URL = ONE + 'url = "https://desk.example.com/hook"\n'


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (None, URL),
        (None, ONE + 'url = { secret = "hook" }\nformat = "slack"\n'),
        (None, URL + 'secret = { secret = "key" }\nevents = ["stopped"]\nworkflows = ["a", "b/*"]\n'),
        ("notifications[0].url: is required", ONE),
        ("must be one of standard, slack, teams (got 'slak'); did you mean 'slack'?", URL + 'format = "slak"\n'),
        ("did you mean 'stopped'?", URL + 'events = ["stoped"]\n'),
        ("notifications[1].name: there is a 'oncall' already", URL + URL),
        ("there is no secret 'hok'; did you mean 'hook'?", ONE + 'url = { secret = "hok" }\n'),
        ("there is no secret 'kee'; did you mean 'key'?", URL + 'secret = { secret = "kee" }\n'),
        ("'secret' has no meaning for format 'teams'", URL + 'format = "teams"\nsecret = { secret = "key" }\n'),
        ("belongs to Slack's Workflow Builder", ONE + 'format = "slack"\nurl = "https://hooks.slack.com/triggers/T/B"\n'),
        ("the address in the secret belongs to Slack's Workflow Builder",
         ONE + 'format = "slack"\nurl = { secret = "builder" }\n'),
        ("the address in the secret is link-local", ONE + 'url = { secret = "inner" }\n'),
        ("the address in the secret must be a URL", ONE + 'url = { secret = "key" }\n'),
        ("is link-local or a cloud's metadata service", ONE + 'url = "http://169.254.169.254/x"\n'),
        ("notifications[0].evnts: unknown key; did you mean 'events'?", URL + "evnts = []\n"),
    ],
)  # fmt: skip
def test_every_fault_is_told_with_its_place(tmp_path: Path, expected: str | None, text: str):
    told = "\n".join(check(written(tmp_path, text), {}))

    assert "" == told if expected is None else expected in told
    assert "hooks.slack.com/workflows" not in told


def test_words_are_read_with_and_without_what_they_are_about(tmp_path: Path):
    text = URL + 'events = ["stopped", "backfill.failed"]\nworkflows = ["a"]\n'
    endpoint = load_settings(written(tmp_path, text), {}).notifications[0]

    assert (("stopped", "failed"), ("default/a",)) == (endpoint.events, endpoint.workflows)
