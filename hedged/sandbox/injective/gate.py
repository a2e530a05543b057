"""Where faults reach the wire: an interceptor in front of every gRPC service."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import grpc

from hedged.sandbox.injective.faults import Faults

POLL_S = 0.02


async def refuse(context: Any, status: grpc.StatusCode, text: str) -> NoReturn:
    """End a call with an error, as `abort` does; typed so that what follows may rely on it."""
    await context.abort(status, text)
    raise AssertionError("abort raises")


class FaultGate(grpc.aio.ServerInterceptor):
    """Lets requests of one server wait, fail or pass, as the switches say. Streams: only when they open."""

    def __init__(self, faults: Faults, service: str) -> None:
        self._faults, self._service = faults, service

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Wrap the handler of a call."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(handler.unary_unary), handler.request_deserializer, handler.response_serializer
            )
        return grpc.unary_stream_rpc_method_handler(
            self._stream(handler.unary_stream), handler.request_deserializer, handler.response_serializer
        )

    def _unary(self, behaviour: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(request: Any, context: Any) -> Any:
            while self._faults.silent_rpc:  # noqa: ASYNC110  the switch is a plain value
                await asyncio.sleep(POLL_S)
            await self._refuse(context)
            return await behaviour(request, context)

        return call

    def _stream(self, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        async def call(request: Any, context: Any) -> Any:
            if self._faults.stream_refused:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "no healthy upstream")
            await self._refuse(context)
            async for item in behaviour(request, context):
                yield item

        return call

    async def _refuse(self, context: Any) -> None:
        if self._faults.unavailable or (self._faults.indexer_down and self._service == "indexer"):
            await context.abort(grpc.StatusCode.UNAVAILABLE, "upstream connect error: HTTP status code 503")
        if self._faults.rate_limited:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "HTTP status code 429")
