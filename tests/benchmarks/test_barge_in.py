"""A key stops the prompt, seen from a caller's socket."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import barge_in
from benchmarks.processes import Processes
from benchmarks.targets import Target
from ivr.media.stream import Way
from tests.running import running_server

pytestmark = pytest.mark.socket


async def test_a_key_stops_what_plays_by_each_way(
    prepared: Callable[[Path], None], tmp_path: Path
) -> None:
    prepared(tmp_path)
    async with running_server(tmp_path, barge_in.lay_out(tmp_path)) as server:
        target = Target(("127.0.0.1", server.port), "0810257510", Processes({}))
        for way in (Way.RFC4733, Way.INBAND):
            figures = await asyncio.to_thread(barge_in.key_over, target, way, 2, 6.0)
            assert figures.calls == 2
            assert figures.keys >= 3
            assert figures.unanswered == 0
            assert 0 < figures.p50_ms <= figures.max_ms
        records = [await server.record_number(number) for number in range(1, 5)]
    assert [record["dtmf"] for record in records] == 2 * [["rfc4733"]] + 2 * [["inband"]]
    assert all(record["prompts"].count("ask_matricule") >= 3 for record in records)
