"""The figures of the corpora as one picture (matplotlib, extra `bench`)."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.dtmf.scoring import Score
from benchmarks.plots import figure

PANELS = (
    ("signal to noise, dB", "white noise"),
    ("both frequencies off by, %", "frequency"),
    ("twist, dB", "twist"),
    ("tone, ms", "length of a tone"),
    ("packets lost, %; tones of 50 ms", "loss, tones of 50 ms"),
    ("a voice below, dB under the key", "a voice below the key"),
)


def draw(scores: Sequence[Score], file: Path) -> None:
    """Digits heard over what is varied, a panel for each limit that was measured.

    Raises ImportError without matplotlib.
    """
    panels = [
        (limit, title, found)
        for limit, title in PANELS
        if (found := [score for score in scores if score.limit == limit])
    ]
    rows = -(-len(panels) // 2)
    picture = figure(8.0, 2.8 * rows)
    for place, (limit, title, found) in enumerate(panels):
        axes = picture.add_subplot(rows, 2, place + 1, title=title, xlabel=limit)
        axes.set_ylabel("digits heard, %")
        axes.set_ylim(-4, 104)
        axes.grid(alpha=0.3)
        for name in dict.fromkeys(score.receiver for score in found):
            of_one = [score for score in found if score.receiver == name]
            axes.plot(
                [float(score.value) for score in of_one],
                [score.percent for score in of_one],
                marker=".",
                label=name,
            )
    if panels:
        picture.axes[0].legend()
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(file, metadata={"Date": None})
