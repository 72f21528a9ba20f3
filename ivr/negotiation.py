"""One call's sound as both sides agree on it: SDP (RFC 3264) on one side, a media session on the
other."""

import time

from ivr.media.session import MediaSession, StreamParams
from ivr.sip import sdp


class NoCommonCodec(Exception):  # noqa: N818 - an outcome of a negotiation
    """Nothing in what the other side offers or answers is anything we can do."""


class Agreement:
    """What a call's two sides agreed on, from the first offer to the last.

    `host`: the address for sound that we advertise. The session's version grows with each
    description of ours that differs from the one before (RFC 3264 §8).
    """

    def __init__(self, media: MediaSession, capabilities: sdp.Capabilities, host: str) -> None:
        self._media = media
        self._capabilities = capabilities
        self._host = host
        self._session_id = time.time_ns() >> 20
        self._version = 1
        self._said: tuple[sdp.Negotiated | None, int] | None = None

    def answer(self, offer: bytes) -> bytes:
        """Our answer; sound follows it from now on. Raises `NoCommonCodec`, and `WireError` for
        what is no SDP: the sound then stays as it was."""
        description = sdp.parse(offer)
        negotiated = sdp.negotiate(description, self._capabilities)
        if negotiated is None:
            raise NoCommonCodec
        self._follow(negotiated)
        return sdp.answer(description, negotiated, self._local(negotiated, len(description.media)))

    def offer(self) -> bytes:
        """Our offer, for a request that brought none; `take_answer` follows."""
        return sdp.offer(self._local(None, 1), self._capabilities)

    def take_answer(self, answer: bytes) -> None:
        """What the other side made of our offer. Raises as `answer` does."""
        negotiated = sdp.accept_answer(self._capabilities, sdp.parse(answer))
        if negotiated is None:
            raise NoCommonCodec
        self._follow(negotiated)

    def _follow(self, negotiated: sdp.Negotiated) -> None:
        self._media.configure(
            StreamParams(
                remote=negotiated.remote,
                remote_rtcp=negotiated.rtcp,
                codec=negotiated.codec,
                payload_type=negotiated.payload_type,
                ptime_ms=negotiated.ptime_ms,
                dtmf=negotiated.dtmf,
                sends=negotiated.sends,
                receives=negotiated.receives,
            )
        )

    def _local(self, negotiated: sdp.Negotiated | None, streams: int) -> sdp.LocalMedia:
        saying = (negotiated, streams)
        if self._said is not None and self._said != saying:
            self._version += 1
        self._said = saying
        return sdp.LocalMedia(self._host, self._media.local[1], self._session_id, self._version)


def check_offer(offer: bytes, capabilities: sdp.Capabilities) -> None:
    """Whether an offer can be answered at all, before a port is taken for it.

    Raises `NoCommonCodec`, and `WireError` for what is no SDP.
    """
    if sdp.negotiate(sdp.parse(offer), capabilities) is None:
        raise NoCommonCodec
