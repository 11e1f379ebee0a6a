"""The client: each verb blocking and, as its ``_async`` twin, for asyncio."""

from __future__ import annotations

from vidjob import _arguments as arguments
from vidjob import _native
from vidjob._errors import ConfigurationError
from vidjob._listening import Trace, is_harmless, listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Any, Literal, TypeAlias

    from typing_extensions import Self

    from vidjob._arguments import Film, Footage, Image
    from vidjob._batch import AsyncBatch, Batch, Watchers
    from vidjob._native import Download, Keyframe, StorageOptions, Video, VideoJob, VideoRequest, Voice
    from vidjob._rows import Order, Orders, Table
    from vidjob._tracing import CallSpans
    from vidjob._values import JobRecord, RenderResult
    from vidjob.progress import Display, Updatable

    Job: TypeAlias = VideoJob | str
    Event: TypeAlias = Mapping[str, Any]
    Progress: TypeAlias = bool | Callable[[Event], object] | Display | Updatable | type[Updatable] | None
    OnExisting: TypeAlias = Literal["resume", "overwrite", "error"]
    OnUnknown: TypeAlias = Literal["hold", "resubmit"]
    Prices: TypeAlias = Mapping[str, Mapping[str, Any]]

__all__ = ["VideoClient"]

#: The largest file that is kept unless told otherwise, in bytes.
MAX_BYTES = 2 * 1024**3


class VideoClient:
    """A client of xAI (Grok) video jobs, through CometAPI or xAI itself.

    It may be shared by threads and event loops, survives a fork, and pickles as configuration.
    Nothing is connected until the first verb is called.
    """

    __slots__ = ("__weakref__", "_native", "_on_event", "_settings")

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float = 60.0,
        max_retries: int = 4,
        requests_per_second: float | None = None,
        creates_per_second: float | None = None,
        max_concurrent_requests: int = 64,
        proxy: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        headers: Mapping[str, str] | None = None,
        journal: str | os.PathLike[str] | None = None,
        max_job_age: float | None = 86_400.0,
        poll_interval: float | None = None,
        retry_delay: float = 0.5,
        on_event: Callable[[Event], object] | None = None,
        pickle_key: bool = False,
    ) -> None:
        """Sets up a client.

        Args:
            api_key: Bearer token. Default: ``COMETAPI_KEY`` or, for a ``base_url`` on ``api.x.ai``,
                ``XAI_API_KEY``. A key in the environment is sent only to the host it belongs to.
            base_url: What ``/videos/...`` is appended to. Default: ``VIDJOB_BASE_URL``, else
                ``https://api.cometapi.com/grok/v1``.
            timeout: Seconds for one HTTP exchange; connecting may take 10 of them.
            max_retries: Retries of one safe exchange. A create is repeated only when it certainly did not start.
            requests_per_second: Cap on requests, shared by all calls of this client.
            creates_per_second: Cap on creates. Default: 1 on ``api.x.ai``, as xAI documents, else none.
            max_concurrent_requests: HTTP exchanges in flight.
            proxy: Address of an HTTP proxy for everything. Default: ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``ALL_PROXY``,
                with ``NO_PROXY``; a value that cannot be used, such as a SOCKS proxy, is an error.
            ca_file: PEM file with certificate authorities to trust beside the system's.
            headers: Extra headers, sent to the API only.
            journal: Folder in which every create of this client and its outcome is recorded, for ``jobs`` and
                ``resume``. Default: none; ``render`` and ``render_many`` keep theirs beside their files.
            max_job_age: Seconds after which a job that is still not over is given up with ``WaitTimeout``, even in a
                wait without ``timeout``: links live for about a day. They count from acceptance where that is known,
                else from the beginning of the wait. ``None``: never.
            poll_interval: Seconds between polls, for every wait that does not give its own. Default: paced, see
                [watch][vidjob.VideoClient.watch].
            retry_delay: The longest wait before the first retry, in seconds; it doubles with each further one, up to
                16 times. A longer ``Retry-After`` of the service is honoured.
            on_event: Called with one dict of plain JSON types per event, on the caller's thread (or
                event loop): ``event`` is ``request``, ``retry``, ``accepted``, ``status`` or ``download``.
                What it raises is logged and otherwise ignored.
            pickle_key: Whether what is secret travels in pickles: a key given as ``api_key``, ``headers``, and the
                user and password of ``proxy``. Without them a client that had a key so given cannot be unpickled, and
                one that had the others says what it lacks when it is used. The name of an environment variable
                always travels. Copies keep everything.

        Raises:
            ConfigurationError: No key, a bad ``base_url``, a proxy that cannot be used, an unreadable ``ca_file``, a
                number out of range.
        """
        _load()
        for name, path in (("journal", journal), ("ca_file", ca_file)):
            fault = None if path is None else arguments.address_fault(name, path)
            if fault is not None:
                raise ConfigurationError(fault)
        self._settings: dict[str, Any] = {
            "api_key": api_key,
            "base_url": base_url,
            "timeout": timeout,
            "max_retries": max_retries,
            "requests_per_second": requests_per_second,
            "creates_per_second": creates_per_second,
            "max_concurrent_requests": max_concurrent_requests,
            "proxy": proxy,
            "ca_file": ca_file,
            "headers": dict(headers or {}),
            # Once, now: the working directory may be another one at the next create.
            "journal": None if journal is None else arguments.absolute(journal),
            "max_job_age": max_job_age,
            "poll_interval": poll_interval,
            "retry_delay": retry_delay,
            "on_event": on_event,
            "pickle_key": pickle_key,
        }
        self._on_event = on_event
        self._native = _native.Client(
            api_key=api_key,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            requests_per_second=requests_per_second,
            creates_per_second=creates_per_second,
            max_concurrent_requests=max_concurrent_requests,
            proxy=proxy,
            ca_file=ca_file,
            headers=list(self._settings["headers"].items()),
            journal=self._settings["journal"],
            max_job_age=max_job_age,
            poll_interval=poll_interval,
            retry_delay=retry_delay,
        )

    # ---- asking ------------------------------------------------------------------------------

    def get(self, job: Job) -> VideoJob:
        """Asks once how a job stands: ``GET /videos/{request_id}``.

        Moderation is a state of the job, not of the call: a refused job comes back as failed, with its
        error and usage. Right after a create of this client, "not found" means "not there yet" for 30 s.

        Args:
            job: A job, or the ``request_id`` of one.

        Returns:
            A fresh snapshot.

        Raises:
            InvalidRequest: The id is malformed, or the client is closed.
            NotFound: The service does not know the job; it must be asked with the key that made it.
            APIError: The service answered with another error, after retries.
            ConnectionFailed: No connection, after retries.
            RequestTimeout: No answer in time, after retries.
            InvalidResponse: The answer is not what the contract allows, after retries.
        """
        return self._native.get(job, listener=listener(self._on_event))

    async def get_async(self, job: Job) -> VideoJob:
        """The twin of [get][vidjob.VideoClient.get] for asyncio."""
        return await self._native.get_async(job, listener=listener(self._on_event))

    def watch(
        self, job: Job, *, timeout: float | None = None, poll_interval: float | None = None
    ) -> Iterator[VideoJob]:
        """Follows a job: yields a snapshot at each change, and ends after the terminal one.

        Args:
            job: A job, or the ``request_id`` of one.
            timeout: Seconds to follow it for. Default: until it is over.
            poll_interval: Seconds between questions. Default: paced by elapsed time, progress and the
                service's ``Retry-After``, between 1 s and 10 s.

        Yields:
            Snapshots; the last one ``is_terminal``, well or badly.

        Raises:
            WaitTimeout: ``timeout`` is over and the job is not, or the job is older than the client's ``max_job_age``.
            VidjobError: As [wait][vidjob.VideoClient.wait] does.
        """
        watch = self._native.watch(job, arguments.waiting(timeout, poll_interval))
        return self._follow(watch, job)

    def _follow(self, watch: _native.Watch, job: Job) -> Iterator[VideoJob]:
        with Trace(job, None):
            while (snapshot := watch.next(listener=listener(self._on_event))) is not None:
                yield snapshot

    def watch_async(
        self, job: Job, *, timeout: float | None = None, poll_interval: float | None = None
    ) -> AsyncIterator[VideoJob]:
        """The twin of [watch][vidjob.VideoClient.watch] for ``async for``."""
        watch = self._native.watch(job, arguments.waiting(timeout, poll_interval))
        return self._follow_async(watch, job)

    async def _follow_async(self, watch: _native.Watch, job: Job) -> AsyncIterator[VideoJob]:
        with Trace(job, None):
            while (snapshot := await watch.next_async(listener=listener(self._on_event))) is not None:
                yield snapshot

    def wait(
        self,
        job: Job,
        *,
        timeout: float | None = None,
        poll_interval: float | None = None,
        on_update: Callable[[VideoJob], object] | None = None,
        progress: Progress = None,
    ) -> VideoJob:
        """Waits until a job is done.

        Once the service has answered about the job, only a well-formed answer is news of it. Anything else (no answer,
        an empty or malformed one, a page of a proxy, an error under any status) is outlasted for 15 minutes. When the
        service itself refuses the job (not found, a wrong key, not allowed, no money, a bad request) without
        interruption for 60 seconds and at least three times, the wait ends with that error.

        Args:
            job: A job, or the ``request_id`` of one.
            timeout: Seconds to wait for. Default: until it is over. The job goes on either way.
            poll_interval: Seconds between questions. Default: paced, see [watch][vidjob.VideoClient.watch].
            on_update: Called with each changed snapshot, on the caller's thread. What it raises ends the
                wait, and carries a note that names the job.
            progress: ``True`` shows a bar of tqdm in a terminal or notebook, and nothing in a pipe. A callable is given
                the events' dicts; what it raises is logged and otherwise ignored. A bar like tqdm's goes on by 100.

        Returns:
            The job, done.

        Raises:
            JobFailed: It ended without a video.
            JobBlocked: Moderation withheld the video.
            JobExpired: The video is gone from the service.
            WaitTimeout: ``timeout`` is over and the job is not, or the job is older than the client's ``max_job_age``.
            VidjobError: As [get][vidjob.VideoClient.get] does.
        """
        spans = self._spans("wait", "wait", job=job)
        with Trace(job, self._on_event, on_update=on_update, progress=progress, spans=spans) as trace:
            return self._native.wait(job, arguments.waiting(timeout, poll_interval), listener=trace.listener)

    async def wait_async(
        self,
        job: Job,
        *,
        timeout: float | None = None,
        poll_interval: float | None = None,
        on_update: Callable[[VideoJob], object] | None = None,
        progress: Progress = None,
    ) -> VideoJob:
        """The twin of [wait][vidjob.VideoClient.wait] for asyncio."""
        spans = self._spans("wait", "wait", job=job)
        with Trace(job, self._on_event, on_update=on_update, progress=progress, spans=spans) as trace:
            return await self._native.wait_async(
                job, arguments.waiting(timeout, poll_interval), listener=trace.listener
            )

    # ---- creating ----------------------------------------------------------------------------

    def generate(
        self,
        prompt: str | VideoRequest | None = None,
        *,
        image: Image | None = None,
        reference_images: Sequence[Image] | None = None,
        reference_audios: Sequence[Voice | str] | None = None,
        last_frame: Image | None = None,
        keyframes: Sequence[Keyframe] | None = None,
        duration: int | None = None,
        aspect_ratio: str | None = None,
        resolution: str | None = None,
        generate_audio: bool | None = None,
        model: str | None = None,
        user: str | None = None,
        upload_url: str | None = None,
        storage_options: StorageOptions | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> VideoJob:
        """Creates a job: from a prompt, from an image, or from references. From here on it costs money.

        ``POST /videos/generations``. It is sent again only when it certainly did not start: no connection, 429,
        or a 503 that says so. An image may be an http(s) address or a data URI (``str``; never a path), a
        ``pathlib.Path``, ``bytes``, an open binary file, a [FileId][vidjob.FileId], a PIL image, a NumPy array
        (uint8, height x width x 3 or 4) or a matplotlib figure. JPEG, PNG and WebP are taken, told by content.
        A file given as a path is read while it is sent, again at each attempt.

        Args:
            prompt: What to show; at most 4096 bytes of UTF-8 (limit documented by CometAPI and xAI). May be left
                out with ``image`` (documented by xAI only), references (xAI's newer guide only) or pinned frames
                (xAI's SDK). Or a [VideoRequest][vidjob.VideoRequest], and nothing beside it.
            image: The first frame (documented by CometAPI and xAI).
            reference_images: Images of who or what is to appear (documented by xAI only). On the base model up to 7,
                with at most 10 s and not with ``image``; on ``grok-imagine-video-1.5`` up to 14 (measured; xAI's
                older page says 7); on ``grok-imagine-video-1.5-lite`` none. A prompt may name images as
                ``<IMAGE_0>``, ``<IMAGE_1>`` and so on, counted over ``image``, these, ``keyframes`` and
                ``last_frame`` (xAI's own tool).
            reference_audios: Up to 3 voices to be heard, with or without images: [Voice][vidjob.Voice] values, or
                addresses of clips of up to 15 s; only ``grok-imagine-video-1.5`` (documented by xAI only).
            last_frame: The last frame; the same as ``image`` makes a loop; only ``grok-imagine-video-1.5``
                (documented by xAI's newer guide only).
            keyframes: Up to 4 frames between beginning and end, each in a slot of 1/3 s of its own; only
                ``grok-imagine-video-1.5`` (documented by xAI's newer guide only; the slots are measured).
            duration: Seconds, 1 to 15. Default: the service's, 8 (documented by CometAPI and xAI).
            aspect_ratio: ``1:1``, ``16:9``, ``9:16``, ``4:3``, ``3:4``, ``3:2`` or ``2:3`` (documented by CometAPI
                and xAI); ``21:9`` or ``5:2`` (xAI's newer guide only). Default: the service's, 16:9, or that of
                ``image``. With ``image``, xAI's newer guide says, it is ignored.
            resolution: ``480p`` or ``720p`` (documented by CometAPI and xAI); ``1080p`` on
                ``grok-imagine-video-1.5``, without ``reference_images``, and on ``grok-imagine-video-1.5-lite``
                (documented by xAI only). Default: the service's, 480p.
            generate_audio: Whether the video has sound. Default: the service's, yes (documented by xAI's newer guide
                only).
            model: ``grok-imagine-video`` (the base model, CometAPI's default), ``grok-imagine-video-1.5`` or
                ``grok-imagine-video-1.5-lite``. Unknown names are sent as they are, and what is only documented of
                known models is not checked with them.
            user: An id of your own end user, for the service.
            upload_url: Signed address to which the service delivers the file with ``PUT``; the finished job may then
                have no link (documented by CometAPI and xAI).
            storage_options: Has the service keep the file, see ``job.video.file_output`` (documented by xAI only).
            extra: Merged into the JSON body last, so that a field the service adds tomorrow can be used today.

        Returns:
            The job, just accepted.

        Raises:
            InvalidRequest: Refused here, naming the field; nothing was sent.
            SubmitUnknown: The answer was lost: a job may exist and be billed. Never sent again by itself.
            InsufficientBalance: No money left.
            APIError: The service refused.
            ConnectionFailed: No connection, after retries; nothing was created.
            RequestTimeout: No connection in time, after retries; nothing was created.
        """
        request = arguments.request(
            "generate",
            prompt,
            image=image,
            reference_images=reference_images,
            reference_audios=reference_audios,
            last_frame=last_frame,
            keyframes=keyframes,
            duration=duration,
            aspect_ratio=aspect_ratio,
            resolution=resolution,
            generate_audio=generate_audio,
            model=model,
            user=user,
            upload_url=upload_url,
            storage_options=storage_options,
            extra=extra,
        )
        with Trace(None, self._on_event, spans=self._spans("submit", "submit", request)) as trace:
            return self._native.generate(request, listener=trace.listener)

    async def generate_async(
        self,
        prompt: str | VideoRequest | None = None,
        *,
        image: Image | None = None,
        reference_images: Sequence[Image] | None = None,
        reference_audios: Sequence[Voice | str] | None = None,
        last_frame: Image | None = None,
        keyframes: Sequence[Keyframe] | None = None,
        duration: int | None = None,
        aspect_ratio: str | None = None,
        resolution: str | None = None,
        generate_audio: bool | None = None,
        model: str | None = None,
        user: str | None = None,
        upload_url: str | None = None,
        storage_options: StorageOptions | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> VideoJob:
        """The twin of [generate][vidjob.VideoClient.generate] for asyncio."""
        request = await arguments.request_async(
            "generate",
            prompt,
            image=image,
            reference_images=reference_images,
            reference_audios=reference_audios,
            last_frame=last_frame,
            keyframes=keyframes,
            duration=duration,
            aspect_ratio=aspect_ratio,
            resolution=resolution,
            generate_audio=generate_audio,
            model=model,
            user=user,
            upload_url=upload_url,
            storage_options=storage_options,
            extra=extra,
        )
        with Trace(None, self._on_event, spans=self._spans("submit", "submit", request)) as trace:
            return await self._native.generate_async(request, listener=trace.listener)

    def edit(
        self,
        prompt: str | VideoRequest | Footage,
        video: Film | None = None,
        *,
        model: str | None = None,
        user: str | None = None,
        upload_url: str | None = None,
        storage_options: StorageOptions | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> VideoJob:
        """Creates a job that changes a video as the prompt says. From here on it costs money.

        ``POST /videos/edits`` (documented by CometAPI and xAI). Length, aspect ratio and resolution (at most 720p)
        follow the source. The two come in either order: ``edit(job, "…")`` reads as well as ``edit("…", job)``,
        unless the video is an address, which comes second.

        Args:
            prompt: What to change; at most 4096 bytes of UTF-8. Or a [VideoRequest][vidjob.VideoRequest], and
                nothing beside it.
            video: An earlier ``VideoJob`` or ``Video``, whose link is renewed by asking if it has expired; an http(s)
                address or a data URI (``str``; never a path); a ``pathlib.Path``, ``bytes``, an open binary file or a
                [FileId][vidjob.FileId]. MP4 with H.264, H.265 or AV1, at most 8.7 s (limits documented by xAI).
            model: The base model alone edits (documented by xAI). Default: the service's.
            user: An id of your own end user, for the service.
            upload_url: See [generate][vidjob.VideoClient.generate].
            storage_options: See ``generate`` (documented by xAI only).
            extra: See ``generate``.

        Returns:
            The job, just accepted.

        Raises:
            VideoUrlExpired: The link of the earlier video is no longer good, and there is no fresh one.
            VidjobError: As ``generate`` does.
        """
        source, words = arguments.source_and_prompt(prompt, video)
        request = arguments.request(
            "edit",
            words,
            video=source,
            model=model,
            user=user,
            upload_url=upload_url,
            storage_options=storage_options,
            extra=extra,
        )
        with Trace(None, self._on_event, spans=self._spans("submit", "submit", request)) as trace:
            return self._native.edit(request, listener=trace.listener)

    async def edit_async(
        self,
        prompt: str | VideoRequest | Footage,
        video: Film | None = None,
        *,
        model: str | None = None,
        user: str | None = None,
        upload_url: str | None = None,
        storage_options: StorageOptions | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> VideoJob:
        """The twin of [edit][vidjob.VideoClient.edit] for asyncio."""
        source, words = arguments.source_and_prompt(prompt, video)
        request = await arguments.request_async(
            "edit",
            words,
            video=source,
            model=model,
            user=user,
            upload_url=upload_url,
            storage_options=storage_options,
            extra=extra,
        )
        with Trace(None, self._on_event, spans=self._spans("submit", "submit", request)) as trace:
            return await self._native.edit_async(request, listener=trace.listener)

    def extend(
        self,
        prompt: str | VideoRequest | Footage,
        video: Film | None = None,
        *,
        duration: int | None = None,
        model: str | None = None,
        upload_url: str | None = None,
        storage_options: StorageOptions | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> VideoJob:
        """Creates a job that goes on where a video ends. From here on it costs money.

        ``POST /videos/extensions`` (documented by xAI; some gateways route it). The two come in either order:
        ``extend(job, "…")`` reads as well as ``extend("…", job)``, unless the video is an address, which comes second.

        Args:
            prompt: How it goes on; at most 4096 bytes of UTF-8. Or a [VideoRequest][vidjob.VideoRequest], and
                nothing beside it.
            video: As [edit][vidjob.VideoClient.edit] takes it, of 2 to 30 s (xAI's OpenAPI file and SDK; its
                reference says 15).
            duration: Seconds of the added part, 1 to 10 (xAI's OpenAPI file and SDK; its reference says 2 to 10).
                Default: the service's, 6.
            model: The base model alone extends (documented by xAI). Default: the service's.
            upload_url: See [generate][vidjob.VideoClient.generate].
            storage_options: See ``generate``.
            extra: See ``generate``.

        Returns:
            The job, just accepted; its video will hold the source and what was added.

        Raises:
            VideoUrlExpired: The link of the earlier video is no longer good, and there is no fresh one.
            VidjobError: As ``generate`` does.
        """
        source, words = arguments.source_and_prompt(prompt, video)
        request = arguments.request(
            "extend",
            words,
            video=source,
            duration=duration,
            model=model,
            upload_url=upload_url,
            storage_options=storage_options,
            extra=extra,
        )
        with Trace(None, self._on_event, spans=self._spans("submit", "submit", request)) as trace:
            return self._native.extend(request, listener=trace.listener)

    async def extend_async(
        self,
        prompt: str | VideoRequest | Footage,
        video: Film | None = None,
        *,
        duration: int | None = None,
        model: str | None = None,
        upload_url: str | None = None,
        storage_options: StorageOptions | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> VideoJob:
        """The twin of [extend][vidjob.VideoClient.extend] for asyncio."""
        source, words = arguments.source_and_prompt(prompt, video)
        request = await arguments.request_async(
            "extend",
            words,
            video=source,
            duration=duration,
            model=model,
            upload_url=upload_url,
            storage_options=storage_options,
            extra=extra,
        )
        with Trace(None, self._on_event, spans=self._spans("submit", "submit", request)) as trace:
            return await self._native.extend_async(request, listener=trace.listener)

    # ---- keeping -----------------------------------------------------------------------------

    def download(
        self,
        job_or_video: Job | Video,
        path: str | os.PathLike[str],
        *,
        max_bytes: int = MAX_BYTES,
        overwrite: bool = False,
        progress: Progress = None,
    ) -> Download:
        """Keeps the file of a finished job: streamed, resumed, checked, then renamed into place.

        The key is not sent along, unless the link has the API's own scheme, host and port. A link that
        has expired is refreshed by asking the job once more.

        Args:
            job_or_video: A job, its ``request_id``, or a video.
            path: Where to keep the file. Its folder must exist.
            max_bytes: The largest file to keep, in bytes. Default: 2 GiB.
            overwrite: Whether an existing file may be replaced.
            progress: ``True`` shows a bar of tqdm in a terminal or notebook, and nothing in a pipe. A callable is given
                the events' dicts; what it raises is logged and otherwise ignored. A bar like tqdm's goes on by 100.

        Returns:
            The kept file: path, size, SHA-256, content type.

        Raises:
            VideoUrlExpired: The link is no longer good, and there is no fresh one.
            UnsafeUrl: The link is not https, or leads into a private network.
            NotAVideo: What came is not a video.
            IncompleteDownload: The file did not arrive whole, after retries.
            TooLarge: It is larger than ``max_bytes``.
            DownloadError: The disk refused, the target exists, or the job has no link.
            JobFailed: The job has no video.
            VidjobError: As [get][vidjob.VideoClient.get] does.
        """
        spans = self._spans("download", "download", job=job_or_video)
        with Trace(job_or_video, self._on_event, progress=progress, spans=spans) as trace:
            kept = arguments.keep(path, max_bytes, overwrite)
            return _as_given(self._native.download(job_or_video, kept, listener=trace.listener), path)

    async def download_async(
        self,
        job_or_video: Job | Video,
        path: str | os.PathLike[str],
        *,
        max_bytes: int = MAX_BYTES,
        overwrite: bool = False,
        progress: Progress = None,
    ) -> Download:
        """The twin of [download][vidjob.VideoClient.download] for asyncio."""
        spans = self._spans("download", "download", job=job_or_video)
        with Trace(job_or_video, self._on_event, progress=progress, spans=spans) as trace:
            kept = arguments.keep(path, max_bytes, overwrite)
            return _as_given(await self._native.download_async(job_or_video, kept, listener=trace.listener), path)

    def render(
        self,
        prompt: str | VideoRequest | None,
        path: str | os.PathLike[str],
        *,
        image: Image | None = None,
        reference_images: Sequence[Image] | None = None,
        reference_audios: Sequence[Voice | str] | None = None,
        last_frame: Image | None = None,
        keyframes: Sequence[Keyframe] | None = None,
        duration: int | None = None,
        aspect_ratio: str | None = None,
        resolution: str | None = None,
        generate_audio: bool | None = None,
        model: str | None = None,
        user: str | None = None,
        storage_options: StorageOptions | None = None,
        extra: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        poll_interval: float | None = None,
        on_update: Callable[[VideoJob], object] | None = None,
        max_bytes: int = MAX_BYTES,
        overwrite: bool = False,
        on_unknown: OnUnknown = "hold",
        progress: Progress = None,
    ) -> RenderResult:
        """Creates a job, waits for it and keeps its file. Whether the file can be kept is checked before buying.

        What it does is recorded in the client's journal or in ``.vidjob`` beside the file, so that the same call again
        goes on where an earlier one was left: a job that was bought is waited for, and a file that is there is not
        made again.

        Args:
            prompt: As [generate][vidjob.VideoClient.generate] takes it, with the arguments up to ``extra``. Or a
                [VideoRequest][vidjob.VideoRequest] for any operation, and no such argument beside it.
            path: As [download][vidjob.VideoClient.download] takes it, with ``max_bytes`` and ``overwrite``.
            image: See ``generate``.
            reference_images: See ``generate``.
            reference_audios: See ``generate``.
            last_frame: See ``generate``.
            keyframes: See ``generate``.
            duration: See ``generate``.
            aspect_ratio: See ``generate``.
            resolution: See ``generate``.
            generate_audio: See ``generate``.
            model: See ``generate``.
            user: See ``generate``.
            storage_options: See ``generate``.
            extra: See ``generate``.
            timeout: Seconds to wait for the job, as [wait][vidjob.VideoClient.wait] takes it.
            poll_interval: See ``wait``.
            on_update: See ``wait``.
            max_bytes: See ``download``.
            overwrite: See ``download``; also makes anew what an earlier call has finished.
            on_unknown: What to do when an earlier call for the same ended before its answer came: ``"hold"`` raises
                ``SubmitUnknown``, ``"resubmit"`` buys it, perhaps for the second time.
            progress: ``True`` shows a bar of tqdm in a terminal or notebook, and nothing in a pipe. A callable is given
                the events' dicts; what it raises is logged and otherwise ignored. A bar like tqdm's goes on by 100.

        Returns:
            The job, where its file is, its size and SHA-256.

        Raises:
            VidjobError: As ``generate``, ``wait`` and ``download`` do. Once the job is accepted, each carries
                its ``request_id``.
        """
        request = arguments.request(
            "generate",
            prompt,
            image=image,
            reference_images=reference_images,
            reference_audios=reference_audios,
            last_frame=last_frame,
            keyframes=keyframes,
            duration=duration,
            aspect_ratio=aspect_ratio,
            resolution=resolution,
            generate_audio=generate_audio,
            model=model,
            user=user,
            storage_options=storage_options,
            extra=extra,
        )
        kept = arguments.keep(path, max_bytes, overwrite)
        spans = self._spans("submit", "download", request)
        with Trace(None, self._on_event, on_update=on_update, progress=progress, spans=spans) as trace:
            waiting = arguments.waiting(timeout, poll_interval)
            job, file, warning = self._native.render(request, waiting, kept, on_unknown, listener=trace.listener)
        return _result(job, file, path, warning)

    async def render_async(
        self,
        prompt: str | VideoRequest | None,
        path: str | os.PathLike[str],
        *,
        image: Image | None = None,
        reference_images: Sequence[Image] | None = None,
        reference_audios: Sequence[Voice | str] | None = None,
        last_frame: Image | None = None,
        keyframes: Sequence[Keyframe] | None = None,
        duration: int | None = None,
        aspect_ratio: str | None = None,
        resolution: str | None = None,
        generate_audio: bool | None = None,
        model: str | None = None,
        user: str | None = None,
        storage_options: StorageOptions | None = None,
        extra: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        poll_interval: float | None = None,
        on_update: Callable[[VideoJob], object] | None = None,
        max_bytes: int = MAX_BYTES,
        overwrite: bool = False,
        on_unknown: OnUnknown = "hold",
        progress: Progress = None,
    ) -> RenderResult:
        """The twin of [render][vidjob.VideoClient.render] for asyncio."""
        request = await arguments.request_async(
            "generate",
            prompt,
            image=image,
            reference_images=reference_images,
            reference_audios=reference_audios,
            last_frame=last_frame,
            keyframes=keyframes,
            duration=duration,
            aspect_ratio=aspect_ratio,
            resolution=resolution,
            generate_audio=generate_audio,
            model=model,
            user=user,
            storage_options=storage_options,
            extra=extra,
        )
        kept = arguments.keep(path, max_bytes, overwrite)
        spans = self._spans("submit", "download", request)
        with Trace(None, self._on_event, on_update=on_update, progress=progress, spans=spans) as trace:
            waiting = arguments.waiting(timeout, poll_interval)
            job, file, warning = await self._native.render_async(
                request, waiting, kept, on_unknown, listener=trace.listener
            )
        return _result(job, file, path, warning)

    # ---- many -------------------------------------------------------------------------------

    def render_many(
        self,
        requests: Orders,
        folder: str | os.PathLike[str],
        *,
        concurrency: int = 32,
        max_downloads: int = 16,
        max_cost_usd: float | None = None,
        max_jobs: int | None = None,
        deadline: float | None = None,
        on_existing: OnExisting = "resume",
        on_unknown: OnUnknown = "hold",
        retry_failed: bool = False,
        verify: bool = False,
        prices: Prices | None = None,
        filename: str = "videos/{id}.mp4",
        input_root: str | os.PathLike[str] | None = None,
        timeout: float | None = None,
        poll_interval: float | None = None,
        max_bytes: int = MAX_BYTES,
        progress: Progress = None,
    ) -> Batch:
        """Renders many, none lost and none bought twice, and yields results as they finish.

        What it does is recorded in ``<folder>/.vidjob``; running the same call again continues it: what is done is not
        touched, what was bought is waited for, the rest is bought. A failed item is a result with its error, never an
        exception that stops the others. 401, 402 and 403 stop the buying at once; what is paid for is still kept.

        A list, a table or a file is checked as a whole before anything is bought; any other iterable, also an
        endless one, is pulled as there is room. Rows are flat (``prompt``, ``duration`` and the other fields of
        [VideoRequest][vidjob.VideoRequest], ``id``) or in xAI's batch form (``custom_id``, ``url``, ``body``); what
        else stands in them is passed through to ``metadata.jsonl``. The same order again is one item: give ids to
        variations.

        The folder gets ``videos/{id}.mp4``, ``metadata.jsonl`` (as ``datasets.load_dataset("videofolder")`` reads it),
        ``errors.jsonl`` and ``summary.json``.

        Args:
            requests: Prompts, requests or rows; a path of a JSONL, CSV or Parquet file (the latter with pyarrow); or a
                table with an Arrow C stream (pandas, polars, pyarrow, Hugging Face datasets).
            folder: Where videos and outputs go. It is made if it is not there.
            concurrency: Renders under way at once.
            max_downloads: Files fetched at once.
            max_cost_usd: What may be spent in this folder, earlier runs and creates without an answer included: an
                estimate is reserved before each create and settled with what the service reports.
            max_jobs: How many jobs this call may buy.
            deadline: Seconds after which nothing more is bought or waited for.
            on_existing: ``"resume"`` goes on from what is there, ``"overwrite"`` makes finished items anew and replaces
                files, ``"error"`` refuses items that the journal or the disk knows. A file is never adopted by its
                name.
            on_unknown: What to do about creates whose answer was lost: ``"hold"`` reports them, ``"resubmit"`` buys
                them, perhaps for the second time.
            retry_failed: Whether items that failed in an earlier run are bought again; moderated ones never are.
            verify: Whether kept files are hashed again, and not only measured.
            prices: Prices in USD over the known ones: ``{model: {"per_second": {"480p": 0.05}, "per_image": 0.002}}``.
            filename: Template of a file below ``folder``; fields are ``id``, ``index``, ``prompt``, ``model`` and the
                rows' columns, each made safe as one component of a path.
            input_root: Folder that ``{"path": ...}`` in rows may lead into; without it rows can name no files.
            timeout: Seconds to wait for one job, as [wait][vidjob.VideoClient.wait] takes it.
            poll_interval: See ``wait``.
            max_bytes: See [download][vidjob.VideoClient.download].
            progress: ``True`` shows bars of tqdm in a terminal or notebook, and nothing in a pipe. A callable is given
                the events' dicts, each with ``id``. A bar like tqdm's goes on by 1 for each item.

        Returns:
            An iterator of results in the order in which they finish, which is also a context manager.

        Raises:
            InvalidRequest: An argument or an order is wrong, an id stands for two requests, or two items would have the
                same file; nothing was bought.
            AlreadyRunning: Another run is at work in this folder.
            JournalError: The journal cannot be read or written.
        """
        from vidjob._batch import Batch
        from vidjob._rows import read

        options = arguments.batch(
            concurrency=concurrency,
            max_downloads=max_downloads,
            max_cost_usd=max_cost_usd,
            max_jobs=max_jobs,
            deadline=deadline,
            on_existing=on_existing,
            on_unknown=on_unknown,
            retry_failed=retry_failed,
            verify=verify,
            prices=prices,
            timeout=timeout,
            poll_interval=poll_interval,
            max_bytes=max_bytes,
        )
        begun = self._begin(read(requests), folder, options, filename, input_root, progress)
        return Batch(**begun)

    def render_many_async(
        self,
        requests: Orders | AsyncIterable[Order],
        folder: str | os.PathLike[str],
        *,
        concurrency: int = 32,
        max_downloads: int = 16,
        max_cost_usd: float | None = None,
        max_jobs: int | None = None,
        deadline: float | None = None,
        on_existing: OnExisting = "resume",
        on_unknown: OnUnknown = "hold",
        retry_failed: bool = False,
        verify: bool = False,
        prices: Prices | None = None,
        filename: str = "videos/{id}.mp4",
        input_root: str | os.PathLike[str] | None = None,
        timeout: float | None = None,
        poll_interval: float | None = None,
        max_bytes: int = MAX_BYTES,
        progress: Progress = None,
    ) -> AsyncBatch:
        """The twin of [render_many][vidjob.VideoClient.render_many] for ``async for``; takes async iterables too."""
        from vidjob._batch import AsyncBatch
        from vidjob._rows import read_async

        options = arguments.batch(
            concurrency=concurrency,
            max_downloads=max_downloads,
            max_cost_usd=max_cost_usd,
            max_jobs=max_jobs,
            deadline=deadline,
            on_existing=on_existing,
            on_unknown=on_unknown,
            retry_failed=retry_failed,
            verify=verify,
            prices=prices,
            timeout=timeout,
            poll_interval=poll_interval,
            max_bytes=max_bytes,
        )
        begun = self._begin(read_async(requests), folder, options, filename, input_root, progress)
        return AsyncBatch(**begun)

    def _begin(
        self,
        table: Table,
        folder: str | os.PathLike[str],
        options: dict[str, Any],
        filename: str,
        input_root: str | os.PathLike[str] | None,
        progress: Progress,
    ) -> dict[str, Any]:
        """What both faces of a batch begin with."""
        from pathlib import Path

        from vidjob import _open_runs as open_runs
        from vidjob._batch import Plan, make_folder, planned
        from vidjob._naming import Naming
        from vidjob._outputs import Outputs

        # Once, now: the working directory may be another one when the next row comes.
        home = Path(arguments.absolute(arguments.local("folder", folder)))
        arguments.local("filename", filename)
        root = None if input_root is None else arguments.absolute(arguments.local("input_root", input_root))
        plan = Plan(Naming(home, filename), None if root is None else Path(root))
        orders = planned(table, plan) if table.is_whole else table.rows
        make_folder(home)
        open_runs.leave_abandoned(home.resolve())
        total = len(orders) if isinstance(orders, list) else None
        watchers = self._watchers(progress, total)
        native = self._native.render_many(home, options, watchers.listener is not None)
        return {
            "native": native,
            "orders": orders,
            "is_planned": table.is_whole,
            "plan": plan,
            "outputs": Outputs(home),
            "watchers": watchers,
            "folder": home,
        }

    def _watchers(self, progress: Progress, total: int | None) -> Watchers:
        """Who follows a batch."""
        from vidjob import _tracing
        from vidjob._batch import Watchers

        tracer = _tracing.tracer()
        spans = None if tracer is None else _tracing.BatchSpans(tracer, self._native.host)
        return Watchers(self._on_event, progress, total, spans)

    def _spans(
        self, phase: str, last: str, request: VideoRequest | None = None, job: Job | Video | None = None
    ) -> CallSpans | None:
        """Who makes spans of one call, if anybody collects them."""
        from vidjob import _tracing

        tracer = _tracing.tracer()
        if tracer is None:
            return None
        request_id = job if isinstance(job, str) else getattr(job, "request_id", None)
        return _tracing.CallSpans(tracer, self._native.host, phase, last, request, request_id)

    # ---- remembering -------------------------------------------------------------------------

    def jobs(self, folder: str | os.PathLike[str] | None = None) -> list[JobRecord]:
        """Lists what a journal knows. Nothing is asked of the service.

        Args:
            folder: The folder of a batch or of renders. Default: this client's ``journal``.

        Returns:
            One record for each item, in the order in which they were first bought.

        Raises:
            ConfigurationError: There is no journal to read.
            JournalError: It cannot be read.
        """
        from vidjob._values import JobRecord

        records, damage = _native.read_journal(self._journal(folder))
        if damage:
            from warnings import warn

            from vidjob._damage import reports

            for report in reports(damage):
                warn(report, RuntimeWarning, stacklevel=2)
        return [JobRecord.told(record) for record in records]

    async def jobs_async(self, folder: str | os.PathLike[str] | None = None) -> list[JobRecord]:
        """The twin of [jobs][vidjob.VideoClient.jobs] for asyncio; the disk is read beside the event loop."""
        from asyncio import to_thread

        return await to_thread(self.jobs, folder)

    def resume(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        max_downloads: int = 16,
        deadline: float | None = None,
        timeout: float | None = None,
        poll_interval: float | None = None,
        max_bytes: int = MAX_BYTES,
        progress: Progress = None,
    ) -> Batch:
        """Finishes what a journal has left: waits for all jobs that were bought, and keeps their files. Buys nothing.

        A job whose file had no place yet goes to ``videos/{request_id}.mp4`` below the journal.

        Args:
            folder: The folder of a batch or of renders. Default: this client's ``journal``.
            max_downloads: Files fetched at once.
            deadline: Seconds after which nothing more is waited for.
            timeout: Seconds to wait for one job, as [wait][vidjob.VideoClient.wait] takes it.
            poll_interval: See ``wait``.
            max_bytes: See [download][vidjob.VideoClient.download].
            progress: ``True`` shows bars of tqdm in a terminal or notebook, and nothing in a pipe. A callable is given
                the events' dicts, each with ``id``. A bar like tqdm's goes on by 1 for each item.

        Returns:
            An iterator of results in the order in which they finish.

        Raises:
            ConfigurationError: There is no journal to read.
            AlreadyRunning: Another run is at work there.
            JournalError: The journal cannot be read or written.
        """
        from vidjob._batch import Batch

        options = arguments.batch(
            max_downloads=max_downloads,
            deadline=deadline,
            timeout=timeout,
            poll_interval=poll_interval,
            max_bytes=max_bytes,
        )
        return Batch(**self._begin_again(folder, options, progress))

    def resume_async(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        max_downloads: int = 16,
        deadline: float | None = None,
        timeout: float | None = None,
        poll_interval: float | None = None,
        max_bytes: int = MAX_BYTES,
        progress: Progress = None,
    ) -> AsyncBatch:
        """The twin of [resume][vidjob.VideoClient.resume] for ``async for``."""
        from vidjob._batch import AsyncBatch

        options = arguments.batch(
            max_downloads=max_downloads,
            deadline=deadline,
            timeout=timeout,
            poll_interval=poll_interval,
            max_bytes=max_bytes,
        )
        return AsyncBatch(**self._begin_again(folder, options, progress))

    def _begin_again(
        self, folder: str | os.PathLike[str] | None, options: dict[str, Any], progress: Progress
    ) -> dict[str, Any]:
        """What both faces of a resumption begin with."""
        from vidjob import _open_runs as open_runs
        from vidjob._outputs import Outputs

        home = self._journal(folder)
        is_beside = home.name == ".vidjob"
        folder = home.parent if is_beside else home
        open_runs.leave_abandoned(folder.resolve())
        # How many there are is known once the journal has been read.
        watchers = self._watchers(progress, None)
        native = self._native.resume(home, options, watchers.listener is not None)
        native.feed_unfinished()
        outputs = Outputs(folder) if is_beside else None
        return {"native": native, "orders": iter(()), "watchers": watchers, "folder": folder, "outputs": outputs}

    def _journal(self, folder: str | os.PathLike[str] | None) -> Path:
        from pathlib import Path

        if folder is None:
            if self._settings["journal"] is None:
                raise ConfigurationError("which journal? Pass the folder of a batch, or VideoClient(journal=...)")
            return Path(self._settings["journal"])
        return arguments.journal_folder(arguments.absolute(arguments.local("folder", folder)))

    # ---- life --------------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """What ``/videos/...`` is appended to."""
        return self._native.base_url

    def close(self) -> None:
        """Closes the client; calls in flight go on to their end. Closing twice is fine."""
        self._native.close()

    async def aclose(self) -> None:
        """The twin of [close][vidjob.VideoClient.close]; it never blocks."""
        self._native.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        # A debugger or a traceback with locals shows a client whose constructor raised, too.
        if not hasattr(self, "_native"):
            return "VideoClient(not set up)"
        state = ", closed" if self._native.closed else ""
        return f"VideoClient(base_url={self.base_url!r}{state})"

    def __copy__(self) -> Self:
        """Another client with the same key and settings, which shares connections and limits with this one."""
        copied = type(self).__new__(type(self))
        state = {"_settings": self._settings, "_on_event": self._on_event, "_native": self._native.copy()}
        for name, value in {**getattr(self, "__dict__", {}), **state}.items():
            setattr(copied, name, value)
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()

    def _bar(self, settings: dict[str, Any], fault: str) -> None:
        """Has every call say why nothing is sent."""
        self._settings, self._native = settings, self._native.barred(fault)

    def __reduce__(self) -> tuple[Callable[[dict[str, Any]], VideoClient], tuple[dict[str, Any]]]:
        settings = {**self._settings, "base_url": self.base_url}
        if not settings["pickle_key"]:
            settings = _without_secrets(settings)
        return _restore, (settings,)


#: What the verbs use, and ``import vidjob`` alone does not.
_USED = (
    *(f"vidjob._{name}" for name in ("bars", "batch", "damage", "kernel", "media", "results", "tracing", "values")),
    "asyncio",
    "concurrent.futures.thread",
    "decimal",
    "logging",
    "uuid",
)


def _load() -> None:
    """Imports what the verbs use.

    Later there may be no descriptor left to read a module with, and a forked child would wait for ever for an import
    that another thread of its parent had begun.
    """
    from sys import modules

    if any(name not in modules for name in _USED):
        from importlib import import_module

        for name in _USED:
            import_module(name)


def _without_secrets(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings that may be read by strangers, with a note on what they lack."""
    proxy = settings["proxy"]
    bare = None if proxy is None else _without_user(proxy)
    lacks = {"api_key": settings["api_key"] is not None, "headers": bool(settings["headers"]), "proxy": bare != proxy}
    withheld = [*settings.get("withheld", ()), *(name for name, is_lacking in lacks.items() if is_lacking)]
    return {**settings, "api_key": None, "headers": {}, "proxy": bare, "withheld": withheld}


def _without_user(address: str) -> str:
    scheme, mark, rest = address.rpartition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"


#: What a pickle may have left out.
_WITHHELD = {"api_key": "its API key", "headers": "its headers", "proxy": "the user and password of its proxy"}


def _restore(settings: dict[str, Any]) -> VideoClient:
    withheld = settings.get("withheld", ())
    names = ", ".join(_WITHHELD[name] for name in withheld)
    fault = f"this client was pickled without {names}: pass pickle_key=True where it is made, or make it anew here"
    # Any other key, such as one of the environment, may be somebody else's.
    if "api_key" in withheld:
        raise ConfigurationError(fault)
    client = VideoClient(**{name: value for name, value in settings.items() if name != "withheld"})
    if withheld:
        client._bar(settings, fault)  # noqa: SLF001 - one of its makers
    return client


def _result(job: VideoJob, kept: Download, path: str | os.PathLike[str], warning: str | None) -> RenderResult:
    from pathlib import Path

    from vidjob._log import report_absurd_cost
    from vidjob._values import RenderResult

    report_absurd_cost(job)
    if warning is not None:
        from warnings import warn

        is_harmless("a warning failed", warn, warning, RuntimeWarning)
    return RenderResult(job.request_id, job, Path(path), kept.sha256, kept.bytes)


def _as_given(kept: Download, path: str | os.PathLike[str]) -> Download:
    """The same download under the path that the caller gave, which the working directory may have left since."""
    return _native.Download(path, kept.bytes, kept.sha256, kept.content_type)
