"""One call's sound as both sides agree on it: SDP (RFC 3264) on one side, a media session on the
other."""

import time

from ivr.media.session import MediaSession, SrtpKeys, StreamParams
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
        self._said: tuple[sdp.Negotiated | None, int, tuple[sdp.Crypto, ...]] | None = None
        self._theirs: sdp.Crypto | None = None
        self._ours: sdp.Crypto | None = None
        self._offered: tuple[sdp.Crypto, ...] = ()
        self._codec: str | None = None

    def answer(self, offer: bytes) -> bytes:
        """Our answer; sound follows it from now on. Raises `NoCommonCodec`, and `WireError` for
        what is no SDP: the sound then stays as it was."""
        description = sdp.parse(offer)
        negotiated = sdp.negotiate(description, self._capabilities)
        if negotiated is None:
            raise NoCommonCodec
        if negotiated.crypto is None:
            self._ours = None
        elif self._ours is None or negotiated.crypto != self._theirs:
            # Who offers the same key again goes on with what both have, rollover counter included.
            self._ours = sdp.fresh(negotiated.crypto.tag, negotiated.crypto.suite)
        self._follow(negotiated)
        # Offered as it stands when we refresh the session (RFC 4028).
        self._offered = (self._ours,) if self._ours else ()
        local = self._local(negotiated, len(description.media), self._offered)
        return sdp.answer(description, negotiated, local)

    @property
    def sound(self) -> tuple[str, bool] | None:
        """The codec in use, and whether it is secured; None before both sides have agreed."""
        return None if self._codec is None else (self._codec, self._theirs is not None)

    def offer(self) -> bytes:
        """Our offer, for a request that brought none; `take_answer` follows."""
        secure = self._capabilities.secure_sound is not sdp.SecureSound.OFF
        self._offered = sdp.fresh_offer() if secure else ()
        return sdp.offer(self._local(None, 1, self._offered), self._capabilities)

    def take_answer(self, answer: bytes) -> None:
        """What the other side made of our offer. Raises as `answer` does."""
        negotiated = sdp.accept_answer(self._capabilities, sdp.parse(answer), self._offered)
        if negotiated is None:
            raise NoCommonCodec
        taken = negotiated.crypto
        self._ours = next((ours for ours in self._offered if taken and ours.tag == taken.tag), None)
        self._follow(negotiated)

    def _follow(self, negotiated: sdp.Negotiated) -> None:
        self._theirs, keys = negotiated.crypto, None
        self._codec = negotiated.codec
        if self._ours and self._theirs:
            keys = SrtpKeys(self._ours.suite, self._ours.key, self._theirs.key)
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
                keys=keys,
            )
        )

    def _local(
        self, negotiated: sdp.Negotiated | None, streams: int, crypto: tuple[sdp.Crypto, ...]
    ) -> sdp.LocalMedia:
        saying = (negotiated, streams, crypto)
        if self._said is not None and self._said != saying:
            self._version += 1
        self._said = saying
        return sdp.LocalMedia(
            self._host, self._media.local[1], self._session_id, self._version, crypto
        )


def check_offer(offer: bytes, capabilities: sdp.Capabilities) -> None:
    """Whether an offer can be answered at all, before a port is taken for it.

    Raises `NoCommonCodec`, and `WireError` for what is no SDP.
    """
    if sdp.negotiate(sdp.parse(offer), capabilities) is None:
        raise NoCommonCodec
