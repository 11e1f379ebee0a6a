"""The client. Each verb is written once, as a plan ``_verb``; see ``vidjob._calls``."""

from __future__ import annotations

from vidjob import _native
from vidjob._arguments import RequestDraft, check_render_path, optional_path, order_video_and_prompt
from vidjob._calls import (
    BatchStream,
    Call,
    CreateCall,
    DownloadCall,
    GetCall,
    JobsCall,
    RenderCall,
    Stream,
    WaitCall,
    WatchStream,
    async_iterating,
    awaitable,
    blocking,
    constructor,
    iterating,
    method,
)
from vidjob._checks import as_progress, check_callback, check_word
from vidjob._errors import ConfigurationError
from vidjob._hints import resolvable
from vidjob._observers import CallObserver, event_listener
from vidjob._preload import preload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from vidjob._batch.batch import AsyncBatch, Batch
    from vidjob._native import Download, Keyframe, StorageOptions, Video, VideoJob, VideoRequest, Voice
    from vidjob._options import ClientSettings, WaitOptions
    from vidjob._tracing import CallSpans
    from vidjob._values import JobRecord, RenderResult
    from vidjob.types import (
        EventCallback,
        ImageInput,
        JobInput,
        OnExisting,
        OnUnknown,
        PathInput,
        Prices,
        ProgressInput,
        RequestInput,
        RequestsInput,
        UpdateCallback,
        VideoInput,
        VideoObject,
    )

__all__ = ["VideoClient"]

#: The default limit of a file's size, in bytes.
MAX_BYTES = 2 * 1024**3


class VideoClient:
    """A client of xAI (Grok) video jobs, through CometAPI or xAI itself.

    Threads and event loops may share it; it survives a fork, and pickles as its settings. It connects when the first
    verb is called.
    """

    __slots__ = ("__weakref__", "_native", "_on_event", "_settings")

    @constructor
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
        ca_file: PathInput | None = None,
        headers: Mapping[str, str] | None = None,
        journal: PathInput | None = None,
        max_job_age: float | None = 86_400.0,
        poll_interval: float | None = None,
        retry_delay: float = 0.5,
        on_event: EventCallback | None = None,
        pickle_key: bool = False,
    ) -> None:
        """Sets up a client.

        Args:
            api_key: Bearer token. Default: ``COMETAPI_KEY`` or, for a ``base_url`` on ``api.x.ai``,
                ``XAI_API_KEY``. A key in the environment is sent only to the host it belongs to. A ``base_url`` on this
                machine, such as a simulator's, needs none: it gets the placeholder ``simulator``.
            base_url: Base of ``/videos/...``. Default: ``VIDJOB_BASE_URL``, else
                ``https://api.cometapi.com/grok/v1``.
            timeout: Seconds for one HTTP exchange; at most 10 of these for connecting.
            max_retries: Retries of one safe exchange. A create is retried only when it certainly did not start.
            requests_per_second: Limit for requests, shared by all calls of this client.
            creates_per_second: Limit for creates. Default: 1 on ``api.x.ai``, as xAI documents, else none.
            max_concurrent_requests: Limit for HTTP exchanges in flight.
            proxy: Address of an HTTP proxy for all requests. Default: ``HTTPS_PROXY``, ``HTTP_PROXY`` and
                ``ALL_PROXY``, with ``NO_PROXY``; one that cannot be used, such as a SOCKS proxy, is an error.
            ca_file: PEM file of certificate authorities to trust in addition to the system's.
            headers: Extra headers, sent to the API only.
            journal: Folder that records every create of this client and its outcome, for ``jobs`` and ``resume``.
                Default: none; ``render`` and ``render_many`` keep theirs beside their files.
            max_job_age: Seconds after which a wait for an unfinished job ends with ``WaitTimeout``, even without
                ``timeout``: links live for about a day. Counted from acceptance where that is known, else from the
                beginning of the wait. ``None``: never.
            poll_interval: Seconds between polls, for every wait that does not set its own. Default:
                ``VIDJOB_POLL_INTERVAL``, else paced, see `watch`.
            retry_delay: Upper bound in seconds for the wait before the first retry; it doubles with each further
                retry, up to 16 times this value. A longer ``Retry-After`` of the service takes precedence.
            on_event: Called with one dict of plain JSON types per event, on the caller's thread or event loop:
                ``event`` is ``request``, ``retry``, ``accepted``, ``status`` or ``download``. Its exceptions are
                logged and otherwise ignored.
            pickle_key: Whether pickles carry secrets: a key passed as ``api_key``, ``headers``, and the user and
                password of ``proxy``. Without them, a client that was given a key cannot be unpickled, and one with
                other secrets raises an error that names them when it is used. The name of an environment variable is
                always carried. Copies keep everything.

        Raises:
            ConfigurationError: The key is missing, or a setting cannot be used.
        """
        preload()
        from vidjob._options import ClientSettings

        settings = ClientSettings.of(
            api_key=api_key,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            requests_per_second=requests_per_second,
            creates_per_second=creates_per_second,
            max_concurrent_requests=max_concurrent_requests,
            proxy=proxy,
            ca_file=ca_file,
            headers=headers,
            journal=journal,
            max_job_age=max_job_age,
            poll_interval=poll_interval,
            retry_delay=retry_delay,
            on_event=on_event,
            pickle_key=pickle_key,
        )
        self._settings = settings
        self._on_event = on_event
        self._native = _native.Client(
            api_key=settings.api_key,
            base_url=settings.base_url,
            timeout=settings.timeout,
            max_retries=settings.max_retries,
            requests_per_second=settings.requests_per_second,
            creates_per_second=settings.creates_per_second,
            max_concurrent_requests=settings.max_concurrent_requests,
            proxy=settings.proxy,
            ca_file=settings.ca_file,
            headers=list(settings.headers.items()),
            journal=settings.journal,
            max_job_age=settings.max_job_age,
            poll_interval=settings.poll_interval,
            retry_delay=settings.retry_delay,
        )

    # ---- polling -----------------------------------------------------------------------------

    def _get(self, job: JobInput) -> Call[VideoJob]:
        """Polls a job once: ``GET /videos/{request_id}``.

        A job that moderation refused is a failed job, with its error and usage, and no exception. For 30 s after a
        create of this client, "not found" means that the job is not visible yet.

        Args:
            job: A job, or the ``request_id`` of one.

        Returns:
            A fresh snapshot.

        Raises:
            InvalidRequest: The id is malformed, or the client is closed.
            NotFound: The service does not know the job; poll with the API key that created it.
            APIError: The service answered with another error, after retries.
            ConnectionFailed: Could not connect, after retries.
            RequestTimeout: No response in time, after retries.
            InvalidResponse: The response violates the API's contract, after retries.
        """
        return GetCall(self._native, job, event_listener(self._on_event))

    get = blocking(_get)
    get_async = awaitable(_get)

    def _watch(
        self, job: JobInput, *, timeout: float | None = None, poll_interval: float | None = None
    ) -> Stream[Iterator[VideoJob], AsyncIterator[VideoJob]]:
        """Yields a snapshot of a job at each change; the last one is terminal.

        Args:
            job: A job, or the ``request_id`` of one.
            timeout: Seconds to watch the job. Default: until it is finished.
            poll_interval: Seconds between polls. Default: paced by elapsed time, progress and the service's
                ``Retry-After``, between 1 s and 10 s.

        Yields:
            Snapshots; the last one ``is_terminal``, whether the job succeeded or failed.

        Raises:
            WaitTimeout: The job is not finished after ``timeout``, or is older than the client's ``max_job_age``.
            VidjobError: As `wait` does.
        """
        watch = self._native.watch(job, _wait_options(timeout, poll_interval))
        return WatchStream(watch, job, lambda: event_listener(self._on_event))

    watch = iterating(_watch)
    watch_async = async_iterating(_watch)

    def _wait(
        self,
        job: JobInput,
        *,
        timeout: float | None = None,
        poll_interval: float | None = None,
        on_update: UpdateCallback | None = None,
        progress: ProgressInput = None,
    ) -> Call[VideoJob]:
        """Waits until a job is done.

        Polls are paced, see `watch`: a wait can end up to 10 s after the job. A short simulated render seems slow for
        that reason; ``poll_interval=0.5`` polls every half second.

        Polls that fail are tolerated for 15 minutes: no response, an empty or malformed one, a proxy's page, or an
        error under any status. When the service itself refuses the job (not found, wrong key, not allowed, no money,
        bad request) for 60 seconds without interruption and at least three times, the wait ends with that error.

        Args:
            job: A job, or the ``request_id`` of one.
            timeout: Seconds to wait. Default: until the job is finished. A timeout does not cancel the job.
            poll_interval: Seconds between polls. Default: paced, see `watch`.
            on_update: Called with each changed snapshot, on the caller's thread. An exception ends the wait, with a
                note that names the job.
            progress: ``True`` shows a tqdm bar in a terminal or notebook, and nothing in a pipe. A callable is called
                with each event's dict; its exceptions are logged and otherwise ignored. A bar like tqdm's advances by
                100.

        Returns:
            The job, done.

        Raises:
            JobFailed: The job ended without a video.
            JobBlocked: Moderation withheld the video.
            JobExpired: The service has deleted the video.
            WaitTimeout: The job is not finished after ``timeout``, or is older than the client's ``max_job_age``.
            VidjobError: As `get` does.
        """
        options = _wait_options(timeout, poll_interval)
        observer = self._observe("wait", "wait", job=job, on_update=on_update, progress=progress)
        return WaitCall(self._native, job, options, observer)

    wait = blocking(_wait)
    wait_async = awaitable(_wait)

    # ---- creating ----------------------------------------------------------------------------

    def _generate(
        self,
        prompt: str | VideoRequest | None = None,
        *,
        image: ImageInput | None = None,
        reference_images: Sequence[ImageInput] | None = None,
        reference_audios: Sequence[Voice | str] | None = None,
        last_frame: ImageInput | None = None,
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
    ) -> Call[VideoJob]:
        """Creates a job from a prompt, an image or references. From here on it costs money.

        ``POST /videos/generations``. It is retried only when the create certainly did not start: no connection, 429,
        or a 503 that says so.

        An image can be an http(s) address or a data URI (``str``; never a path), a ``pathlib.Path``, ``bytes``, an
        open binary file, a `FileId`, a PIL image, a NumPy array (uint8, height x width x 3 or 4) or a matplotlib
        figure. Formats are JPEG, PNG and WebP, detected from content. A file given as a path is read while it is
        sent, again at each attempt.

        Args:
            prompt: What to show; at most 4096 bytes of UTF-8 (limit documented by CometAPI and xAI). Optional with
                ``image`` (documented by xAI only), references (xAI's newer guide only) or pinned frames (xAI's SDK).
                Or a complete `VideoRequest`, without further arguments.
            image: The first frame (documented by CometAPI and xAI).
            reference_images: Images of who or what is to appear (documented by xAI only). On the base model up to 7,
                with at most 10 s and without ``image``; on ``grok-imagine-video-1.5`` up to 14 (measured; xAI's
                older page says 7); on ``grok-imagine-video-1.5-lite`` none. A prompt may name images as
                ``<IMAGE_0>``, ``<IMAGE_1>`` and so on, counted over ``image``, these, ``keyframes`` and
                ``last_frame`` (xAI's own tool).
            reference_audios: Up to 3 voices, with or without images: `Voice` values, or addresses of clips of up to
                15 s; only ``grok-imagine-video-1.5`` (documented by xAI only).
            last_frame: The last frame; the same as ``image`` makes a loop; only ``grok-imagine-video-1.5``
                (documented by xAI's newer guide only).
            keyframes: Up to 4 frames between beginning and end, each in a slot of 1/3 s of its own; only
                ``grok-imagine-video-1.5`` (documented by xAI's newer guide only; the slots are measured).
            duration: Seconds, 1 to 15. Default: the service's, 8 (documented by CometAPI and xAI).
            aspect_ratio: ``1:1``, ``16:9``, ``9:16``, ``4:3``, ``3:4``, ``3:2`` or ``2:3`` (documented by CometAPI
                and xAI); ``21:9`` or ``5:2`` (xAI's newer guide only). Default: the service's, 16:9, or that of
                ``image``. xAI's newer guide says that it is ignored with ``image``.
            resolution: ``480p`` or ``720p`` (documented by CometAPI and xAI); ``1080p`` on
                ``grok-imagine-video-1.5``, without ``reference_images``, and on ``grok-imagine-video-1.5-lite``
                (documented by xAI only). Default: the service's, 480p.
            generate_audio: Whether the video has sound. Default: the service's, yes (documented by xAI's newer guide
                only).
            model: ``grok-imagine-video`` (the base model, CometAPI's default), ``grok-imagine-video-1.5`` or
                ``grok-imagine-video-1.5-lite``. Other names are sent unchanged, without the checks that apply to known
                models only.
            user: The id of your own end user, for the service.
            upload_url: Signed address to which the service uploads the file with ``PUT``; the finished job may then
                have no link (documented by CometAPI and xAI).
            storage_options: Has the service keep the file, see ``job.video.file_output`` (documented by xAI only).
            extra: Merged into the JSON body last, for fields that this version does not know.

        Returns:
            The job, just accepted.

        Raises:
            InvalidRequest: An argument is invalid; the error names it, and nothing was sent.
            SubmitUnknown: The response was lost: a job may exist and be billed. The create is never retried by itself.
            InsufficientBalance: The account has no money left.
            APIError: The service refused the request.
            ConnectionFailed: Could not connect, after retries; nothing was created.
            RequestTimeout: Could not connect in time, after retries; nothing was created.
        """
        draft = RequestDraft(
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
        return CreateCall(draft, self._observe_create, self._native.generate, self._native.generate_async)

    generate = blocking(_generate)
    generate_async = awaitable(_generate)

    def _edit(
        self,
        prompt: str | VideoRequest | VideoObject,
        video: VideoInput | None = None,
        *,
        model: str | None = None,
        user: str | None = None,
        upload_url: str | None = None,
        storage_options: StorageOptions | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Call[VideoJob]:
        """Creates a job that changes a video as the prompt says. From here on it costs money.

        ``POST /videos/edits`` (documented by CometAPI and xAI). Length, aspect ratio and resolution (at most 720p)
        follow the source. The first two arguments work in either order, ``edit(job, "…")`` or ``edit("…", job)``,
        unless the video is an address: then the prompt comes first.

        Args:
            prompt: What to change; at most 4096 bytes of UTF-8. Or a complete `VideoRequest`, without further
                arguments.
            video: An earlier ``VideoJob``, its ``request_id`` or a ``Video``, whose link is refreshed if it has
                expired; a `RenderResult`, whose file is used when its link is gone; a `Download`; an http(s) address
                or a data URI (``str``; never a path); a ``pathlib.Path``, ``bytes``, an open binary file or a
                `FileId`. MP4 with H.264, H.265 or AV1, at most 8.7 s (limits documented by xAI).
            model: Only the base model edits (documented by xAI). Default: the service's.
            user: The id of your own end user, for the service.
            upload_url: See `generate`.
            storage_options: See `generate` (documented by xAI only).
            extra: See `generate`.

        Returns:
            The job, just accepted.

        Raises:
            VideoUrlExpired: The link of the earlier video has expired, and the service gave no new one.
            VidjobError: As `generate` does.
        """
        source, words = order_video_and_prompt(prompt, video)
        draft = RequestDraft(
            "edit",
            words,
            video=source,
            model=model,
            user=user,
            upload_url=upload_url,
            storage_options=storage_options,
            extra=extra,
        )
        return CreateCall(draft, self._observe_create, self._native.edit, self._native.edit_async)

    edit = blocking(_edit)
    edit_async = awaitable(_edit)

    def _extend(
        self,
        prompt: str | VideoRequest | VideoObject,
        video: VideoInput | None = None,
        *,
        duration: int | None = None,
        model: str | None = None,
        upload_url: str | None = None,
        storage_options: StorageOptions | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Call[VideoJob]:
        """Creates a job that continues a video where it ends. From here on it costs money.

        ``POST /videos/extensions`` (documented by xAI; some gateways route it). The first two arguments work in either
        order, ``extend(job, "…")`` or ``extend("…", job)``, unless the video is an address: then the prompt comes
        first.

        Args:
            prompt: How the video continues; at most 4096 bytes of UTF-8. Or a complete `VideoRequest`, without further
                arguments.
            video: As `edit` takes it, of 2 to 30 s (xAI's OpenAPI file and SDK; its reference says 15).
            duration: Seconds of the added part, 1 to 10 (xAI's OpenAPI file and SDK; its reference says 2 to 10).
                Default: the service's, 6.
            model: Only the base model extends (documented by xAI). Default: the service's.
            upload_url: See `generate`.
            storage_options: See `generate`.
            extra: See `generate`.

        Returns:
            The job, just accepted; its video will have the source and the added part.

        Raises:
            VideoUrlExpired: The link of the earlier video has expired, and the service gave no new one.
            VidjobError: As `generate` does.
        """
        source, words = order_video_and_prompt(prompt, video)
        draft = RequestDraft(
            "extend",
            words,
            video=source,
            duration=duration,
            model=model,
            upload_url=upload_url,
            storage_options=storage_options,
            extra=extra,
        )
        return CreateCall(draft, self._observe_create, self._native.extend, self._native.extend_async)

    extend = blocking(_extend)
    extend_async = awaitable(_extend)

    # ---- saving ------------------------------------------------------------------------------

    def _download(
        self,
        job_or_video: JobInput | Video,
        path: PathInput,
        *,
        max_bytes: int = MAX_BYTES,
        overwrite: bool = False,
        progress: ProgressInput = None,
    ) -> Call[Download]:
        """Saves the file of a finished job: streamed, resumed, checked, then renamed into place.

        The key is not sent, unless the link has the API's own scheme, host and port. A link that has expired is
        refreshed by polling the job once.

        Args:
            job_or_video: A job, its ``request_id``, or a video.
            path: Path of the file. Its folder must exist.
            max_bytes: The largest file to save, in bytes. Default: 2 GiB.
            overwrite: Whether to replace an existing file.
            progress: See `wait`.

        Returns:
            The saved file: path, size, SHA-256, content type.

        Raises:
            VideoUrlExpired: The link has expired, and the service gave no new one.
            UnsafeUrl: The link is not https, or leads into a private network.
            NotAVideo: The response is not a video.
            IncompleteDownload: The file did not arrive completely, after retries.
            TooLarge: The file is larger than ``max_bytes``.
            DownloadError: The file cannot be written, exists already, or the job has no link.
            JobFailed: The job has no video.
            VidjobError: As `get` does.
        """
        from vidjob._options import DownloadOptions

        options = DownloadOptions.of(path, max_bytes, overwrite=overwrite)
        observer = self._observe("download", "download", job=job_or_video, progress=progress)
        return DownloadCall(self._native, job_or_video, options, observer)

    download = blocking(_download)
    download_async = awaitable(_download)

    def _render(
        self,
        prompt: str | VideoRequest | None,
        path: PathInput,
        *,
        image: ImageInput | None = None,
        reference_images: Sequence[ImageInput] | None = None,
        reference_audios: Sequence[Voice | str] | None = None,
        last_frame: ImageInput | None = None,
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
        on_update: UpdateCallback | None = None,
        max_bytes: int = MAX_BYTES,
        overwrite: bool = False,
        on_unknown: OnUnknown = "hold",
        progress: ProgressInput = None,
    ) -> Call[RenderResult]:
        """Creates a job, waits for it and saves its file.

        Whether the file can be written is checked before the create. Every step is recorded in the client's journal, or
        in ``.vidjob`` beside the file, so that the same call resumes an earlier one: a job that was created is waited
        for, and a file that is complete is not made again. A job that failed is submitted again; one that moderation
        blocked or whose video has expired raises its error again, as it was billed; ``overwrite=True`` submits it.

        Args:
            prompt: As `generate` takes it, with the arguments up to ``extra``. Or a complete `VideoRequest` of any
                operation, without those arguments.
            path: Path of the file. Its folder must exist.
            image: See `generate`.
            reference_images: See `generate`.
            reference_audios: See `generate`.
            last_frame: See `generate`.
            keyframes: See `generate`.
            duration: See `generate`.
            aspect_ratio: See `generate`.
            resolution: See `generate`.
            generate_audio: See `generate`.
            model: See `generate`.
            user: See `generate`.
            storage_options: See `generate`.
            extra: See `generate`.
            timeout: Seconds to wait for the job, see `wait`.
            poll_interval: See `wait`.
            on_update: See `wait`.
            max_bytes: See `download`.
            overwrite: Whether to replace an existing file, also one that an earlier call has finished.
            on_unknown: What to do when the response of an earlier create for the same request was lost: ``"hold"``
                raises ``SubmitUnknown``, ``"resubmit"`` buys it, perhaps for the second time.
            progress: See `wait`.

        Returns:
            The job, and the path, size and SHA-256 of its file.

        Raises:
            VidjobError: As `generate`, `wait` and `download` do. Once the job is accepted, every exception carries its
                ``request_id``.
        """
        from vidjob._options import ON_UNKNOWN, DownloadOptions

        check_word("on_unknown", on_unknown, ON_UNKNOWN)
        draft = RequestDraft(
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
        wait = _wait_options(timeout, poll_interval)
        save = DownloadOptions.of(path, max_bytes, overwrite=overwrite)
        check_render_path(prompt, path)

        def observe(request: VideoRequest) -> CallObserver:
            return self._observe("submit", "download", request=request, on_update=on_update, progress=progress)

        return RenderCall(self._native, draft, wait, save, on_unknown, observe)

    render = blocking(_render)
    render_async = awaitable(_render)

    # ---- many --------------------------------------------------------------------------------

    @method
    def render_many(
        self,
        requests: RequestsInput,
        folder: PathInput,
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
        input_root: PathInput | None = None,
        columns: Iterable[str] = (),
        timeout: float | None = None,
        poll_interval: float | None = None,
        max_bytes: int = MAX_BYTES,
        progress: ProgressInput = None,
    ) -> Batch:
        """Renders many videos and yields results as they finish. Run the same call again to resume.

        Every create is recorded in ``<folder>/.vidjob`` before it is sent, so that nothing is lost or bought twice:
        the same call again skips what is done, waits for what was bought, and buys the rest. A failed item is a result
        with its error; it never stops the others. 401, 402 and 403 stop the buying at once; jobs already bought are
        still saved.

        A list, a table or a file is checked completely before anything is bought; any other iterable, also an
        endless one, is pulled as there is room. Rows are flat (``id``, ``prompt``, ``duration`` and the other fields
        of `VideoRequest`) or in xAI's batch form (``custom_id``, ``url``, ``body``); other columns are passed on to
        ``metadata.jsonl``, and one that looks like a misspelt field is refused. Each row of a list, table or file ends
        in one result. The same request twice is rendered once, with a warning: give ids to variations.

        The folder gets ``videos/{id}.mp4``, ``metadata.jsonl`` (as ``datasets.load_dataset("videofolder")`` reads it),
        ``errors.jsonl`` and ``summary.json``.

        Args:
            requests: Prompts, requests or rows; the path of a JSONL, CSV or Parquet file (the latter with pyarrow); or
                a table with an Arrow C stream (pandas, polars, pyarrow, Hugging Face datasets).
            folder: Folder for videos and outputs. It is made if it does not exist.
            concurrency: Renders under way at once.
            max_downloads: Downloads at once.
            max_cost_usd: Limit for the cost in this folder, including earlier runs and creates without a response: an
                estimate is reserved before each create and settled with the cost that the service reports. Items are
                submitted in the order of their rows; the first that would exceed the limit and all that follow it end
                as ``NotSubmitted``, and an endless input is not read any further.
            max_jobs: Limit for the jobs that this call buys; what is beyond it ends in the same way.
            deadline: Seconds after which buying and waiting stop.
            on_existing: ``"resume"`` continues with what exists, ``"overwrite"`` makes finished items again and
                replaces files, ``"error"`` refuses items that the journal or the disk has. A file is never adopted by
                its name.
            on_unknown: What to do about creates whose response was lost: ``"hold"`` reports them, ``"resubmit"`` buys
                them, perhaps for the second time.
            retry_failed: Whether to buy items again that failed in an earlier run; never those that moderation blocked.
            verify: Whether to hash saved files again, and not only compare their sizes.
            prices: Prices in USD that override the known ones:
                ``{model: {"per_second": {"480p": 0.05}, "per_image": 0.002}}``.
            filename: Template of paths below ``folder``; fields are ``id``, ``index``, ``prompt``, ``model`` and the
                rows' columns, each made safe as one component of a path.
            input_root: Folder that paths in rows are relative to, and must stay inside: ``{"path": ...}``, or the text
                of an image or video column. Without it, rows cannot name files.
            columns: Names of columns that are no fields, although they look like misspelt ones.
            timeout: Seconds to wait for one job, see `wait`.
            poll_interval: See `wait`.
            max_bytes: See `download`.
            progress: ``True`` shows tqdm bars in a terminal or notebook, and nothing in a pipe. A callable is called
                with each event's dict, which has the item's ``id``. A bar like tqdm's advances by 1 for each item.

        Returns:
            An iterator of results in the order in which they finish, which is also a context manager.

        Raises:
            InvalidRequest: An argument or a row is wrong, an id stands for two requests, or two items would have the
                same file; nothing was bought.
            AlreadyRunning: Another run is at work in this folder.
            JournalError: The journal cannot be read or written.
        """
        from vidjob._batch.assembly import Assembly
        from vidjob._batch.rows import read, row_rules
        from vidjob._options import BatchOptions

        rules = row_rules(input_root, columns)
        table = read(requests, rules.passed)
        options = BatchOptions(
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
            is_finite=table.is_finite,
        )
        assembly = Assembly(self._native, options, self._on_event, progress)
        return BatchStream(assembly.of_orders(table, folder, filename, rules)).open()

    @method
    def render_many_async(
        self,
        requests: RequestsInput | AsyncIterable[RequestInput],
        folder: PathInput,
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
        input_root: PathInput | None = None,
        columns: Iterable[str] = (),
        timeout: float | None = None,
        poll_interval: float | None = None,
        max_bytes: int = MAX_BYTES,
        progress: ProgressInput = None,
    ) -> AsyncBatch:
        """Async version of `render_many`, for ``async for``. It takes async iterables as well."""
        from vidjob._batch.assembly import Assembly
        from vidjob._batch.rows import read_async, row_rules
        from vidjob._options import BatchOptions

        rules = row_rules(input_root, columns)
        table = read_async(requests, rules.passed)
        options = BatchOptions(
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
            is_finite=table.is_finite,
        )
        assembly = Assembly(self._native, options, self._on_event, progress)
        return BatchStream(assembly.of_orders(table, folder, filename, rules)).open_async()

    # ---- journals ----------------------------------------------------------------------------

    def _jobs(self, folder: PathInput | None = None) -> Call[list[JobRecord]]:
        """Lists the jobs of a journal. Nothing is sent.

        Args:
            folder: The folder of a batch or of renders. Default: this client's ``journal``.

        Returns:
            One record for each item, in the order in which the journal first names them.

        Raises:
            ConfigurationError: The client has no journal, and no folder was given.
            InvalidRequest: The folder does not exist, or has no journal.
            JournalError: The journal cannot be read.
        """
        return JobsCall(self._journal_folder(folder))

    jobs = blocking(_jobs)
    jobs_async = awaitable(_jobs)

    def _resume(
        self,
        folder: PathInput | None = None,
        *,
        max_downloads: int = 16,
        deadline: float | None = None,
        timeout: float | None = None,
        poll_interval: float | None = None,
        max_bytes: int = MAX_BYTES,
        progress: ProgressInput = None,
    ) -> Stream[Batch, AsyncBatch]:
        """Finishes the jobs of a journal: waits for all that were bought, and saves their files. Buys nothing.

        A job without a path for its file is saved as ``videos/{request_id}.mp4`` below the journal.

        Args:
            folder: The folder of a batch or of renders. Default: this client's ``journal``.
            max_downloads: Downloads at once.
            deadline: Seconds after which waiting stops.
            timeout: Seconds to wait for one job, see `wait`.
            poll_interval: See `wait`.
            max_bytes: See `download`.
            progress: See `render_many`.

        Returns:
            An iterator of results in the order in which they finish.

        Raises:
            ConfigurationError: The client has no journal, and no folder was given.
            InvalidRequest: The folder does not exist, or has no journal.
            AlreadyRunning: Another run is at work there.
            JournalError: The journal cannot be read or written.
        """
        from vidjob._batch.assembly import Assembly
        from vidjob._options import BatchOptions

        options = BatchOptions(max_downloads, deadline, timeout, poll_interval, max_bytes)
        assembly = Assembly(self._native, options, self._on_event, progress)
        return BatchStream(assembly.of_journal(self._journal_folder(folder)))

    resume = iterating(_resume)
    resume_async = async_iterating(_resume)

    def _journal_folder(self, folder: PathInput | None) -> Path:
        from pathlib import Path

        from vidjob._journal import existing_journal

        path = optional_path("folder", folder)
        if path is not None:
            return existing_journal(path)
        if self._settings.journal is None:
            raise ConfigurationError("no journal is set; pass a folder, or set VideoClient(journal=...)")
        return Path(self._settings.journal)

    # ---- observing ---------------------------------------------------------------------------

    def _observe(
        self,
        phase: str,
        last: str,
        *,
        request: VideoRequest | None = None,
        job: JobInput | Video | None = None,
        on_update: UpdateCallback | None = None,
        progress: ProgressInput = None,
    ) -> CallObserver:
        """Returns the observer of one call, whose phases lead from ``phase`` to ``last``."""
        check_callback("on_update", on_update)
        shown, display = as_progress(progress), None
        if shown is not None:
            from vidjob._progress.bars import display_for_call

            display = display_for_call(shown)
        spans = self._spans(phase, last, request, job)
        return CallObserver(job, self._on_event, on_update=on_update, display=display, spans=spans)

    def _observe_create(self, request: VideoRequest) -> CallObserver:
        return self._observe("submit", "submit", request=request)

    def _spans(
        self, phase: str, last: str, request: VideoRequest | None, job: JobInput | Video | None
    ) -> CallSpans | None:
        from vidjob import _tracing

        tracer = _tracing.tracer()
        if tracer is None:
            return None
        request_id = job if isinstance(job, str) else getattr(job, "request_id", None)
        return _tracing.CallSpans(tracer, self._native.host, phase, last, request, request_id)

    # ---- lifetime ----------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """The base of ``/videos/...``."""
        return self._native.base_url

    def close(self) -> None:
        """Closes the client; calls in flight run to their end. Closing twice is fine."""
        self._native.close()

    async def aclose(self) -> None:
        """Async version of `close`. It never blocks."""
        self._native.close()

    @resolvable
    def __enter__(self) -> Self:
        return self

    @resolvable
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @resolvable
    async def __aenter__(self) -> Self:
        return self

    @resolvable
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        # A debugger also shows a client whose constructor raised.
        if not hasattr(self, "_native"):
            return "VideoClient(not set up)"
        state = ", closed" if self._native.closed else ""
        return f"VideoClient(base_url={self.base_url!r}{state})"

    def __copy__(self) -> Self:
        """Returns another client with the same key and settings, which shares connections and limits with this one."""
        copied = type(self).__new__(type(self))
        state = {"_settings": self._settings, "_on_event": self._on_event, "_native": self._native.copy()}
        for name, value in {**getattr(self, "__dict__", {}), **state}.items():
            setattr(copied, name, value)
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()

    def _disable(self, settings: ClientSettings, fault: str) -> None:
        """Makes every call raise ``ConfigurationError`` with a message."""
        self._settings, self._native = settings, self._native.barred(fault)

    def __reduce__(self) -> tuple[Callable[[ClientSettings], VideoClient], tuple[ClientSettings]]:
        from vidjob._secrets import without_secrets

        return _restore, (without_secrets(self._settings, self.base_url),)


def _wait_options(timeout: float | None, poll_interval: float | None) -> WaitOptions:
    from vidjob._options import WaitOptions

    return WaitOptions(timeout, poll_interval)


def _restore(settings: ClientSettings) -> VideoClient:
    """Returns the client of a pickle."""
    from vidjob._secrets import arguments_of, missing_secrets

    fault = missing_secrets(settings)
    # Another key, such as one of the environment, may belong to somebody else.
    if "api_key" in settings.withheld:
        raise ConfigurationError(fault)
    client = VideoClient(**arguments_of(settings))
    if settings.withheld:
        client._disable(settings, fault)  # noqa: SLF001 - a part of this module
    return client
