"""Serves the status: the document as JSON, the page, and the files that the page is made of."""

from functools import partial

from aiohttp import web

from hedged.status.board import Board


def routes(board: Board) -> list[web.RouteDef]:
    """Return what to serve."""
    document = partial(_document, board)
    return [web.get("/api/status", document), web.get("/status.json", document)]


async def _document(board: Board, _: web.Request) -> web.Response:
    told = await board.status()
    return web.Response(body=told.model_dump_json().encode(), content_type="application/json")
