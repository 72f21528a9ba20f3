"""Traces sent to a collector by OTLP over HTTP (extra `traces`), by a thread of their own."""

import logging

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from ivr.records import CallRecord, EndReason
from ivr.traces import CallTrace

log = structlog.get_logger(__name__)

_OUR_FAULTS = frozenset({EndReason.FAILED, EndReason.MEDIA_LOST, EndReason.NO_MEDIA})


class _Told(logging.Handler):
    """Has what the library has to say stand among our own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        log.warning("traces", why=record.getMessage())


class OtlpTracer:
    """Implements `traces.Tracer`. `endpoint`: of the collector, such as
    http://127.0.0.1:4318/v1/traces; `share`: of all calls, from 0 to 1. What the collector wants in
    headers stands in OTEL_EXPORTER_OTLP_HEADERS."""

    def __init__(self, endpoint: str, share: float) -> None:
        theirs = logging.getLogger("opentelemetry")
        theirs.handlers, theirs.propagate = [_Told()], False
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "voice-server"}),
            sampler=TraceIdRatioBased(share),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(endpoint=endpoint)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("ivr")

    def call(self, record: CallRecord, *, trunk: str, dialplan: str) -> CallTrace:
        return _OtlpCallTrace(self._tracer, record, trunk, dialplan)

    def close(self) -> None:
        self._provider.shutdown()


class _OtlpCallTrace:
    def __init__(self, tracer: Tracer, record: CallRecord, trunk: str, dialplan: str) -> None:
        self._tracer = tracer
        self._call = tracer.start_span(
            "call",
            Context(),
            SpanKind.SERVER,
            {
                "call_id": record.call_id,
                "line": record.line,
                "trunk": trunk,
                "dialplan": dialplan,
                "version": record.version or "",
            },
        )
        self._within = set_span_in_context(self._call, Context())
        self._step: Span | None = tracer.start_span("answer", self._within)

    def answered(self) -> None:
        self._end_step()

    def entered(self, node: str, *, waits: bool) -> None:
        self._end_step()
        self._step = None if waits else self._tracer.start_span(node, self._within)

    def ended(self, record: CallRecord) -> None:
        self._end_step()
        reason = record.end_reason or EndReason.FAILED
        self._call.set_attribute("end_class", reason.end_class)
        self._call.set_attribute("end_reason", reason)
        self._call.set_attribute("authenticated", record.authenticated or "no")
        if record.rtp:
            self._call.set_attribute("mos", record.rtp["mos"])
        if reason in _OUR_FAULTS:
            self._call.set_status(Status(StatusCode.ERROR))
        self._call.end()

    def _end_step(self) -> None:
        if self._step is not None:
            self._step.end()
        self._step = None
