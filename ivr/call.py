"""One call: a SIP dialog, a media session and a run of a dialplan, tied together.

The dialplan sees it as a `Phone`; the signalling tells it what the other side did by `on_signal`,
the sound by `_on_media`. Both only note what happened; the call's own task acts on it.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from ivr.config import LineSection
from ivr.dialplan.collector import Collector
from ivr.dialplan.interpreter import CallContext, Ending, Facts, Run
from ivr.dialplan.phone import CallEnded, Collected, Entry, TransferOutcome
from ivr.media.session import (
    Clip,
    KeyPressed,
    MediaEvent,
    MediaLost,
    MediaPool,
    MediaSession,
    NoMedia,
    PlayEnded,
    Spoke,
)
from ivr.negotiation import Agreement, NoCommonCodec, check_offer
from ivr.records import CallRecord, EndReason, masked_caller, shown_prompt
from ivr.sip import events
from ivr.sip.sdp import Capabilities, SecureSound
from ivr.sip.user_agent import UserAgent
from ivr.tally import Tally
from ivr.traces import NoTracer, Tracer
from ivr.trunks import Trunk
from ivr.version import Version
from ivr.wire import WireError

log = structlog.get_logger(__name__)

RETRY_AFTER = 5
# What still waits in the caller's jitter buffer when our last packet has gone.
LAST_SYLLABLE = 0.2
# How long a worker may take to say which prompts it had begun when a call ends.
SILENCE_TIMEOUT = 0.2
# The statuses by which an advisor's side says why nobody came.
BUSY = frozenset({486, 600})
NO_ANSWER = frozenset({408, 480, 487, 504})

_REASON_OF_ENDING = {
    Ending.COMPLETED: EndReason.COMPLETED,
    Ending.TRANSFERRED: EndReason.TRANSFERRED,
}


@dataclass(slots=True)
class House:
    """What every call of a server shares. `pump` sends what the user agent has pending."""

    agent: UserAgent
    pool: MediaPool
    pump: Callable[[], None]
    tally: Tally = field(default_factory=Tally)
    tracer: Tracer = field(default_factory=NoTracer)


class _Refused(Exception):  # noqa: N818 - an outcome, not an error
    """The INVITE gets a final failure response."""

    def __init__(self, status: int, reason: EndReason) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Call:
    """One call, from its INVITE until nothing of it is left. Implements `dialplan.phone.Phone`."""

    def __init__(
        self,
        invited: events.Invited,
        line: LineSection,
        trunk: Trunk,
        version: Version,
        house: House,
    ) -> None:
        self.id = invited.call
        self.trunk = trunk.name
        self.plan = line.dialplan
        self.facts: Facts | None = None
        """Of the run of the dialplan, once it has begun."""
        self.version = version
        caller = masked_caller(invited.caller) if invited.caller else None
        self.record = CallRecord(
            invited.call_id,
            line.number,
            caller,
            datetime.now(UTC),
            caf=line.caf,
            version=version.id,
        )
        self._invited = invited
        self._line = line
        self._trunk = trunk
        self._house = house
        self._log = log.bind(call_id=invited.call_id, line=line.number, trunk=trunk.name)
        self._trace = house.tracer.call(self.record, trunk=trunk.name, dialplan=line.dialplan)
        self._sound = version.config.media
        self._media: MediaSession | None = None
        self._agreement: Agreement | None = None
        self._language: str = line.language
        self._collector = Collector()
        self._changed = asyncio.Event()
        self._over: EndReason | None = None
        self._far_end_left = False
        self._agreed = False
        self._play: int | None = None
        # A key may start the next play before the end of the last one has been told.
        self._plays: dict[int, Sequence[str]] = {}
        self._play_may_stop = False
        self._transfer: events.Referred | None = None

    @property
    def media(self) -> MediaSession | None:
        """Its sound, once there is some."""
        return self._media

    @property
    def sound(self) -> tuple[str, bool] | None:
        """The codec in use, and whether it is secured; None before both sides have agreed."""
        return self._agreement.sound if self._agreement else None

    # The life of a call.

    async def live(self) -> None:
        """Answer, run the dialplan, and leave nothing behind. `record` is complete at the end."""
        reason = EndReason.FAILED
        self._log.info("call came", caller=self.record.caller, version=self.version.id)
        try:
            await self._answer()
            reason = await self._converse()
        except _Refused as refusal:
            reason = refusal.reason
            self._refuse(refusal.status)
        except CallEnded:
            reason = self._over or EndReason.HUNG_UP
        except Exception:
            self._log.exception("call failed")
            if self.record.answered is None:
                self._refuse(500)
        finally:
            await self._leave(reason)

    def _refuse(self, status: int) -> None:
        headers = [("Retry-After", str(RETRY_AFTER))] if status == 503 else []
        self._house.agent.reject(self.id, status, time.monotonic(), headers=headers)
        self._far_end_left = True

    def stop(self) -> None:
        """End the call from our side, whatever it is doing."""
        self._end(EndReason.STOPPED)

    async def _answer(self) -> None:
        """200 to the INVITE; returns when both sides have agreed on the sound. Or `_Refused`."""
        house, offer = self._house, self._invited.sdp
        capabilities = Capabilities(
            codecs=self._sound.codecs,
            telephone_event="rfc4733" in self._sound.dtmf,
            secure_sound=SecureSound(self._trunk.secure_sound),
        )
        try:
            if offer is not None:
                check_offer(offer, capabilities)
        except WireError as error:
            raise _Refused(400, EndReason.BAD_OFFER) from error
        except NoCommonCodec as error:
            raise _Refused(488, EndReason.NO_COMMON_CODEC) from error
        notice_first = bool(self._line.notice) and offer is not None
        if not notice_first:
            house.agent.ring(self.id, time.monotonic())
            house.pump()
        try:
            self._media = await house.pool.open(self._on_media)
        except NoMedia as error:
            self._log.warning("no port or worker left for a call", why=str(error))
            raise _Refused(503, EndReason.NO_MEDIA) from error
        self._check()
        self._agreement = Agreement(self._media, capabilities, self._sound_host())
        body = self._agreement.offer() if offer is None else self._agreement.answer(offer)
        self._agreed = offer is not None
        if notice_first:
            house.agent.progress(self.id, body, time.monotonic())
            house.pump()
            await self._play_notice()
        house.agent.accept(self.id, body, time.monotonic())
        house.pump()
        self.record.answered = datetime.now(UTC)
        self._trace.answered()
        self._log.info("call answered", version=self.version.id)
        while not self._agreed:
            await self._something()
        if self._line.notice and not notice_first:
            await self._play_notice()  # without an offer nothing can be heard before the 200

    async def _play_notice(self) -> None:
        """What the law wants said: no key stops it, and none that is pressed meanwhile counts."""
        await self.play(self._line.notice, barge_in=False, discard_keys=True)

    def _sound_host(self) -> str:
        by_hand = self._sound.advertised_ip or self.version.config.sip.advertised_host
        return by_hand or self._invited.flow.local[0]

    async def _converse(self) -> EndReason:
        context = CallContext(
            call_id=self._invited.call_id,
            line=self._line.number,
            caf=self._line.caf,
            language=self._line.language,
            hours=self._line.hours,
            advisor=self._line.advisor,
            caller=self._invited.caller or None,
            trunk=self._trunk.name,
        )
        version = self.version
        plan = version.plans[self.plan]
        run = Run(plan, self, version.people, context, self._entered)
        self.facts = facts = run.facts
        try:
            await run.run()
        finally:
            self.record.plan, self.record.node = self.plan, facts.node
            self.record.lost_password = facts.lost_password
            self.record.authenticated = facts.authenticated
            self.record.matricule = facts.masked_matricule
            self.record.caf = facts.caf or self.record.caf
            self.record.transferred_to = facts.transferred_to
        ending = facts.end_reason
        return EndReason.FAILED if ending is None else _REASON_OF_ENDING[ending]

    def _entered(self, node: str) -> None:
        plan = self.version.plans[self.plan]
        self._trace.entered(node, waits=plan.nodes[node].asks)
        self._house.tally.entered[self.plan, node] += 1

    async def _leave(self, reason: EndReason) -> None:
        if not self._far_end_left:
            self._house.agent.bye(self.id, time.monotonic())
        self._house.pump()
        if self._media is not None:
            await self._silence(self._media)
            stats = await self._media.close()
            self.record.dtmf = sorted(stats.ways)
            self.record.dtmf_rejects = dict(stats.rejects)
            self.record.rtp = {
                "sent": stats.sent,
                "received": stats.received,
                "lost": stats.lost,
                "jitter_ms": round(stats.jitter_ms, 2),
                "mos": round(stats.mos, 2),
            }
        self.record.ended = datetime.now(UTC)
        self.record.end_reason = reason
        self._house.tally.call_ended(self.record, self.trunk)
        self._trace.ended(self.record)
        self._log.info("call ended", end_class=reason.end_class, end_reason=reason)

    async def _silence(self, media: MediaSession) -> None:
        """Stop what plays, so that the record tells which prompts had begun."""
        media.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SILENCE_TIMEOUT):
                while self._plays and self._over is not EndReason.MEDIA_LOST:
                    self._changed.clear()
                    await self._changed.wait()

    # What the other side does.

    def on_signal(self, event: events.Event) -> None:
        """Note what the signalling tells of this call."""
        match event:
            case events.ByeReceived():
                self._far_end_left = True
                self._end(EndReason.HUNG_UP)
            case events.Cancelled():
                self._far_end_left = True
                self._end(EndReason.CANCELLED)
            case events.NotAcknowledged():
                self._far_end_left = True
                self._end(EndReason.NOT_ACKNOWLEDGED)
            case events.SessionExpired():
                self._far_end_left = True
                self._end(EndReason.SIGNALLING_LOST)
            case events.OfferAnswered(sdp=answer):
                self._take_answer(answer)
            case events.Confirmed(sdp=answer):
                if answer is not None:
                    self._take_answer(answer)
                elif not self._agreed:
                    self._end(EndReason.BAD_OFFER)  # our offer in the 200 got no answer
            case events.Offered(sdp=offer):
                self._take_offer(offer)
            case events.InfoReceived(key=key, duration_ms=duration):
                if self._media is not None and "info" in self._sound.dtmf:
                    self._media.info_key(key, duration)
            case events.ReferProgress(status=status):
                self._log.info("transfer goes on", status=status)
            case events.Referred():
                self._log.info("transfer ended", status=event.status, refused=event.refused)
                self.record.transfer_status = event.status
                self._transfer = event
                self._changed.set()

    def _take_answer(self, answer: bytes) -> None:
        if self._agreement is None:
            return
        try:
            self._agreement.take_answer(answer)
        except (NoCommonCodec, WireError):
            # RFC 3264 §4: nothing can be heard on what was answered. There is no other offer to
            # make, so the call is over, unless an earlier agreement still stands.
            if not self._agreed:
                self._end(EndReason.NO_COMMON_CODEC)
            return
        self._agreed = True
        self._changed.set()

    def _take_offer(self, offer: bytes | None) -> None:
        agent, now = self._house.agent, time.monotonic()
        if self._agreement is None:
            agent.refuse_offer(self.id, 488, now)
            return
        try:
            body = self._agreement.offer() if offer is None else self._agreement.answer(offer)
        except NoCommonCodec:
            agent.refuse_offer(self.id, 488, now)
        except WireError:
            agent.refuse_offer(self.id, 400, now)
        else:
            agent.answer(self.id, body, now)

    def _on_media(self, event: MediaEvent) -> None:
        match event:
            case KeyPressed(key=key):
                # A key that does not count, such as a late `#`, does not stop the prompt.
                counts = self._collector.press(key, time.monotonic())
                if counts and self._play_may_stop and self._media is not None:
                    self._media.stop()
            case PlayEnded(play=play, clips_begun=begun):
                self.record.prompts.extend(map(shown_prompt, self._plays.pop(play, ())[:begun]))
                if play == self._play:
                    self._play = None
                    self._collector.prompt_ended(time.monotonic())
            case Spoke():
                self._collector.spoke()
            case MediaLost():
                self._end(EndReason.MEDIA_LOST)
        self._changed.set()

    # Phone.

    async def speak(self, language: str) -> None:
        self._language = language

    async def play(
        self, prompts: Sequence[str], *, barge_in: bool = True, discard_keys: bool = False
    ) -> None:
        self._check()
        if discard_keys or not (barge_in and self._collector.waiting):
            self._start(prompts, may_stop=barge_in)
            while self._play is not None:
                await self._something()
        if discard_keys:
            self._collector.discard()

    async def collect(self, prompts: Sequence[str], entry: Entry) -> Collected:
        self._check()
        collector = self._collector
        collector.begin(entry, time.monotonic())
        answer = collector.advance(time.monotonic())
        if answer is None and prompts and not collector.keying:
            collector.prompt_started(time.monotonic())
            self._start(prompts, may_stop=True)
        with self._listening(entry.voice and answer is None):
            while answer is None:
                await self._something(until=collector.next_deadline())
                answer = collector.advance(time.monotonic())
        return answer

    @contextlib.contextmanager
    def _listening(self, wanted: bool) -> Iterator[None]:
        """Listen meanwhile whether the caller talks."""
        if wanted and self._media is not None:
            self._media.listen(True)
        yield
        if wanted and self._media is not None:
            self._media.listen(False)

    async def transfer(
        self, target: str, headers: Sequence[tuple[str, str]] = ()
    ) -> TransferOutcome:
        self._check()
        self._transfer = None
        self._house.agent.refer(self.id, target, time.monotonic(), headers=headers)
        self._house.pump()
        with contextlib.suppress(CallEnded):  # often by a BYE on the heels of the good news
            while self._transfer is None:
                await self._something()
        if self._transfer is None:
            raise CallEnded
        outcome = _outcome(self._transfer)
        self._house.tally.transfers[outcome] += 1
        return outcome

    async def hang_up(self) -> None:
        while self._play is not None:
            await self._something()
        over = time.monotonic() + LAST_SYLLABLE
        while time.monotonic() < over:
            await self._something(until=over)

    def _start(self, prompts: Sequence[str], *, may_stop: bool) -> None:
        """Begin to play; `_play` is None again when it is over."""
        if self._media is None:
            raise CallEnded
        bank = self.version.prompts
        clips = [Clip(*bank.clip(self._language, prompt)) for prompt in prompts]
        self._play_may_stop = may_stop
        self._play = self._media.play(clips, barge_in=False)
        self._plays[self._play] = prompts

    # How the call's task waits.

    async def _something(self, until: float | None = None) -> None:
        """Wait until anything happens, or until `until` (monotonic seconds)."""
        self._changed.clear()
        self._check()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._changed.wait()
        self._check()

    def _end(self, reason: EndReason) -> None:
        self._over = self._over or reason
        self._changed.set()

    def _check(self) -> None:
        if self._over is not None:
            raise CallEnded


def _outcome(transfer: events.Referred) -> TransferOutcome:
    if 200 <= transfer.status < 300:
        return TransferOutcome.TAKEN
    if transfer.refused:
        return TransferOutcome.NOT_POSSIBLE
    if transfer.status in BUSY:
        return TransferOutcome.BUSY
    return TransferOutcome.NO_ANSWER if transfer.status in NO_ANSWER else TransferOutcome.REFUSED
