"""The same jobs over gRPC, as xai-sdk asks for them: with the definitions that it brings. A process of its own."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
from xai_sdk.proto import deferred_pb2, video_pb2, video_pb2_grpc


class Stub(video_pb2_grpc.VideoServicer):  # type: ignore[misc]
    """Takes the prompt for the job's id, which says when it ends."""

    count = 0

    async def GenerateVideo(self, request: Any, _context: Any) -> Any:  # noqa: N802 - named by the service
        return deferred_pb2.StartDeferredResponse(request_id=request.prompt)

    async def GetDeferredVideo(self, request: Any, _context: Any) -> Any:  # noqa: N802 - named by the service
        if request.request_id == "count":
            count, Stub.count = Stub.count, 0
            return video_pb2.GetDeferredVideoResponse(
                status=deferred_pb2.DONE, response=video_pb2.VideoResponse(model=str(count))
            )
        Stub.count += 1
        if time.time() < float(request.request_id.split("-")[1]) / 1e3:
            return video_pb2.GetDeferredVideoResponse(status=deferred_pb2.PENDING)
        video = video_pb2.GeneratedVideo(url="https://vidgen.x.ai/a.mp4", duration=1, respect_moderation=True)
        response = video_pb2.VideoResponse(video=video, model="grok-imagine-video")
        return video_pb2.GetDeferredVideoResponse(status=deferred_pb2.DONE, response=response)


async def serve() -> None:
    """Serves until it is killed; prints the port."""
    server = grpc.aio.server()
    video_pb2_grpc.add_VideoServicer_to_server(Stub(), server)
    port = server.add_secure_port("localhost:0", grpc.local_server_credentials())
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


asyncio.run(serve())
