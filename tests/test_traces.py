"""What a collector of OpenTelemetry gets of a call: its steps, and nothing of what was keyed."""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ivr.config import load
from ivr.operator_files import StartError
from ivr.parts import tracer_of
from tests.running import running_server, write_config
from tests.softphone import Softphone

Prepared = Callable[[Path], None]


class Collector:
    """Takes traces by OTLP over HTTP on 127.0.0.1. `bodies`: as they came."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}/v1/traces"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def spans(self) -> dict[str, Span]:
        """What came, by name."""
        return {
            span.name: span
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@pytest.mark.socket
async def test_a_call_is_a_span_with_its_steps_and_none_where_keys_are_awaited(
    prepared: Prepared, tmp_path: Path, collector: Collector
) -> None:
    prepared(tmp_path)
    async with running_server(tmp_path, {"traces.endpoint": collector.endpoint}) as server:
        async with Softphone(server.uri("0810257510")) as phone:
            await phone.answered()
            await phone.keys("01234564821#")
            await phone.event("sound")
            await asyncio.sleep(1)
            await phone.hang_up()
        record = await server.record_number(1)
    spans = collector.spans()  # the end of the server sends what was left
    call = spans["call"]
    facts = {each.key: each.value.string_value for each in call.attributes}
    assert facts["call_id"] == record["call_id"]
    assert facts["trunk"] == "private"
    assert (facts["end_class"], facts["end_reason"]) == ("caller", "hung_up")
    assert facts["authenticated"] == "pin"
    assert {"answer", "welcome", "authenticate"} <= spans.keys()
    for name in ("ask_matricule", "ask_secret", "services"):
        assert name not in spans
    within = [span for name, span in spans.items() if name != "call"]
    assert all(span.parent_span_id == call.span_id for span in within)
    for keyed in (b"0123456", b"4821"):
        assert keyed not in b"".join(collector.bodies)


@pytest.mark.socket
async def test_a_collector_that_is_not_there_keeps_no_call_and_no_end_waiting(
    prepared: Prepared, tmp_path: Path
) -> None:
    prepared(tmp_path)
    nobody = "http://127.0.0.1:9/v1/traces"
    async with running_server(tmp_path, {"traces.endpoint": nobody}) as server:
        async with Softphone(server.uri("0810257510")) as phone:
            await phone.answered()
            await phone.hang_up()
        assert (await server.record_number(1))["end_reason"] == "hung_up"
        server.process.terminate()
        await asyncio.wait_for(server.process.wait(), 20)


def test_without_the_extra_the_operator_is_told_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load(write_config(tmp_path, {"traces.endpoint": "http://127.0.0.1:4318/v1/traces"}))
    for module in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delitem(sys.modules, "ivr.opentelemetry", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    with pytest.raises(StartError, match="the extra `traces`"):
        tracer_of(config)
