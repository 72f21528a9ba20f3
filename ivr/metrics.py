"""What is counted, for Prometheus, at `/metrics` of the console's address.

Nothing is counted twice: a scrape reads the server's own figures. Labels come from fixed
vocabularies, from the configuration and from the dialplans, never from a peer.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from auth_core.delivery.queue import Backlog
from auth_core.delivery.worker import Report
from auth_core.hash_pool import WAIT_BOUNDS, HashFigures
from auth_core.tally import AuthTally, Throttle
from ivr.dialplan.phone import TransferOutcome
from ivr.histogram import Histogram
from ivr.media.session import LATENESS_BOUNDS
from ivr.records import EndReason
from ivr.sip.measures import Measures
from ivr.sound_watch import Workload
from ivr.tally import Tally

LabelsT = TypeVar("LabelsT", bound=str | tuple[str, ...])


@dataclass(frozen=True, slots=True)
class DeliveryFigures:
    """The outbox after the last look at it; what this process delivered, and its alarms."""

    backlog: Sequence[Backlog]
    totals: Report
    alarms: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Figures:
    """The server just now; counts are since its start, by name."""

    requests: Mapping[str, int]
    dropped: Mapping[str, int]
    refused: Mapping[EndReason, int]
    trunk_calls: Mapping[str, int]
    registrations: Mapping[str, int]
    srtp_dropped: Mapping[str, int]
    calls: int
    dialogs: int
    server_transactions: int
    client_transactions: int
    late_ticks: int
    ready: bool
    draining: bool
    sound_late: bool
    workers: Sequence[Workload]
    sip: Measures
    tally: Tally
    auth: AuthTally
    hashing: HashFigures
    delivery: DeliveryFigures
    steps: Histogram


class _Collector(Collector):
    """Turns the figures into metrics."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        figures = self._figures
        yield from _held(figures)
        yield from _signalling(figures)
        yield from _calls(figures.tally)
        yield from _nodes(figures.tally)
        yield from _sound(figures.tally)
        yield from _workers(figures)
        yield from _authentication(figures.auth)
        yield from _hashing(figures.hashing)
        yield from _outbox(figures.delivery)
        yield _histogram("ivr_loop_step_seconds", "Steps of the event loop", figures.steps)


def _held(figures: Figures) -> Iterator[Metric]:
    for name, text, figure in (
        ("ivr_calls", "Calls just now", figures.calls),
        ("ivr_sip_dialogs", "Dialogs just now", figures.dialogs),
        ("ivr_sip_server_transactions", "Held just now", figures.server_transactions),
        ("ivr_sip_client_transactions", "Held just now", figures.client_transactions),
        ("ivr_ready", "1 while a call would be taken and served", int(figures.ready)),
        ("ivr_draining", "1 while no new call is taken", int(figures.draining)),
        ("ivr_sound_late", "1 while late sound keeps new calls out", int(figures.sound_late)),
    ):
        yield GaugeMetricFamily(name, text, value=figure)
    for name, text, by_trunk in (
        ("ivr_trunk_calls", "Calls just now", figures.trunk_calls),
        ("ivr_registered", "1 while we are registered", figures.registrations),
    ):
        yield _gauge(name, text, ["trunk"], (([trunk], n) for trunk, n in by_trunk.items()))


def _signalling(figures: Figures) -> Iterator[Metric]:
    sip = figures.sip
    yield _counter("ivr_sip_requests", "SIP requests received", ["method"], figures.requests)
    yield _counter("ivr_sip_dropped", "SIP messages not acted upon", ["reason"], figures.dropped)
    yield _counter(
        "ivr_sip_invite_answers",
        "INVITEs that open a session, by their final answer (RFC 6076 4.6 to 4.9)",
        ["trunk", "status"],
        {(trunk, str(status)): count for (trunk, status), count in sip.answers.items()},
    )
    yield _histogram(
        "ivr_sip_request_delay_seconds",
        "From an INVITE to the first answer but 100 (RFC 6076 4.3)",
        sip.response,
    )
    yield _histogram(
        "ivr_sip_disconnect_delay_seconds",
        "From our BYE to its answer (RFC 6076 4.4)",
        sip.disconnect,
    )
    yield CounterMetricFamily(
        "ivr_sip_byes_unanswered", "BYEs of ours that nobody answered", value=sip.undisconnected
    )
    yield _histogram(
        "ivr_sip_registration_delay_seconds",
        "From a REGISTER of ours to its 200 (RFC 6076 4.1)",
        sip.registration,
    )
    yield _counter(
        "ivr_sip_registrations",
        "Registrations that were tried and settled (RFC 6076 4.2)",
        ["trunk", "outcome"],
        {
            (trunk, "succeeded" if succeeded else "failed"): count
            for (trunk, succeeded), count in sip.registrations.items()
        },
    )
    refused = {reason.value: count for reason, count in figures.refused.items()}
    yield _counter("ivr_calls_refused", "Calls refused before they began", ["reason"], refused)


def _calls(tally: Tally) -> Iterator[Metric]:
    yield _counter("ivr_calls_answered", "Calls that were answered", ["line"], tally.answered)
    yield _counter(
        "ivr_calls_ended",
        "Calls ended",
        ["reason", "end_class"],
        {(reason.value, reason.end_class.value): tally.ended[reason] for reason in EndReason},
    )
    yield _counter(
        "ivr_calls_authenticated", "Calls by the secret that let in", ["kind"], tally.authenticated
    )
    yield _counter(
        "ivr_transfers",
        "Transfers by their end",
        ["outcome"],
        {outcome.value: tally.transfers[outcome] for outcome in TransferOutcome},
    )
    yield _histogram(
        "ivr_call_duration_seconds", "From our 200 to the end (RFC 6076 4.5)", tally.durations
    )
    yield _counter("ivr_calls_keys", "Answered calls by how keys came", ["way"], tally.ways)
    yield _counter("ivr_dtmf_rejects", "Like a key, and none", ["reason"], tally.rejects)


def _nodes(tally: Tally) -> Iterator[Metric]:
    yield _counter(
        "ivr_node_entries", "Times a node was gone to", ["dialplan", "node"], tally.entered
    )
    yield _counter(
        "ivr_node_ends",
        "Calls that ended at a node, and by whose doing",
        ["dialplan", "node", "end_class"],
        {(plan, node, by.value): count for (plan, node, by), count in tally.left.items()},
    )


def _sound(tally: Tally) -> Iterator[Metric]:
    sound = tally.sound
    yield _counter(
        "ivr_rtp_packets",
        "Packets of ended calls; those lost never reached us",
        ["trunk", "way"],
        {
            (trunk, way): count
            for trunk, each in sound.items()
            for way, count in (
                ("sent", each.sent),
                ("received", each.received),
                ("lost", each.lost),
            )
        },
    )
    yield _counter(
        "ivr_calls_unheard",
        "Answered calls from which no packet came",
        ["trunk"],
        {trunk: each.unheard for trunk, each in sound.items()},
    )
    jitter = HistogramMetricFamily(
        "ivr_rtp_jitter_seconds", "Interarrival jitter of a call (RFC 3550)", labels=["trunk"]
    )
    score = HistogramMetricFamily(
        "ivr_rtp_mos", "Mean opinion score of what we heard of a call", labels=["trunk"]
    )
    for trunk, each in sound.items():
        _add(jitter, [trunk], each.jitter)
        _add(score, [trunk], each.score)
    yield from (jitter, score)


def _workers(figures: Figures) -> Iterator[Metric]:
    """One label: the worker's number, which one that replaces it takes over."""
    calls = GaugeMetricFamily("ivr_media_calls", "Calls of a media worker", labels=["worker"])
    busy = GaugeMetricFamily("ivr_media_busy", "Part of its time in ticks", labels=["worker"])
    memory = GaugeMetricFamily("ivr_media_memory_bytes", "Resident memory", labels=["worker"])
    late = HistogramMetricFamily(
        "ivr_media_tick_late_seconds", "How late ticks of the sound began", labels=["worker"]
    )
    for load in figures.workers:
        stats, worker = load.stats, [str(load.stats.share)]
        calls.add_metric(worker, stats.calls)
        busy.add_metric(worker, load.busy)
        memory.add_metric(worker, stats.memory)
        late.add_metric(worker, _buckets(LATENESS_BOUNDS, stats.lateness), sum_value=None)
    yield from (calls, busy, memory, late)
    yield CounterMetricFamily(
        "ivr_media_late_ticks", "Ticks of the sound over 10 ms late", value=figures.late_ticks
    )
    yield _counter("ivr_srtp_dropped", "SRTP datagrams not heard", ["reason"], figures.srtp_dropped)


def _authentication(auth: AuthTally) -> Iterator[Metric]:
    yield _counter(
        "auth_verdicts",
        "Tries to come in by what they led to, and by the kind of a secret that was right",
        ["channel", "outcome", "kind"],
        {
            (channel.value, outcome.value, kind): count
            for (channel, outcome, kind), count in auth.verdicts.items()
        },
    )
    yield _counter(
        "auth_throttled",
        "Tries that were slowed or not judged",
        ["by"],
        {by.value: auth.throttled[by] for by in Throttle},
    )
    yield _counter("auth_surges", "Minutes with too many failures", ["scope"], auth.surges)
    yield _counter(
        "auth_lost_password_requests",
        "Requests, served or not",
        ["channel"],
        {channel.value: count for channel, count in auth.lost_passwords.items()},
    )


def _hashing(hashing: HashFigures) -> Iterator[Metric]:
    yield GaugeMetricFamily("auth_hash_waiting", "Secrets that wait", value=hashing.waiting)
    yield CounterMetricFamily("auth_hash_refused", "For want of room", value=hashing.refused)
    waits = HistogramMetricFamily("auth_hash_wait_seconds", "Until a secret was hashed")
    waits.add_metric([], _buckets(WAIT_BOUNDS, hashing.waits), hashing.waited)
    yield waits


def _outbox(delivery: DeliveryFigures) -> Iterator[Metric]:
    backlog, totals = delivery.backlog, delivery.totals
    of = [[each.way.value, each.state.value] for each in backlog]
    counts = [each.messages for each in backlog]
    ages = [each.oldest for each in backlog]
    labels = ["way", "state"]
    yield _gauge("outbox_messages", "Waiting, or dead", labels, zip(of, counts, strict=True))
    yield _gauge("outbox_oldest_seconds", "Age of the oldest", labels, zip(of, ages, strict=True))
    left = {"sms": totals.sms, "letter": totals.letters}
    yield _counter("outbox_delivered", "Messages that left", ["way"], left)
    yield CounterMetricFamily("outbox_retries", "Tries put off", value=totals.retried)
    yield CounterMetricFamily("outbox_dead", "Messages given up", value=totals.dead)
    yield _counter("outbox_alarms", "Alarms raised", ["alarm"], delivery.alarms)


def _counter(name: str, text: str, labels: Sequence[str], counts: Mapping[LabelsT, int]) -> Metric:
    """A counter; a key of `counts` has the value of each label."""
    counter = CounterMetricFamily(name, text, labels=labels)
    for key, count in counts.items():
        counter.add_metric([key] if isinstance(key, str) else key, count)
    return counter


def _gauge(
    name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    gauge = GaugeMetricFamily(name, text, labels=labels)
    for of, value in values:
        gauge.add_metric(of, value)
    return gauge


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    family = HistogramMetricFamily(name, text)
    _add(family, [], histogram)
    return family


def _add(family: HistogramMetricFamily, of: Sequence[str], histogram: Histogram) -> None:
    family.add_metric(of, _buckets(histogram.bounds, histogram.counts), histogram.total)


def _buckets(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """Counts between bounds, one more than there are bounds, as Prometheus has them: summed up."""
    names = [*map(str, bounds), "+Inf"]
    return list(zip(names, itertools.accumulate(map(float, counts)), strict=True))


def exposition(figures: Figures) -> bytes:
    """What a scrape reads, in Prometheus' text format (`CONTENT_TYPE_PLAIN_0_0_4`)."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(figures))
    ProcessCollector(registry=registry)
    return generate_latest(registry)
