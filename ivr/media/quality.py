"""What a listener would say of a call: the E-model (ITU-T G.107), simplified for G.711."""

_R_BEST = 93.2  # G.107 with every parameter at its default
_PACKET_LOSS_ROBUSTNESS = 25.1  # Bpl of G.711 with packet loss concealment (G.113 appendix I)
_NETWORK_DELAY_MS = 50.0  # not measurable from one end; an ordinary path


def mean_opinion_score(loss: float, jitter_ms: float, ptime_ms: int) -> float:
    """MOS, 1.0 to 4.5, of a G.711 stream: `loss` is the share of packets lost (0 to 1).

    Delay is one packet, twice the jitter (what a jitter buffer adds) and an assumed network; loss
    counts as random (BurstR 1) and concealed by the receiver.
    """
    percent = 100 * min(max(loss, 0.0), 1.0)
    delay = ptime_ms + 2 * jitter_ms + _NETWORK_DELAY_MS
    delay_impairment = 0.024 * delay + max(0.0, 0.11 * (delay - 177.3))
    loss_impairment = 95 * percent / (percent + _PACKET_LOSS_ROBUSTNESS)
    rating = min(max(_R_BEST - delay_impairment - loss_impairment, 0.0), 100.0)
    score = 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6
    return round(min(max(score, 1.0), 4.5), 2)
