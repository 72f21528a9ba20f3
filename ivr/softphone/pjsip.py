"""One telephone made of PJSIP: the only file that knows pjsua2 (extra `softphone`).

PJSIP is a library of globals: one `Handset` a process, driven from the thread that made it. Its
objects must die in C++ before the library does, and a Python exception must never cross one of its
callbacks; both are seen to here, so that `ivr.softphone` reads like any other program.
"""

import contextlib
import os
import sys
from collections import deque
from collections.abc import Callable, Collection, Iterator
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import pjsua2 as pj

from ivr.softphone.errors import HandsetError
from ivr.softphone.events import (
    Answered,
    Ended,
    Event,
    Incoming,
    KeyHeard,
    Media,
    Response,
    Ringing,
    Transfer,
    Transferred,
)
from ivr.softphone.tls import NO_FILES, TlsFiles

CODECS = {"pcma": "PCMA/8000/1", "pcmu": "PCMU/8000/1"}
TRANSPORTS = {
    "udp": pj.PJSIP_TRANSPORT_UDP,
    "tcp": pj.PJSIP_TRANSPORT_TCP,
    "tls": pj.PJSIP_TRANSPORT_TLS,
}
SECURE_SOUND = {
    "off": pj.PJMEDIA_SRTP_DISABLED,
    "optional": pj.PJMEDIA_SRTP_OPTIONAL,
    "required": pj.PJMEDIA_SRTP_MANDATORY,
}
INBAND_DIGIT_VOLUME = 0  # ToneGenerator's own: about -13 dBm0 a frequency


class Handset:
    """A telephone with one line. `require`: SIP extensions without which there is no call.

    `local`: IPv4 address that signalling and sound leave from. `user`: who calls (user part of
    From). `tls`: the PEM files of TLS; without authorities any certificate of the far end will do.
    Use it as a context manager; `poll` must run every 20 ms or so for anything to happen.
    """

    def __init__(
        self,
        *,
        local: str,
        user: str,
        transport: str = "udp",
        port: int = 0,
        codec: str = "pcma",
        takes_transfers: bool = True,
        record: Path | None = None,
        require: Collection[str] = (),
        srtp: str = "off",
        tls: TlsFiles = NO_FILES,
    ) -> None:
        self._local = local
        self._tls = tls
        self._user = user
        self._transport = transport
        self._port = port
        self._codec = codec
        self.takes_transfers = takes_transfers
        self._record = record
        self._require = require
        self._srtp = srtp
        self._events: deque[Event] = deque(maxlen=1000)
        self._failure: Exception | None = None
        self._endpoint: Any = None
        self._account: _Account | None = None
        self._call: _Call | None = None
        self._recorder: Any = None
        self._tones: Any = None
        self._players: list[Any] = []
        self._legs: list[_SecondLeg] = []
        self._address = ""
        self.recording = False

    def __enter__(self) -> Self:
        try:
            self._start()
        except pj.Error as error:
            self.__exit__(None, None, None)
            raise HandsetError(_explain(error)) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._endpoint is not None and self._account is not None:
            self._endpoint.hangupAllCalls()
        sound = (*self._players, self._tones, self._recorder)
        for thing in (*sound, *self._legs, self._call, self._account):
            if thing is not None:
                _destroy(thing)
        self._players, self._tones, self._recorder = [], None, None
        self._legs, self._call, self._account = [], None, None
        if self._endpoint is not None:
            with contextlib.suppress(pj.Error):
                self._endpoint.libDestroy()
            _destroy(self._endpoint)
            self._endpoint = None

    @property
    def address(self) -> str:
        """Where this telephone can be rung: "host:port"."""
        return self._address

    def dial(self, uri: str) -> None:
        """Send the INVITE. `HandsetError` when PJSIP finds no sense in `uri`."""
        call = _Call(self, self._account)
        self._call = call
        self._do(call.makeCall, uri, pj.CallOpParam(True))

    def press(self, key: str, way: str, duration_ms: int) -> None:
        """Press one key by `way`: "rfc4733", "info", "both" or "inband"."""
        call = self._require_call()
        if way == "inband":
            self._press_inband(key, duration_ms)
            return
        methods = {
            "rfc4733": (pj.PJSUA_DTMF_METHOD_RFC2833,),
            "info": (pj.PJSUA_DTMF_METHOD_SIP_INFO,),
            "both": (pj.PJSUA_DTMF_METHOD_RFC2833, pj.PJSUA_DTMF_METHOD_SIP_INFO),
        }
        for method in methods[way]:
            param = pj.CallSendDtmfParam()
            param.method = method
            param.duration = duration_ms
            param.digits = key
            self._do(call.sendDtmf, param)

    def play(self, path: Path) -> None:
        """Say a WAV file to the far end, once."""
        player = pj.AudioMediaPlayer()
        self._players.append(player)
        self._do(player.createPlayer, str(path), pj.PJMEDIA_FILE_NO_LOOP)
        media = self._do(self._require_call().getAudioMedia, -1)
        self._do(player.startTransmit, media)

    def hold(self) -> None:
        """Offer sendonly in a re-INVITE (RFC 3264 §8.4)."""
        call = self._require_call()
        call.reoffered = True
        self._do(call.setHold, pj.CallOpParam(True))

    def unhold(self) -> None:
        """Offer sendrecv again."""
        param = pj.CallOpParam(True)
        param.opt.flag = pj.PJSUA_CALL_UNHOLD
        call = self._require_call()
        call.reoffered = True
        self._do(call.reinvite, param)

    def hang_up(self) -> bool:
        """BYE or CANCEL, whichever fits; `Ended` follows. False: there is no call to end."""
        if self._call is None:
            return False
        self._call.hung_up = True
        self._do(self._call.hangup, pj.CallOpParam(True))
        return True

    def level(self) -> int:
        """How loud the far end is now, on PJSIP's logarithmic meter.

        Measured with a sine: -12 dBFS 32, -20 25, -30 15, -36 11, -42 7, -48 4, -54 2, silence 0.
        """
        if self._call is None or not self._call.hears:
            return 0
        with contextlib.suppress(pj.Error):
            # "Tx" as the bridge sees it: what the call's port transmits to us.
            return int(self._call.getAudioMedia(-1).getTxLevel())
        return 0

    def poll(self, milliseconds: int) -> list[Event]:
        """Let PJSIP work for at most `milliseconds`; what happened, in order."""
        self._endpoint.libHandleEvents(milliseconds)
        if self._failure is not None:
            raise self._failure
        events = list(self._events)
        self._events.clear()
        return events

    # What callbacks call.

    def tell(self, event: Event) -> None:
        self._events.append(event)

    def fail(self, error: Exception) -> None:
        self._failure = self._failure or error

    def second_leg(self) -> "_SecondLeg":
        """A call object for PJSIP to follow a transfer with."""
        leg = _SecondLeg(self, self._account)
        self._legs.append(leg)
        return leg

    def rung(self, call_id: int) -> None:
        """Take a call that rings us; we are busy (486) with a second one."""
        call = _Call(self, self._account, call_id)
        param = pj.CallOpParam(True)
        if self._call is not None:
            param.statusCode = pj.PJSIP_SC_BUSY_HERE
            call.hangup(param)
            _destroy(call)
            return
        self._call = call
        self.tell(Incoming(call.getInfo().remoteUri))
        param.statusCode = pj.PJSIP_SC_OK
        call.answer(param)

    def connect_sound(self, media: Any) -> None:
        """Wire the call into the bridge: what we hear to the recorder, silence to the far end."""
        devices = self._endpoint.audDevManager()
        devices.getCaptureDevMedia().startTransmit(media)
        # A port that nobody listens to is not metered: the null loudspeaker listens.
        media.startTransmit(devices.getPlaybackDevMedia())
        if self._recorder is None and self._record is not None:
            self._recorder = pj.AudioMediaRecorder()
            self._recorder.createRecorder(str(self._record))
            self.recording = True
        if self._recorder is not None:
            media.startTransmit(self._recorder)

    def _start(self) -> None:
        # libCreate writes to the file descriptor of stdout before it can be told not to.
        with _stdout_to_null():
            self._endpoint = pj.Endpoint()
            self._endpoint.libCreate()
            config = pj.EpConfig()
            config.uaConfig.threadCnt = 0
            config.uaConfig.mainThreadOnly = True
            config.uaConfig.maxCalls = 4
            config.logConfig.level = 0
            config.logConfig.consoleLevel = 0
            config.medConfig.clockRate = 8000
            config.medConfig.sndClockRate = 8000
            config.medConfig.audioFramePtime = 20
            config.medConfig.noVad = True
            self._endpoint.libInit(config)
        self._endpoint.audDevManager().setNullDev()
        for codec in self._endpoint.codecEnum2():
            wanted = codec.codecId in CODECS.values()
            first = codec.codecId == CODECS[self._codec]
            self._endpoint.codecSetPriority(codec.codecId, 255 if first else 128 if wanted else 0)
        transport = pj.TransportConfig()
        transport.boundAddress = self._local
        transport.port = self._port
        if self._transport == "tls":
            _set_up_tls(transport.tlsConfig, self._tls)
        number = self._endpoint.transportCreate(TRANSPORTS[self._transport], transport)
        self._endpoint.libStart()
        self._address = self._endpoint.transportGetInfo(number).localName
        account = pj.AccountConfig()
        account.idUri = f"sip:{self._user}@{self._local}"
        account.sipConfig.transportId = number
        if "100rel" in self._require:
            account.callConfig.prackUse = pj.PJSUA_100REL_MANDATORY
        if "timer" in self._require:
            account.callConfig.timerUse = pj.PJSUA_SIP_TIMER_REQUIRED
        # PJSIP closes a connection that is idle for 33 s, call or no call: we are to be reached at
        # the port where it listens.
        account.natConfig.contactUseSrcPort = 0
        account.mediaConfig.srtpUse = SECURE_SOUND[self._srtp]
        account.mediaConfig.srtpSecureSignaling = 0  # keys may travel over whatever SIP does
        sound = account.mediaConfig.transportConfig
        sound.boundAddress = self._local
        # Several handsets, each a process, do not all try the same port first.
        sound.port, sound.portRange, sound.randomizePort = 20000, 10000, True
        self._account = _Account(self)
        self._account.create(account)

    def _press_inband(self, key: str, duration_ms: int) -> None:
        media = self._do(self._require_call().getAudioMedia, -1)
        if self._tones is None:
            self._tones = pj.ToneGenerator()
            self._do(self._tones.createToneGenerator, 8000)
        self._do(self._tones.startTransmit, media)
        digit = pj.ToneDigit()
        digit.digit = key
        digit.on_msec = duration_ms
        digit.off_msec = 40
        digit.volume = INBAND_DIGIT_VOLUME
        digits = pj.ToneDigitVector()
        digits.append(digit)
        self._do(self._tones.playDigits, digits)

    def _require_call(self) -> "_Call":
        if self._call is None:
            raise HandsetError("there is no call")
        return self._call

    @staticmethod
    def _do(method: Callable[..., Any], *args: object) -> Any:
        try:
            return method(*args)
        except pj.Error as error:
            raise HandsetError(_explain(error)) from None


_Callback = TypeVar("_Callback", bound=Callable[[Any, Any], None])


def _guarded(callback: _Callback) -> _Callback:
    """Keep a Python exception from crossing C++ (it would abort): `Handset.poll` raises it."""

    @wraps(callback)
    def run(self: Any, prm: Any) -> None:
        try:
            callback(self, prm)
        except Exception as error:
            self.handset.fail(error)

    return cast(_Callback, run)


class _Account(pj.Account):  # type: ignore[misc]
    def __init__(self, handset: Handset) -> None:
        super().__init__()
        self.handset = handset

    @_guarded
    def onIncomingCall(self, prm: Any) -> None:  # noqa: N802 - pjsua2's name
        self.handset.rung(prm.callId)


class _Call(pj.Call):  # type: ignore[misc]
    def __init__(self, handset: Handset, account: Any, call_id: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(account, call_id)
        self.handset = handset
        self.hung_up = False
        self.reoffered = False
        self.hears = False
        self._cause = ""
        self._refer_headers: dict[str, str] = {}

    @_guarded
    def onCallState(self, _prm: Any) -> None:  # noqa: N802
        info = self.getInfo()
        if info.state in (pj.PJSIP_INV_STATE_CALLING, pj.PJSIP_INV_STATE_EARLY):
            if info.lastStatusCode > pj.PJSIP_SC_TRYING:
                self.handset.tell(Ringing(info.lastStatusCode, info.lastReason))
        elif info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.handset.tell(Answered())
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.hears = False
            self.handset.tell(
                Ended(
                    "us" if self.hung_up else "them",
                    info.lastStatusCode,
                    info.lastReason,
                    self._cause,
                )
            )

    @_guarded
    def onCallMediaState(self, _prm: Any) -> None:  # noqa: N802
        info = self.getInfo()  # a variable: `.media` points into it
        sound = next((m for m in info.media if m.type == pj.PJMEDIA_TYPE_AUDIO), None)
        if sound is None or sound.status not in (
            pj.PJSUA_CALL_MEDIA_ACTIVE,
            pj.PJSUA_CALL_MEDIA_REMOTE_HOLD,
        ):
            self.hears = False
            self.handset.tell(Media("", "", receives=False, sends=False))
            return
        self.hears = bool(sound.dir & pj.PJMEDIA_DIR_DECODING)
        stream = self.getStreamInfo(sound.index)
        self.handset.connect_sound(self.getAudioMedia(sound.index))
        self.handset.tell(
            Media(
                stream.codecName.lower(),
                stream.remoteRtpAddress,
                receives=self.hears,
                sends=bool(sound.dir & pj.PJMEDIA_DIR_ENCODING),
            )
        )

    @_guarded
    def onCallTsxState(self, prm: Any) -> None:  # noqa: N802
        if prm.e.type != pj.PJSIP_EVENT_TSX_STATE:
            return
        event = prm.e.body.tsxState
        transaction = event.tsx
        if transaction.role == pj.PJSIP_ROLE_UAC:
            done = event.type == pj.PJSIP_EVENT_RX_MSG and transaction.statusCode >= pj.PJSIP_SC_OK
            ours = transaction.method == "INFO" or (
                transaction.method == "INVITE" and self.reoffered
            )
            if done and ours:
                self.handset.tell(Response(transaction.method, transaction.statusCode))
        elif event.type == pj.PJSIP_EVENT_RX_MSG:
            headers = _headers(event.src.rdata.wholeMsg)
            if transaction.method == "BYE":
                self._cause = next((v for n, v in headers if n.lower() == "reason"), "")
            elif transaction.method == "REFER":
                self._refer_headers = {
                    name: value for name, value in headers if name.lower().startswith("x-")
                }

    @_guarded
    def onDtmfDigit(self, prm: Any) -> None:  # noqa: N802
        info = prm.method == pj.PJSUA_DTMF_METHOD_SIP_INFO
        self.handset.tell(KeyHeard(prm.digit, "info" if info else "rfc4733"))

    @_guarded
    def onCallTransferRequest(self, prm: Any) -> None:  # noqa: N802
        taken = self.handset.takes_transfers
        prm.statusCode = pj.PJSIP_SC_ACCEPTED if taken else pj.PJSIP_SC_DECLINE
        if taken:
            prm.newCall = self.handset.second_leg()
        self.handset.tell(Transfer(prm.dstUri, self._refer_headers, taken))


class _SecondLeg(pj.Call):  # type: ignore[misc]
    """The call to where we are transferred: PJSIP makes it, and tells the transferor (NOTIFY)."""

    def __init__(self, handset: Handset, account: Any) -> None:
        super().__init__(account)
        self.handset = handset
        self._told = False

    @_guarded
    def onCallState(self, _prm: Any) -> None:  # noqa: N802
        info = self.getInfo()
        over = (pj.PJSIP_INV_STATE_CONFIRMED, pj.PJSIP_INV_STATE_DISCONNECTED)
        if info.state in over and not self._told:
            self._told = True
            self.handset.tell(Transferred(info.lastStatusCode))


def _set_up_tls(config: Any, files: TlsFiles) -> None:
    config.method = pj.PJSIP_TLSV1_2_METHOD  # the newest that these wheels speak
    if files.authorities is not None:
        config.CaListFile = str(files.authorities)
        config.verifyServer = True
    if files.certificate is not None:
        config.certFile = str(files.certificate)
        config.privKeyFile = str(files.key or files.certificate)


def _headers(message: str) -> list[tuple[str, str]]:
    """The header lines of a SIP message, in order; folded lines (obsolete) are not joined."""
    head, _, _ = message.partition("\r\n\r\n")
    pairs = (line.partition(":") for line in head.split("\r\n")[1:])
    return [(name.strip(), value.strip()) for name, colon, value in pairs if colon]


def _explain(error: Any) -> str:
    """One line of PJSIP's own explanation."""
    return " ".join(str(error.reason or error.title).split())


def _destroy(thing: Any) -> None:
    """End the C++ side of an object now, and let Python's own clean-up find nothing to do."""
    if thing.this.own():
        type(thing).__swig_destroy__(thing)
        thing.this.disown()


@contextlib.contextmanager
def _stdout_to_null() -> Iterator[None]:
    sys.stdout.flush()
    saved = os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
