"""What is a secret is never shown, and what only looks a little like one is."""

from pathlib import Path

import pytest

from solver.redact import REDACTED, redact, redact_file

HUB = "hf_" + "CanaryCanaryCanary0123"
MODEL = "sk-" + "proj-canary0123456789abcdef"
CLOUD = "AKIA" + "CANARYCANARY1234"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret of who runs the tests takes part."""
    monkeypatch.setattr("os.environ", {"PATH": "/bin", "TOKENIZERS_PARALLELISM": "falsehood", "KEY": "short"})


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"token {HUB}.", f"token {REDACTED}."),
        (f'{{"key": "{MODEL}"}}', f'{{"key": "{REDACTED}"}}'),
        (f"{CLOUD}:{CLOUD}", f"{REDACTED}:{REDACTED}"),
        ("ghp_" + "a1" * 18, REDACTED),
        ("Authorization: Bearer abc.def-0123", f"Authorization: Bearer {REDACTED}"),
        ("https://me:pass@word@host/x?y=z@w", f"https://me:{REDACTED}@host/x?y=z@w"),
        ("proxy http://:pw@host:80, socks5://u:pw@h", f"proxy http://:{REDACTED}@host:80, socks5://u:{REDACTED}@h"),
    ],
)
def test_what_looks_like_a_secret_goes(text: str, left: str) -> None:
    assert redact(text) == left and redact(left) == left


@pytest.mark.parametrize(
    "text",
    [
        "engine.hf_overrides, hf_config_path",
        "task-force-of-the-year-2026 risk-0123456789abcdef0",
        "sk-learn-like-names",
        "AKIATA",
        "https://host:80/a@b",
        "http://a:1/x, user@host",
        '{"a": "x://b:c", "d": "e@f"}',
        "short falsehood",
        "的 hf_ sk- AKIA",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_the_environment_s_secrets_go_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "MY_TOKEN": "canary one",
        "service_api_key": "canary two",
        "DB_PASSWORD": "canary three",
        "x_SECRET": 'can"ar/y',
        "HTTPS_PROXY": "http://me:canary-4@proxy",
        "SIGNING_KEY": "-----BEGIN-----\ncanary in the middle\n-----END-----",
        "WORKSPACE": "canary home",
        "SSL_KEY_FILE": "/etc/canary",
        "OPENAI_API_KEY": "canary",
    }
    monkeypatch.setattr("os.environ", secrets)
    for said in ("canary one", "canary two", "canary three", "canary-4", "canary in the middle"):
        assert redact(f"so `{said}`") == f"so `{REDACTED}`"
    for said in ('can"ar/y', 'can\\"ar/y', "can%22ar%2Fy"):
        assert redact(f"so {said}.") == f"so {REDACTED}.", "however it is quoted"
    assert redact("canary home /etc/canary canary") == "canary home /etc/canary canary", "places and short words stay"
    assert redact("canary home", ["WORKSPACE"]) == REDACTED, "unless the job says that it is one"


def test_a_secret_that_holds_another_goes_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {"A_KEY": "canary-1", "B_KEY": "canary-1-and-more"})
    assert redact("canary-1-and-more") == REDACTED


def test_a_log_is_blotted_where_it_lies_while_another_appends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {"A_KEY": "ключ-canary"})
    log = tmp_path / "engine.log"
    head = f"start ключ-canary\n\xff raw {HUB} end\n".encode("utf-8", "surrogateescape").replace(b"\xc3\xbf", b"\xff")
    log.write_bytes(head + b"plain\n")
    with log.open("ab", buffering=0) as other:
        assert redact_file(log) == 2
        other.write(b"appended after\n")
    left = log.read_bytes()
    assert left == b"start " + b"*" * 15 + b"\n\xff raw " + b"*" * len(HUB) + b" end\nplain\nappended after\n"
    assert redact_file(log) == 0
