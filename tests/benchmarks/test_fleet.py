"""The benchmark's callers ring the real server."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from auth_core.demo import DEMO_FILES
from benchmarks import calls
from benchmarks.calls import Load
from benchmarks.processes import Processes, with_children
from benchmarks.targets import Login, Target
from tests.running import running_server

pytestmark = pytest.mark.socket


async def test_callers_are_heard_and_the_answer_to_their_secret_is_timed(
    prepared: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An answer is timed where nothing plays: the question must have begun, on a busy machine too.
    monkeypatch.setattr(calls, "LISTENS", 2.0)
    monkeypatch.setattr(calls, "LAST_LOGIN", 8.0)
    holder = DEMO_FILES[1]
    prepared(tmp_path)
    async with running_server(tmp_path) as server:
        pid: int = server.ready["pid"]
        assert with_children(pid) == [pid, *server.ready["media_workers"]]
        target = Target(
            ("127.0.0.1", server.port),
            "0810257510",
            Processes({"server": with_children(pid)}),
            (Login(holder.matricule, holder.secret),),
            own=server,
        )
        load = Load(calls=3, rate=50.0, seconds=12.0, logins=0.25)
        run = await asyncio.to_thread(calls.hold, target, load)
        figures = run.figures
        assert (figures.calls, figures.failed, figures.hung_up_by_server) == (3, 0, 0)
        assert figures.received > 3 * 200
        assert (figures.lost, figures.lost_to_server) == (0, 0)
        assert figures.logins == 1
        assert figures.verdict_p95_ms > 0
        assert figures.cpu_ms > 0
        assert [record["authenticated"] for record in server.records()].count("password") == 1
