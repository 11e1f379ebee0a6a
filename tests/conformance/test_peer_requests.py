"""What we send, compared with what `@ai-sdk/xai` and `xai-sdk` send for the same call.

Neither of them can say `upload_url`, and neither leaves the model out.
"""

from __future__ import annotations

import base64
import importlib
import json
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from peer_calls import AI_SDK, CALLS, SIZES, XAI_SDK, Call, Words, merge, same, translated
from vidjob import FileId, Keyframe, Simulator, StorageOptions, VideoRequest, Voice

PEERS = Path(__file__).parent.parent / "peers"


class Sent(NamedTuple):
    """Where a request went, and its body."""

    path: str
    body: dict[str, Any]

    def __str__(self) -> str:
        """All of it as lines: they tell ``1`` from ``1.0`` and from ``true``, which equality does not."""
        return f"POST {self.path}\n{json.dumps(self.body, indent=1, sort_keys=True)}"


def calls_of(peer: str) -> list[Call]:
    return [call for call in CALLS if peer in call.peers]


def cases_of(peer: str) -> list[Any]:
    def marks(call: Call) -> tuple[pytest.MarkDecorator, ...]:
        return (pytest.mark.xfail(reason=call.differs, raises=AssertionError),) if call.differs else ()

    return [pytest.param(call, id=call.name, marks=marks(call)) for call in calls_of(peer)]


OUR_WORDS: dict[str, Words] = {
    **{name: same(name) for name in signature(VideoRequest).parameters},
    "keyframes": lambda frames: {"keyframes": [Keyframe(*frame) for frame in frames]},
}


def ours(call: Call) -> Sent:
    with Simulator("xai") as simulator, simulator.client() as client:
        getattr(client, call.verb)(**translated(call, OUR_WORDS))
        [request], [entry] = simulator.requests, simulator.accepted
    return Sent(request["path"], entry["body"])


# ---- @ai-sdk/xai -------------------------------------------------------------------------------


def provider(**options: Any) -> dict[str, Any]:
    return {"providerOptions": {"xai": options}}


def content(media: str | bytes) -> str | dict[str, str]:
    return {"base64": base64.b64encode(media).decode()} if isinstance(media, bytes) else media


def ai_sdk_audios(audios: Iterable[Voice | str]) -> dict[str, Any]:
    clips = [{"data": audio, "mediaType": "audio/wav"} for audio in audios if isinstance(audio, str)]
    voices = [audio.voice_id for audio in audios if isinstance(audio, Voice)]
    return {"inputReferences": clips, **provider(referenceVoiceIds=voices)}


def ai_sdk_storage(options: StorageOptions) -> dict[str, Any]:
    told: dict[str, Any] = {"filename": options.filename}
    if options.expires_after:
        told["expiresAfter"] = options.expires_after
    if options.public_url:
        told["publicUrl"] = True
    if options.public_url_expires_after:
        told["publicUrl"] = {"expiresAfter": options.public_url_expires_after}
    return provider(storageOptions=told)


AI_SDK_WORDS: dict[str, Words] = {
    "prompt": lambda prompt: {"prompt": {"text": prompt}},
    "image": lambda image: {"prompt": {"image": content(image)}},
    "model": same("model"),
    "duration": same("duration"),
    "aspect_ratio": same("aspectRatio"),
    "resolution": lambda resolution: {"resolution": SIZES[resolution]},
    "generate_audio": same("generateAudio"),
    "reference_images": lambda images: {"inputReferences": [content(image) for image in images]},
    "reference_audios": ai_sdk_audios,
    "last_frame": lambda image: {"frameImages": [{"image": content(image), "frameType": "last_frame"}]},
    "keyframes": lambda frames: provider(
        keyframes=[{"imageUrl": frame.image, "timestampSeconds": frame.timestamp} for frame in frames]
    ),
    "video": lambda video: provider(videoUrl=video),
    "storage_options": ai_sdk_storage,
    "user": lambda user: provider(user=user),
}


def for_ai_sdk(call: Call) -> dict[str, Any]:
    options = translated(call, AI_SDK_WORDS)
    if call.verb != "generate":
        merge(options, provider(mode=f"{call.verb}-video"))
    return options


@pytest.fixture(scope="module")
def ai_sdk() -> dict[str, Any]:
    """What the AI SDK tells of each call: all are made by one process."""
    if shutil.which("node") is None or not (PEERS / "node_modules").is_dir():
        pytest.skip("@ai-sdk/xai is not installed: npm ci --prefix tests/peers")
    done = subprocess.run(
        ["node", "requests.mjs"],
        cwd=PEERS,
        input=json.dumps({call.name: for_ai_sdk(call) for call in calls_of(AI_SDK)}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("call", cases_of(AI_SDK))
def test_we_send_what_the_ai_sdk_sends(ai_sdk: dict[str, Any], call: Call) -> None:
    told = ai_sdk[call.name]
    if told["warnings"]:
        pytest.fail(f"the AI SDK cannot say this: {told['warnings']}")
    [request] = told["requests"]
    assert str(ours(call)) == str(Sent(request["path"], request["body"]))


# ---- xai-sdk -----------------------------------------------------------------------------------


def named(name: str) -> Words:
    """For media: the SDK has one argument for addresses and data, and another for ids."""
    return lambda media: {f"{name}_file_id": media.file_id} if isinstance(media, FileId) else {f"{name}_url": media}


def xai_sdk_references(images: Iterable[str | FileId]) -> dict[str, Any]:
    """The SDK puts ids before addresses."""
    ids = [image.file_id for image in images if isinstance(image, FileId)]
    addresses = [image for image in images if isinstance(image, str)]
    return {"reference_image_file_ids": ids, "reference_image_urls": addresses}


def xai_sdk_storage(options: StorageOptions) -> dict[str, Any]:
    told: dict[str, Any] = {"filename": options.filename}
    if options.expires_after:
        told["expires_after"] = options.expires_after
    if options.public_url:
        told["public_url"] = True
    if options.public_url_expires_after:
        told["public_url"] = {"expires_after": options.public_url_expires_after}
    return {"storage_options": told}


XAI_SDK_WORDS: dict[str, Words] = {
    **{name: same(name) for name in ("prompt", "model", "duration", "aspect_ratio", "resolution", "generate_audio")},
    **{name: named(name) for name in ("image", "last_frame", "video")},
    "reference_images": xai_sdk_references,
    "reference_audios": lambda voices: {"reference_audios": [{"voice_id": voice.voice_id} for voice in voices]},
    "keyframes": lambda frames: {
        "keyframes": [{**named("image")(frame.image), "timestamp": frame.timestamp} for frame in frames]
    },
    "storage_options": xai_sdk_storage,
}


class Channel:
    """Stands where gRPC's channel does, and keeps what would leave the process."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []

    def unary_unary(self, method: str, request_serializer: Callable[[Any], bytes], **_options: Any) -> Any:
        return lambda request: self.sent.append((method, request_serializer(request)))


class XaiSdk:
    """The installed xai-sdk. It is imported by name: types and lints do not depend on whether it is there."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            # What it and its dependencies import, and how, is theirs.
            warnings.simplefilter("ignore")
            self._video = pytest.importorskip("xai_sdk.sync.video", reason="needs pip install --group conformance")
            self._pb = importlib.import_module("xai_sdk.proto").video_pb2
            self._to_dict = importlib.import_module("google.protobuf.json_format").MessageToDict

    def creates(self) -> dict[str, Any]:
        """The methods that start a job, and the messages that they take."""
        methods = self._pb.DESCRIPTOR.services_by_name["Video"].methods
        return {
            method.name: method.input_type for method in methods if method.output_type.name == "StartDeferredResponse"
        }

    def sent(self, call: Call) -> tuple[str, dict[str, Any]]:
        """The method and the message that it sends for a call."""
        channel = Channel()
        client = self._video.Client(channel)
        start = client.extend_start if call.verb == "extend" else client.start
        # A prompt is not left out, but empty, which is the same in protobuf.
        start(**{"prompt": "", **translated(call, XAI_SDK_WORDS)})
        [(path, message)] = channel.sent
        method = path.removeprefix("/xai_api.Video/")
        kind = getattr(self._pb, self.creates()[method].name)
        return method, self._to_dict(kind.FromString(message), preserving_proto_field_name=True)


@pytest.fixture(scope="module")
def xai_sdk() -> XaiSdk:
    return XaiSdk()


#: What protobuf and JSON render differently, by field.
RENDERED: dict[str, Callable[[Any], Any]] = {
    # Enums have long names in protobuf; JSON has the words that the SDK's own arguments have.
    "aspect_ratio": lambda name: name.removeprefix("VIDEO_ASPECT_RATIO_").replace("_", ":"),
    "resolution": lambda name: name.removeprefix("VIDEO_RESOLUTION_").lower(),
    # The JSON of protobuf has 64-bit numbers as strings; the service's REST reference has numbers.
    "expires_after": int,
    # A message without fields is the only plain yes that protobuf has here; REST documents `true`.
    "public_url": lambda options: options or True,
}
#: An image is a message that is shared with chat, where the field is called so; REST documents `url`, as for videos.
RENAMED = {"image_url": "url"}
#: The SDK says DETAIL_AUTO of each image and lets nobody say anything else; REST documents no such field here.
LEFT_OUT = {"detail"}


def as_it_is(value: Any) -> Any:
    return value


def rendered(value: Any) -> Any:
    """What REST's JSON says in place of the JSON of protobuf."""
    if isinstance(value, list):
        return [rendered(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        RENAMED.get(name, name): RENDERED.get(name, as_it_is)(rendered(field))
        for name, field in value.items()
        if name not in LEFT_OUT
    }


def path_of(method: str, body: dict[str, Any]) -> str:
    """The path for a method. To edit is to generate with a video there; REST has a path of its own."""
    if method == "ExtendVideo":
        return "/v1/videos/extensions"
    assert method == "GenerateVideo"
    return "/v1/videos/edits" if "video" in body else "/v1/videos/generations"


@pytest.mark.parametrize("call", cases_of(XAI_SDK))
def test_we_send_what_xai_sdk_sends(xai_sdk: XaiSdk, call: Call) -> None:
    method, message = xai_sdk.sent(call)
    body = rendered(message)
    assert str(ours(call)) == str(Sent(path_of(method, body), body))


# ---- what is compared --------------------------------------------------------------------------


def fields_of(value: Any, prefix: str) -> Iterator[str]:
    """The fields that are set in a message, and in the messages within it."""
    if isinstance(value, dict):
        for name, field in value.items():
            yield f"{prefix}.{name}"
            yield from fields_of(field, f"{prefix}.{name}")
    if isinstance(value, list):
        for item in value:
            yield from fields_of(item, prefix)


def fields_in(kind: Any, prefix: str) -> Iterator[str]:
    """The fields that a message can have, and those of the messages within it."""
    for field in kind.fields:
        yield f"{prefix}.{field.name}"
        if field.message_type is not None:
            yield from fields_in(field.message_type, f"{prefix}.{field.name}")


def test_all_that_xai_sdk_can_say_is_compared(xai_sdk: XaiSdk) -> None:
    sayable = {field for method, kind in xai_sdk.creates().items() for field in fields_in(kind, method)}
    sent = [xai_sdk.sent(call) for call in calls_of(XAI_SDK)]
    assert sayable == {field for method, message in sent for field in fields_of(message, method)}


def test_all_that_we_can_say_is_compared() -> None:
    compared = set().union(*(call.arguments for call in CALLS))
    assert set(signature(VideoRequest).parameters) - compared == {"operation", "upload_url", "extra"}
