"""``vidjob doctor``: checks the installation, the key and the connection. Sends nothing that costs money."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import vidjob
from vidjob import _native
from vidjob._progress.formatting import printable
from vidjob.cli.exit_codes import Exit, error_text, exit_of
from vidjob.cli.options import client, reads_key_from_stdin

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from vidjob.cli.single_job import Context

__all__ = ["run"]

#: A job that does not exist: polling it is free, and tests the connection and the key.
_NO_JOB = "00000000-0000-0000-0000-000000000000"
#: Seconds for the one poll that is sent.
_TIMEOUT = 10.0
_KEYS = ("COMETAPI_KEY", "XAI_API_KEY")
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True)
class _Check:
    name: str
    state: str
    detail: str
    exit: Exit = Exit.OK

    def to_dict(self) -> dict[str, str]:
        return {"check": self.name, "state": self.state, "detail": self.detail}


def run(context: Context) -> Exit:
    """Runs the checks, and prints each result at once."""
    output, checks = context.output, []
    for check in _checks(context.args):
        checks.append(check)
        if output.form == "text":
            output.check(check.state, check.name, check.detail)
    if output.form == "json":
        output.result([check.to_dict() for check in checks])
    return next((check.exit for check in checks if check.exit is not Exit.OK), Exit.OK)


def _checks(args: argparse.Namespace) -> Iterator[_Check]:
    yield _version()
    yield _Check("python", "ok", f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}")
    yield _Check("platform", "ok", platform.platform())
    yield _Check("native", "ok", str(_native.__file__))
    yield _Check("variables", "ok", _variables())
    service = _service(args)
    yield service
    yield from _proxies()
    yield from _certificates(args)
    yield _folder()
    key = _key(args)
    yield key
    if args.offline or (key.exit, service.exit) != (Exit.OK, Exit.OK):
        yield _Check("network", "ok" if args.offline else "warn", "not tried")
    else:
        yield _exchange(args)


def _version() -> _Check:
    try:
        installed = metadata.version("vidjob")
    except metadata.PackageNotFoundError:
        return _Check("version", "warn", f"vidjob {vidjob.__version__}, not installed as a package")
    if installed != vidjob.__version__:
        detail = f"vidjob {vidjob.__version__}, but {installed} is installed; reinstall the package"
        return _Check("version", "warn", detail)
    return _Check("version", "ok", f"vidjob {vidjob.__version__}")


def _variables() -> str:
    return ", ".join(f"{name} is {'set' if os.environ.get(name, '').strip() else 'not set'}" for name in _KEYS)


def _service(args: argparse.Namespace) -> _Check:
    try:
        # Nothing is sent, so any key will do.
        base_url = vidjob.VideoClient("none", base_url=args.base_url).base_url
    except vidjob.ConfigurationError as error:
        return _Check("base URL", "FAIL", error_text(error), exit_of(error))
    said = "--base-url" if args.base_url else "VIDJOB_BASE_URL" if os.environ.get("VIDJOB_BASE_URL") else "default"
    return _Check("base URL", "ok", f"{base_url} ({said})")


def _proxies() -> Iterator[_Check]:
    found = {name: os.environ.get(name) or os.environ.get(name.lower()) for name in _PROXIES}
    shown = [f"{name}={_without_credentials(value)}" for name, value in found.items() if value]
    yield _Check("proxies", "ok", printable(", ".join(shown)) or "none in the environment")


def _without_credentials(address: str) -> str:
    scheme, mark, rest = address.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def _certificates(args: argparse.Namespace) -> Iterator[_Check]:
    for name in _CERTIFICATES:
        path = os.environ.get(name)
        if path and not os.access(path, os.R_OK):
            yield _Check(name, "FAIL", f"{printable(path)} cannot be read", Exit.CONFIGURATION)
            return
    set_ = [f"{name}={printable(os.environ[name])}" for name in _CERTIFICATES if os.environ.get(name)]
    try:
        # An empty id is refused after HTTPS is set up and before anything is sent.
        vidjob.VideoClient("none", base_url=args.base_url).get("")
    except vidjob.InvalidRequest:
        yield _Check("CA", "ok", ", ".join(set_) or "the system's")
    except vidjob.ConfigurationError as error:
        yield _Check("CA", "FAIL", error_text(error), exit_of(error))


def _folder() -> _Check:
    here = printable(str(Path.cwd()))
    try:
        with tempfile.TemporaryFile(dir="."):
            return _Check("folder", "ok", f"{here} is writable")
    except OSError as error:
        return _Check("folder", "warn", f"{here} is not writable: {error.strerror}")


def _key(args: argparse.Namespace) -> _Check:
    try:
        with client(args) as service:
            variable = service._native.key_variable  # noqa: SLF001 - a part of this package
    except vidjob.ConfigurationError as error:
        return _Check("key", "FAIL", error_text(error), exit_of(error))
    if reads_key_from_stdin(args):
        return _Check("key", "ok", "from standard input")
    if args.api_key_file:
        return _Check("key", "ok", f"from {args.api_key_file}")
    if variable:
        return _Check("key", "ok", f"from {variable}")
    return _Check("key", "ok", 'none is given; a service on this machine gets the placeholder "simulator"')


def _exchange(args: argparse.Namespace) -> _Check:
    began = time.monotonic()

    def result(state: str, detail: str, code: Exit = Exit.OK) -> _Check:
        return _Check("network", state, f"{detail} ({time.monotonic() - began:.1f} s)", code)

    try:
        with client(args, timeout=_TIMEOUT, max_retries=0) as service:
            service.get(_NO_JOB)
    except (vidjob.NotFound, vidjob.BadRequest):
        return result("ok", "the service responds and accepts the key")
    except (vidjob.AuthenticationError, vidjob.PermissionDenied) as error:
        return result("FAIL", f"the service responds and rejects the key: {error_text(error)}", exit_of(error))
    except (vidjob.RateLimited, vidjob.ServerError) as error:
        return result("warn", f"the service responds with an error: {error_text(error)}")
    except vidjob.VidjobError as error:
        return result("FAIL", error_text(error).replace(", or run vidjob doctor", ""), exit_of(error))
    return result("ok", "the service responds and accepts the key")
