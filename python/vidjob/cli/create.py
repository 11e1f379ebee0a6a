"""The commands that create jobs: ``generate``, ``edit``, ``extend`` and ``render``."""

from __future__ import annotations

import argparse
import shlex
from decimal import Decimal
from pathlib import Path

import vidjob
from vidjob._json_values import escape_surrogates
from vidjob._native import estimate_usd, read_journal, request_fields
from vidjob._progress.formatting import printable
from vidjob.cli import options
from vidjob.cli.confirmation import confirmed
from vidjob.cli.exit_codes import Exit, ResumeHint
from vidjob.cli.single_job import CommandProgress, cost, file_resume_hint, show_job, size, usd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vidjob.cli.single_job import Context

__all__ = [
    "edit",
    "edit_arguments",
    "extend",
    "extend_arguments",
    "generate",
    "generate_arguments",
    "render",
    "render_arguments",
]

_MEDIA = "PATH|URL"
_FILE_ID = "file-id:"


# ---- arguments --------------------------------------------------------------------------------


def _media(text: str) -> str | Path | vidjob.FileId:
    """Returns a path, unless the text is an address, a data URI or ``file-id:…``."""
    if text.startswith(_FILE_ID):
        return vidjob.FileId(text.removeprefix(_FILE_ID))
    if text.lower().startswith(("http://", "https://", "data:")):
        return text
    if "://" in text:
        raise argparse.ArgumentTypeError(f"{text.partition('?')[0]!r} is neither an http(s) address nor a path")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def _keyframe(text: str) -> vidjob.Keyframe:
    seconds, _, image = text.partition("=")
    try:
        moment = float(seconds)
    except ValueError:
        moment = -1.0
    if moment < 0 or not image:
        hint = "expected SECONDS=PATH or SECONDS=URL, like 2.5=frame.png"
        raise argparse.ArgumentTypeError(f"{text.partition('?')[0]!r}: {hint}")
    return vidjob.Keyframe(_media(image), moment)


def _voice(text: str) -> str | vidjob.Voice:
    return text if "://" in text or text.lower().startswith("data:") else vidjob.Voice(text)


def _prompt(parser: argparse.ArgumentParser, help_text: str, *, nargs: str | None = None) -> None:
    parser.add_argument("prompt", metavar="PROMPT", nargs=nargs, help=help_text)


def _inputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("inputs")
    group.add_argument("--image", type=_media, metavar=_MEDIA, help="the first frame: JPEG, PNG or WebP")
    group.add_argument(
        "--reference",
        dest="reference_images",
        type=_media,
        action="append",
        metavar=_MEDIA,
        help="a person or thing to show; up to 7 times, 14 on grok-imagine-video-1.5 (documented by xAI only)",
    )
    group.add_argument(
        "--voice",
        dest="reference_audios",
        type=_voice,
        action="append",
        metavar="ID|URL",
        help="a voice for the video; up to 3 times; only grok-imagine-video-1.5 (documented by xAI only)",
    )
    group.add_argument("--last-frame", type=_media, metavar=_MEDIA, help="only grok-imagine-video-1.5")
    group.add_argument(
        "--keyframe",
        dest="keyframes",
        type=_keyframe,
        action="append",
        metavar=f"SECONDS={_MEDIA}",
        help="an image for one moment of the video; up to 4 times, 1/3 s apart; only grok-imagine-video-1.5",
    )


def _source(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    group = parser.add_mutually_exclusive_group(required=required)
    group.add_argument("--video", type=_media, metavar=_MEDIA, help="MP4 with H.264, H.265 or AV1")
    group.add_argument("--job", metavar="ID", help="an earlier job in place of --video")


def _picture(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--duration", type=int, metavar="SECONDS", help="1 to 15 (default: the service's, 8)")
    parser.add_argument(
        "--aspect-ratio",
        metavar="W:H",
        help="1:1, 16:9, 9:16, 4:3, 3:4, 3:2, 2:3, 21:9 or 5:2 (default: 16:9, or the image's)",
    )
    parser.add_argument(
        "--resolution",
        metavar="LINES",
        help="480p, 720p, or 1080p on grok-imagine-video-1.5 and -1.5-lite (default: 480p)",
    )
    parser.add_argument(
        "--audio",
        dest="generate_audio",
        action=argparse.BooleanOptionalAction,
        help="whether the video has sound (default: the service's)",
    )


def _orders(parser: argparse.ArgumentParser, *, user: bool = True, elsewhere: bool = True) -> None:
    parser.add_argument(
        "--model",
        help="such as grok-imagine-video, grok-imagine-video-1.5 or grok-imagine-video-1.5-lite "
        "(default: the service's)",
    )
    if user:
        parser.add_argument("--user", help="the id of your own end user, for the service")
    parser.add_argument("--extra", type=options.json_object, metavar="JSON", help="an object to merge into the request")
    group = parser.add_argument_group("storage at the service")
    if elsewhere:
        group.add_argument("--upload-url", metavar="URL", help="signed address to which the service uploads the file")
    group.add_argument("--store-as", metavar="NAME", help="have the service keep the file (documented by xAI only)")
    group.add_argument("--store-for", type=int, metavar="SECONDS", help="3600 to 2592000; with --store-as")
    group.add_argument("--public-url", action="store_true", help="give the stored file a public address")
    group.add_argument("--public-url-for", type=int, metavar="SECONDS", help="how long it is public; with --public-url")


def _ends(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run", action="store_true", help="print the JSON that would be sent and what it would cost; send nothing"
    )
    options.connects(parser)
    options.prints_events(parser)


def generate_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``generate``."""
    _prompt(parser, "what to show; optional with --image or --reference", nargs="?")
    _inputs(parser)
    _picture(parser)
    _orders(parser)
    _ends(parser)


def edit_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``edit``."""
    _prompt(parser, "what to change")
    _source(parser)
    _orders(parser)
    _ends(parser)


def extend_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``extend``."""
    _prompt(parser, "how the video continues")
    _source(parser)
    parser.add_argument("--duration", type=int, metavar="SECONDS", help="of the added part, 1 to 10 (default: 6)")
    _orders(parser, user=False)
    _ends(parser)


def render_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``render``."""
    _prompt(parser, "what to show; optional with --image or --reference", nargs="?")
    parser.add_argument("-o", "--output", type=options.path, metavar="FILE", help="path of the video")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")
    parser.add_argument(
        "--operation",
        choices=("generate", "edit", "extend"),
        help="default: edit with --video or --job, else generate",
    )
    _inputs(parser)
    _source(parser, required=False)
    _picture(parser)
    _orders(parser, elsewhere=False)
    options.waits(parser)
    options.confirms(parser)
    _ends(parser)


# ---- requests ---------------------------------------------------------------------------------


def _request(args: argparse.Namespace, operation: str, video: vidjob.VideoJob | None = None) -> vidjob.VideoRequest:
    names = [field["name"] for field in request_fields()]
    fields: dict[str, Any] = {name: getattr(args, name, None) for name in names}
    fields["storage_options"] = _storage(args)
    if video is not None:
        fields["video"] = video
    return vidjob.VideoRequest(operation=operation, **fields)  # type: ignore[arg-type]


def _storage(args: argparse.Namespace) -> vidjob.StorageOptions | None:
    if args.store_as is not None:
        return vidjob.StorageOptions(args.store_as, args.store_for, args.public_url, args.public_url_for)
    if args.store_for is not None or args.public_url or args.public_url_for is not None:
        raise vidjob.InvalidRequest("--store-for and --public-url go with --store-as NAME", field="storage_options")
    return None


def _earlier(args: argparse.Namespace) -> vidjob.VideoJob | None:
    """Returns the job of ``--job``, polled for a fresh link."""
    if getattr(args, "job", None) is None:
        return None
    with options.client(args) as service:
        return service.get(args.job)


def _preview(context: Context, request: vidjob.VideoRequest) -> Exit:
    body = request.preview()
    estimate = estimate_usd(request)
    price = "no price is known for it" if estimate is None else f"cost about {usd(Decimal(str(round(estimate, 4))))}"
    context.output.say(f"nothing is sent; this would go to {request.path} and {price}")
    context.output.document(body)
    return Exit.OK


# ---- running ----------------------------------------------------------------------------------


def _create(context: Context, verb: str) -> Exit:
    args = context.args
    request = _request(args, verb, _earlier(args))
    if args.dry_run:
        return _preview(context, request)
    context.resume_hint = ResumeHint("wait", options.same_service(args))
    with options.client(args, on_event=context.resume_hint.on_event) as service, CommandProgress(context):
        context.resume_hint.creating = True
        job = getattr(service, verb)(request)
    code = show_job(context.output, job)
    context.output.say(f"to save it: {shlex.join(['vidjob', 'download', job.request_id, *options.same_service(args)])}")
    return code


def generate(context: Context) -> Exit:
    """Runs ``generate``."""
    return _create(context, "generate")


def edit(context: Context) -> Exit:
    """Runs ``edit``."""
    return _create(context, "edit")


def extend(context: Context) -> Exit:
    """Runs ``extend``."""
    return _create(context, "extend")


def _may_keep(context: Context, service: str) -> bool:
    """Asks whether a file that another service has made may stay in place of a new one."""
    path = Path(context.args.output)
    others = _services_of(path) - {service}
    hint = "pass --yes to keep it, or --overwrite to render it here"
    if not others:
        return True
    made = f"{printable(str(path))} was made at {others.pop()}, not at {service}, as {path.parent / '.vidjob'} says"
    return confirmed(context, f"{made}, and would be kept", hint)


def _services_of(path: Path) -> set[str]:
    """Returns the services that have made a file, as the journal beside it says."""
    journal = path.parent / ".vidjob"
    try:
        if not path.exists() or not journal.exists():
            return set()
    except OSError:  # reported by the render
        return set()
    records = [record for record in read_journal(journal)[0] if record["state"] == "saved" and record["service"]]
    return {record["service"] for record in records if _is_same(record["path"], path)}


def _is_same(recorded: str, path: Path) -> bool:
    try:
        return path.samefile(recorded)
    except OSError:  # the recorded file is gone
        return False


def render(context: Context) -> Exit:
    """Runs ``render``."""
    args, output = context.args, context.output
    follows = args.video is not None or args.job is not None
    if args.output is None and not args.dry_run:
        output.error("-o/--output FILE is required: the path of the video", "try: vidjob render --help")
        return Exit.USAGE
    if args.output is not None and escape_surrogates(args.output) != args.output:
        output.error("-o/--output FILE is not UTF-8, which the journal needs; choose another name")
        return Exit.USAGE
    request = _request(args, args.operation or ("edit" if follows else "generate"), _earlier(args))
    if args.dry_run:
        return _preview(context, request)
    context.resume_hint = file_resume_hint(args, args.output)
    if not args.overwrite:
        # Unlike a download, it is journaled. With --overwrite it could buy the video again.
        context.resume_hint.same_command = args.argv
    with options.client(args) as service, CommandProgress(context) as progress:
        if not args.overwrite and not _may_keep(context, service.base_url):
            return Exit.USAGE
        context.resume_hint.creating = True
        result = service.render(
            request,
            args.output,
            timeout=args.timeout,
            poll_interval=args.poll_interval,
            overwrite=args.overwrite,
            progress=progress,
        )
    if output.form != "text":
        output.result(result.to_dict())
        return Exit.OK
    output.pairs(
        [
            ("file", printable(str(result.path))),
            ("size", size(result.bytes or 0)),
            ("sha256", result.sha256 or ""),
            ("request_id", result.id),
            ("cost", cost(result.job) + ("" if result.bought else " (bought before)")),
        ]
    )
    return Exit.OK
