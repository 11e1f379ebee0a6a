"""Options that commands share, and the client made from them."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

import vidjob
from vidjob._arguments import address_fault
from vidjob._progress.formatting import is_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "amount",
    "client",
    "confirms",
    "connects",
    "count",
    "folder",
    "json_object",
    "path",
    "port",
    "positive",
    "prints",
    "prints_events",
    "reads_key_from_stdin",
    "same_service",
    "service_of",
    "waits",
]

_MAX_KEY_FILE = 65_536
_MAX_PORT = 65_535


# ---- groups of options -----------------------------------------------------------------------


def connects(parser: argparse.ArgumentParser) -> None:
    """Adds the options for the service and the key."""
    parser.add_argument("--base-url", metavar="URL", help="default: VIDJOB_BASE_URL, else CometAPI's")
    parser.add_argument(
        "--api-key-file",
        type=path,
        metavar="FILE",
        help="file with the key; - is standard input (default: COMETAPI_KEY, and none for a simulator)",
    )


def confirms(parser: argparse.ArgumentParser) -> None:
    """Adds the option that answers questions."""
    parser.add_argument("--yes", action="store_true", help="do not ask before keeping files that another service made")


def prints(parser: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    """Adds the options for output.

    Returns:
        The group of forms, to which further ones may be added.
    """
    parser.add_argument("-q", "--quiet", action="store_true", help="print only errors on standard error")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument(
        "--json", dest="form", action="store_const", const="json", default="text", help="print one JSON object"
    )
    return forms


def prints_events(parser: argparse.ArgumentParser) -> None:
    """Adds the options for output of commands with events."""
    prints(parser).add_argument(
        "--jsonl",
        dest="form",
        action="store_const",
        const="jsonl",
        help="print one JSON object per event; the last is the result",
    )


def waits(parser: argparse.ArgumentParser) -> None:
    """Adds the options for waiting."""
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="stop waiting after this; the job is not cancelled"
    )
    parser.add_argument(
        "--poll-interval",
        type=float,
        metavar="SECONDS",
        help="seconds between polls (default: VIDJOB_POLL_INTERVAL, else 1 to 10, as progress suggests)",
    )


# ---- kinds of values --------------------------------------------------------------------------


def json_object(text: str) -> dict[str, Any]:
    """Parses a JSON object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError('not a JSON object, like {"seed": 7}')
    return value


def path(text: str) -> str:
    """Parses the path of a local file or folder."""
    fault = address_fault("the path", text)
    if fault is not None:
        raise argparse.ArgumentTypeError(fault)
    return text


def folder(text: str) -> str:
    """Parses the path of a local folder, which need not exist."""
    if Path(path(text)).is_file():
        raise argparse.ArgumentTypeError(f"{text} is a file, not a folder")
    return text


def port(text: str) -> int:
    """Parses a port."""
    if not text.isdecimal() or int(text) > _MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text} is not a port: 0 to {_MAX_PORT}")
    return int(text)


def count(text: str) -> int:
    """Parses a whole number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)


def amount(text: str) -> float:
    """Parses an amount of money."""
    try:
        return 0.0 if text == "0" else positive(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text} is not an amount in US dollars, such as 2.50") from None


def positive(text: str) -> float:
    """Parses a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return number


# ---- the service ------------------------------------------------------------------------------


def client(args: argparse.Namespace, **settings: Any) -> vidjob.VideoClient:  # noqa: ANN401 - VideoClient's own
    """Returns a client as the options say."""
    return vidjob.VideoClient(_key(args), base_url=args.base_url, **settings)


def reads_key_from_stdin(args: argparse.Namespace) -> bool:
    """Returns whether standard input is the key."""
    key_file: str | None = args.api_key_file
    return key_file == "-"


def _key(args: argparse.Namespace) -> str | None:
    if args.api_key_file is None:
        return None
    # Standard input can be read once, and some commands make several clients.
    if not hasattr(args, "key_text"):
        args.key_text = _key_of_stdin() if reads_key_from_stdin(args) else _key_of_file(args.api_key_file)
    key: str = args.key_text
    return key


def _key_of_stdin() -> str:
    if sys.stdin is None:
        raise vidjob.ConfigurationError("there is no standard input to read the key from")
    if is_terminal(sys.stdin):
        return _key_text(_typed_key(), "on standard input")
    stream = getattr(sys.stdin, "buffer", sys.stdin)
    return _key_text(stream.read(_MAX_KEY_FILE), "on standard input")


def _typed_key() -> str:
    from getpass import getpass

    try:
        return getpass("API key: ")
    except EOFError:
        return ""


def _key_of_file(file: str) -> str:
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(_MAX_KEY_FILE)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not a path"
        raise vidjob.ConfigurationError(f"the key file {file} cannot be read: {reason}") from None
    return _key_text(content, f"file {file}")


def _key_text(content: bytes | str, where: str) -> str:
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
    except ValueError:
        raise vidjob.ConfigurationError(f"the key {where} cannot be read: it is not text") from None
    if not text.strip():
        raise vidjob.ConfigurationError(f"the key {where} is empty")
    return text.strip()


def service_of(args: argparse.Namespace) -> str:
    """Returns the base URL of the service. No key is needed."""
    return vidjob.VideoClient("none", base_url=args.base_url).base_url


def same_service(args: argparse.Namespace) -> list[str]:
    """Returns the options with which another command reaches the same service."""
    options = {name: getattr(args, name[2:].replace("-", "_"), None) for name in ("--base-url", "--api-key-file")}
    return [word for option, value in options.items() if value is not None for word in (option, value)]
