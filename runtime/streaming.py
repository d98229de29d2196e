"""Answers that are made while they are sent."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from runtime.observation import Request


async def while_connected(req: Request, chunks: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """Pass chunks on until the client has gone, then close where they come from.

    To a server what is sent to a client who has gone is no error, so an endless answer would be made to its end. A slow
    client needs no care: the server takes the next chunk when it has room for it.
    """
    gone = asyncio.create_task(req.disconnected())
    try:
        async for chunk in chunks:
            if gone.done():
                break
            yield chunk
    finally:
        gone.cancel()
        await chunks.aclose()
