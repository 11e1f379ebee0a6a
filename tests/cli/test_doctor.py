"""The command that checks the installation."""

from __future__ import annotations

import io
import json

import pytest

import vidjob
from support import KEY, Cli, refusing_port
from vidjob import Simulator
from vidjob.cli import doctor


def checks(out: str) -> dict[str, tuple[str, str]]:
    return {check["check"]: (check["state"], check["detail"]) for check in json.loads(out)}


def test_doctor(cli: Cli, at: list[str]) -> None:
    code, out, err = cli("doctor", *at)
    assert (code, err) == (0, "")
    assert {line.split()[0] for line in out.splitlines()} <= {"ok", "warn"}
    assert out.splitlines()[-1].startswith("ok    network    the service responds and accepts the key")
    assert KEY not in out


def test_doctor_without_a_key(cli: Cli) -> None:
    code, out, _ = cli("doctor", "--json")
    assert code == 4
    assert checks(out)["key"][0] == "FAIL"
    assert "COMETAPI_KEY" in checks(out)["key"][1]
    assert checks(out)["network"] == ("warn", "not tried")


def test_doctor_says_where_the_key_comes_from(
    cli: Cli, at: list[str], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMETAPI_KEY", KEY)
    monkeypatch.setenv("XAI_API_KEY", KEY)

    def key(*options: str) -> str:
        return checks(cli("doctor", "--offline", "--json", *options)[1])["key"][1]

    assert key(*at) == f"from {at[-1]}"
    assert key() == "from COMETAPI_KEY"
    assert key("--base-url", "https://api.x.ai/v1") == "from XAI_API_KEY"
    placeholder = 'none is given; a service on this machine gets the placeholder "simulator"'
    assert key("--base-url", simulator.base_url) == placeholder
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(KEY.encode())))
    assert key("--base-url", simulator.base_url, "--api-key-file", "-") == "from standard input"


def test_doctor_offline(cli: Cli, at: list[str], simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:pass@proxy.example:3128")
    monkeypatch.setenv("ALL_PROXY", "user:p@ss@proxy.example:3128")
    monkeypatch.setenv("XAI_API_KEY", KEY)
    code, out, _ = cli("doctor", "--offline", "--json", *at)
    assert code == 0
    assert simulator.requests == []
    assert checks(out)["network"] == ("ok", "not tried")
    assert checks(out)["variables"][1] == "COMETAPI_KEY is not set, XAI_API_KEY is set"
    assert checks(out)["proxies"][1] == "HTTPS_PROXY=http://proxy.example:3128, ALL_PROXY=proxy.example:3128"
    assert KEY not in out


@pytest.mark.parametrize(
    ("status", "state", "expected"),
    [(404, "ok", 0), (400, "ok", 0), (401, "FAIL", 4), (403, "FAIL", 4), (429, "warn", 0), (500, "warn", 0)],
)
def test_doctor_reads_the_answer(
    cli: Cli, at: list[str], simulator: Simulator, status: int, state: str, expected: int
) -> None:
    simulator.respond("get", status=status, body='{"error": "words"}')
    code, out, _ = cli("doctor", "--json", *at)
    assert (code, checks(out)["network"][0]) == (expected, state)
    assert len(simulator.requests) == 1


def test_doctor_reports_an_unreachable_service(cli: Cli, at: list[str]) -> None:
    with refusing_port() as port:
        code, out, _ = cli("doctor", "--json", *at, "--base-url", f"http://127.0.0.1:{port}/grok/v1")
    assert (code, checks(out)["network"][0]) == (1, "FAIL")


def test_doctor_does_not_hang(cli: Cli, at: list[str], simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._TIMEOUT <= 15
    monkeypatch.setattr(doctor, "_TIMEOUT", 0.2)
    simulator.inject("hang", on="get", seconds=30)
    code, out, _ = cli("doctor", "--json", *at)
    assert (code, checks(out)["network"][0]) == (1, "FAIL")


def test_doctor_finds_what_is_set_up_badly(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDJOB_BASE_URL", "nonsense")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    monkeypatch.setattr(vidjob, "__version__", "0.0.0")
    code, out, _ = cli("doctor", "--json")
    assert code == 4
    told = {name: state for name, (state, _) in checks(out).items() if state != "ok"}
    assert told == {"version": "warn", "base URL": "FAIL", "SSL_CERT_FILE": "FAIL", "key": "FAIL", "network": "warn"}
