"""Whether 30 ms of sound are a DTMF digit: two steady sines, measured block by block.

Each block of 5 ms is fitted by least squares with the two frequencies of the likeliest digit, and
with the dial tones where they are heard. From the six complex amplitudes of each tone follow its
frequency (how fast the phase turns), its steadiness (each block against their mean) and how much
of the sound the two explain. A voice passes one of these tests now and then, and hardly ever all;
two notes may pass them together, and are told by their second harmonics.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ivr.media.stream import SAMPLE_RATE
from ivr.media.tone_blocks import (
    BLOCK,
    COSINES,
    DIAL_TONES,
    ENERGY,
    FREQUENCIES,
    HIGH_GROUP,
    LEAST_AMPLITUDE,
    LOW_GROUP,
    SINES,
    dial_energy,
)

WINDOW = 6
"""Blocks that a digit must fill: 30 ms, between the 20 ms that are none and the 40 ms that are."""

DIGITS = "123A456B789C*0#D"
"""The digit of low frequency i and high frequency j is number 4·i + j."""

DEVIATIONS = ((0.0, 0.010), (0.87, 0.0168), (0.95, 0.0225))
"""From which share of the tones on, how far off either frequency may be: 1.5 % must be heard, also
in noise, and 3.5 % must not (ITU-T Q.24). Music is most like keys where it is a little off."""
_FROM_SHARE, _ALLOWED = (np.array(column) for column in zip(*DEVIATIONS, strict=True))
_DIALLED_SHARE = 0.94  # counted at most where a dial tone was taken out: its bass could be music's
TWIST_DB = (-10.0, 8.0)
"""High group over low group, of which −8 to +6 dB must be heard."""
LEAST_SHARE = 0.78
"""Of the sound's energy, what the two tones explain: 5.5 dB over the noise."""
CLEAN_SHARE = 0.92
"""Of the sound's energy: with less, one window alone is not believed, and not if it is notes."""
MOST_HARMONIC = 0.4
"""Of what the two tones leave unexplained, what their second harmonics may be: noise has little of
it there, and a chord most (an overdriven line, which clips both ways alike, has odd ones)."""
LEAST_PART = 0.4
"""Of a tone's mean amplitude, what each block has."""
LEAST_COHERENCE = 0.8
"""Of a tone's energy, what lies at one frequency."""
LEAST_OVER_REST = 1.0
"""The weaker tone's power over all that the two do not explain."""

DIAL_WINDOW = 8
"""Blocks before a digit in which a dial tone is looked for."""
_DIAL_SHARE = 0.8  # of their energy

_PAIR_SHARE = 0.55  # of the energy of 10 ms, that lies at one low and one high frequency
_PAIR_TWIST = 25.0  # power ratio of the two

_LOW, _HIGH = len(DIAL_TONES), len(DIAL_TONES) + len(LOW_GROUP)
_OMEGA = 2 * np.pi * np.array(FREQUENCIES) / SAMPLE_RATE
_TURN = np.exp(-1j * _OMEGA * BLOCK).astype(np.complex64)  # of a tone's phase, in a block
_PER_AMPLITUDE = BLOCK / 2  # energy of a block over the square of a sine's amplitude


def _leaks() -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """(8, 8) each: what a tone of amplitude 1, and its conjugate, leave in a block's correlation
    with each second harmonic."""
    tones, overtones = _OMEGA[_LOW:, None, None], 2 * _OMEGA[None, _LOW:, None]
    near = np.exp(1j * (tones - overtones) * np.arange(BLOCK)).sum(axis=2) / 2
    far = np.exp(-1j * (tones + overtones) * np.arange(BLOCK)).sum(axis=2) / 2
    return near.astype(np.complex64), far.astype(np.complex64)


_NEAR, _FAR = _leaks()


class Verdict(IntEnum):
    """What a window is, from a digit to what is least like one."""

    DIGIT = 0
    TWIST = 1
    FREQUENCY = 2
    NOISE = 3
    SPEECH = 4


def _regressors(tones: tuple[int, ...]) -> NDArray[np.float64]:
    """(BLOCK, 2·n): what the real and imaginary parts of n tones' amplitudes make of a block."""
    phases = np.outer(np.arange(BLOCK), _OMEGA[list(tones)])
    return np.stack([np.cos(phases), -np.sin(phases)], axis=2).reshape(BLOCK, -1)


def _solvers() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Least squares of a block by its correlations, for each digit without and with dial tones:
    (16, 4, 4), (16, 8, 8), and the (4, 4) products of the dial tones' regressors."""
    plain: list[NDArray[np.float64]] = []
    dialled: list[NDArray[np.float64]] = []
    dial = tuple(range(_LOW))
    for digit in range(16):
        tones = (_LOW + digit // 4, _HIGH + digit % 4)
        for found, chosen in ((plain, tones), (dialled, (*tones, *dial))):
            regressors = _regressors(chosen)
            found.append(np.linalg.pinv(regressors.T @ regressors).astype(np.float64))
    dial_regressors = _regressors(dial)
    return (
        np.array(plain, np.float32),
        np.array(dialled, np.float32),
        (dial_regressors.T @ dial_regressors).astype(np.float32),
    )


_PLAIN, _DIALLED, _DIAL_PRODUCTS = _solvers()
_DIAL_SOLVER = np.linalg.inv(_DIAL_PRODUCTS.astype(np.float64)).astype(np.float32)


def _projections(blocks: NDArray[np.float32], tones: NDArray[np.int64]) -> NDArray[np.float32]:
    """(…, 2·n): products of blocks (…, WIDTH) with the regressors of `tones` (…, n)."""
    cosines = np.take_along_axis(blocks, COSINES + tones, axis=-1)
    sines = np.take_along_axis(blocks, SINES + tones, axis=-1)
    return np.stack([cosines, -sines], axis=-1).reshape(*tones.shape[:-1], -1)


def amplitudes(blocks: NDArray[np.float32], digits: NDArray[np.int64]) -> NDArray[np.complex64]:
    """(M, B, 2): amplitudes of the two tones of digits (M,) in each block of (M, B, WIDTH)."""
    tones = np.stack([_LOW + digits // 4, _HIGH + digits % 4], axis=1)
    tones = np.broadcast_to(tones[:, None], (*blocks.shape[:2], 2))
    solved = np.matmul(_projections(blocks, tones), _PLAIN[digits])
    return np.ascontiguousarray(solved).view(np.complex64)


def is_dial_tone(blocks: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(M,): whether blocks (M, B, WIDTH) are 350 and 440 Hz, one of them or both, and no more."""
    tones = np.broadcast_to(np.arange(_LOW), (*blocks.shape[:2], _LOW))
    products = _projections(blocks, tones)
    explained = np.einsum("mbi,ij,mbj->mb", products, _DIAL_SOLVER, products)
    energy = np.where(known, blocks[:, :, ENERGY], 0.0).sum(axis=1)
    share = np.where(known, explained, 0.0).sum(axis=1)
    least = known.sum(axis=1) * LEAST_AMPLITUDE**2 * _PER_AMPLITUDE
    verdict: NDArray[np.bool_] = (share > _DIAL_SHARE * energy) & (energy > least)
    verdict &= known.sum(axis=1) >= known.shape[1] // 2
    return verdict


def may_be_digit(blocks: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(M,): whether two blocks in a row (M, 2, WIDTH) look like tones; 10 ms tell more than 5."""
    found = blocks[:, :, COSINES + _LOW : SINES] - 1j * blocks[:, :, SINES + _LOW : ENERGY]
    pair = found[:, 0] + found[:, 1] * _TURN[_LOW:]
    power = pair.real**2 + pair.imag**2
    low, high = power[:, :4].max(axis=1), power[:, 4:].max(axis=1)
    dial = dial_energy(blocks.reshape(-1, blocks.shape[2]).T).reshape(-1, 2)
    rest = (blocks[:, :, ENERGY] - dial).sum(axis=1)
    verdict: NDArray[np.bool_] = low + high > _PAIR_SHARE * BLOCK * rest
    verdict &= (low < _PAIR_TWIST * high) & (high < _PAIR_TWIST * low)
    return verdict


@dataclass(frozen=True, slots=True)
class Fit:
    """What M windows are: `verdict` (`Verdict`), the likeliest `digit`, whether it is `clean`
    enough to be believed at once, and `amplitude` (M, 2)."""

    verdict: NDArray[np.int8]
    digit: NDArray[np.int64]
    clean: NDArray[np.bool_]
    amplitude: NDArray[np.float32]


def fit(
    blocks: NDArray[np.float32],
    overtones: NDArray[np.complex64],
    numbers: NDArray[np.int64],
    dial: NDArray[np.bool_],
) -> Fit:
    """Judge windows: blocks (M, B, WIDTH) and their overtones (M, B, 8), of ascending `numbers`
    (M, B); `dial` (M,): a dial tone is heard below."""
    digit = _likeliest(blocks, numbers)
    tones = np.stack([_LOW + digit // 4, _HIGH + digit % 4], axis=1)
    amplitude = amplitudes(blocks, digit)
    energy = blocks[:, :, ENERGY].sum(axis=1)
    dialled = np.flatnonzero(dial)
    if dialled.size:
        without, removed = _without_dial_tone(blocks[dialled], tones[dialled], digit[dialled])
        amplitude[dialled] = without
        energy[dialled] -= removed
    return _judge(amplitude, overtones, numbers, tones, energy, digit, dial)


def _likeliest(blocks: NDArray[np.float32], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The digit with the most energy, 10 ms at a time: 5 do not tell the frequencies apart."""
    found = blocks[:, :, COSINES + _LOW : SINES] - 1j * blocks[:, :, SINES + _LOW : ENERGY]
    turns = np.where(np.diff(numbers, axis=1) == 1, 1, 0)[:, :, None]
    pairs = found[:, :-1] + found[:, 1:] * _TURN[_LOW:] * turns
    power = (pairs.real**2 + pairs.imag**2).sum(axis=1)
    low = power[:, : len(LOW_GROUP)].argmax(axis=1)
    high = power[:, len(LOW_GROUP) :].argmax(axis=1)
    digits: NDArray[np.int64] = low * len(HIGH_GROUP) + high
    return digits


def _without_dial_tone(
    blocks: NDArray[np.float32], tones: NDArray[np.int64], digit: NDArray[np.int64]
) -> tuple[NDArray[np.complex64], NDArray[np.float32]]:
    """The digit's amplitudes with the dial tones fitted too, and the energy of these."""
    dial = np.broadcast_to(np.arange(_LOW), (len(tones), _LOW))
    all_tones = np.concatenate([tones, dial], axis=1)
    all_tones = np.broadcast_to(all_tones[:, None], (*blocks.shape[:2], all_tones.shape[1]))
    solved = np.matmul(_projections(blocks, all_tones), _DIALLED[digit])
    of_dial = solved[:, :, 4:]
    energy = np.einsum("mbi,ij,mbj->m", of_dial, _DIAL_PRODUCTS, of_dial)
    return np.ascontiguousarray(solved[:, :, :4]).view(np.complex64), energy


def _judge(
    amplitude: NDArray[np.complex64],
    overtones: NDArray[np.complex64],
    numbers: NDArray[np.int64],
    tones: NDArray[np.int64],
    energy: NDArray[np.float32],
    digit: NDArray[np.int64],
    dial: NDArray[np.bool_],
) -> Fit:
    since = numbers - numbers[:, :1]
    # To the phase that a tone of the nominal frequency had in the first block.
    turned = amplitude * np.exp(-1j * BLOCK * since[:, :, None] * _OMEGA[tones][:, None])
    next_to = (np.diff(numbers, axis=1) == 1)[:, :, None]
    steps = (turned[:, 1:] * turned[:, :-1].conj() * next_to).sum(axis=1)
    turn = np.angle(steps)  # per block
    deviation = np.abs(turn) / (BLOCK * _OMEGA[tones])
    turned = turned * np.exp(-1j * since[:, :, None] * turn[:, None])
    mean = turned.mean(axis=1)
    power = mean.real**2 + mean.imag**2
    each = turned.real**2 + turned.imag**2
    coherence = power / np.maximum(each.mean(axis=1), 1e-3)
    part = (turned * mean.conj()[:, None]).real / np.maximum(power, 1e-3)[:, None]
    explained = power * _PER_AMPLITUDE * numbers.shape[1]
    both = explained.sum(axis=1)
    energy = np.maximum(np.maximum(energy, both), 1e-3)
    rest = energy - both
    twist = 10 * np.log10(np.maximum(power[:, 1], 1e-3) / np.maximum(power[:, 0], 1e-3))

    loud = power.min(axis=1) >= LEAST_AMPLITUDE**2
    steady = (part.min(axis=(1, 2)) >= LEAST_PART) & (coherence.min(axis=1) >= LEAST_COHERENCE)
    share = both / energy
    share = np.where(dial, np.minimum(share, _DIALLED_SHARE), share)
    clean = (share >= LEAST_SHARE) & (explained.min(axis=1) >= LEAST_OVER_REST * rest)
    allowed = _ALLOWED[np.searchsorted(_FROM_SHARE, share, side="right") - 1]
    in_tune = deviation.max(axis=1) <= allowed
    in_balance = (twist >= TWIST_DB[0]) & (twist <= TWIST_DB[1])
    verdict = np.where(in_tune, np.int8(Verdict.NOISE), np.int8(Verdict.SPEECH))
    verdict[clean] = np.where(in_tune, Verdict.TWIST, Verdict.FREQUENCY)[clean]
    verdict[clean & in_tune & in_balance] = Verdict.DIGIT
    verdict[~(loud & steady)] = Verdict.SPEECH
    doubtful = np.flatnonzero((verdict == Verdict.DIGIT) & (share < CLEAN_SHARE))
    if doubtful.size:
        harmonic = _second_harmonics(
            overtones[doubtful], since[doubtful], tones[doubtful], mean[doubtful], turn[doubtful]
        )
        verdict[doubtful[harmonic > MOST_HARMONIC * rest[doubtful]]] = Verdict.SPEECH
    return Fit(verdict, digit, share >= CLEAN_SHARE, np.abs(mean).astype(np.float32))


def _second_harmonics(
    overtones: NDArray[np.complex64],
    since: NDArray[np.int64],
    tones: NDArray[np.int64],
    mean: NDArray[np.complex64],
    turn: NDArray[np.float32],
) -> NDArray[np.float32]:
    """(M,): energy at twice the frequencies of steady tones of amplitude `mean` (M, 2), whose phase
    gains `turn` (M, 2) a block over the nominal frequency's."""
    tones = tones - _LOW
    advance = since[:, :, None] * (BLOCK * _OMEGA[_LOW:][tones] + turn)[:, None]
    each = mean[:, None] * np.exp(1j * advance)
    found = np.take_along_axis(overtones, tones[:, None], axis=2)
    pairs = tones[:, :, None], tones[:, None]
    found = found - each @ _NEAR[pairs] - each.conj() @ _FAR[pairs]
    power = np.abs((found * np.exp(-2j * advance)).mean(axis=1) / _PER_AMPLITUDE) ** 2
    energy: NDArray[np.float32] = power.sum(axis=1) * _PER_AMPLITUDE * since.shape[1]
    return energy
