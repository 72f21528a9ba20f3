"""The figures of `benchmarks.suite` as pictures (matplotlib, extra `bench`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.calls import Run
from benchmarks.crowd import GAP_BIN
from benchmarks.short_calls import Figures as ShortCalls

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure(width: float, height: float) -> "Figure":
    """An empty picture, in inches. Raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("svg")
    # The same figures are to give the same file, and text is to stay text.
    matplotlib.rcParams.update({"svg.hashsalt": "figures", "svg.fonttype": "none"})
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def draw(runs: dict[str, Run], short_calls: Sequence[ShortCalls], folder: Path) -> list[Path]:
    """Draw into `folder`; the files. Raises ImportError without matplotlib."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []

    def picture(name: str, title: str, x: str, y: str) -> "Figure":
        drawn = figure(6.4, 4.0)
        axes = drawn.add_subplot(title=title, xlabel=x, ylabel=y)
        axes.grid(alpha=0.3)
        files.append(folder / f"{name}.svg")
        return drawn

    arrivals = picture(
        "arrivals", "How late packets come", "inter-arrival time, ms", "share of packets later"
    )
    for name, run in runs.items():
        run.report.heard.sort_gaps()
        gaps = run.report.heard.gaps
        later = 1 - np.cumsum(gaps) / max(1, gaps.sum())
        shown = int(np.searchsorted(-later, -1e-6)) + 1
        arrivals.axes[0].plot((np.arange(shown) + 1) * GAP_BIN * 1e3, later[:shown], label=name)
    arrivals.axes[0].set_yscale("log")
    arrivals.axes[0].axvline(25, color="grey", linestyle=":")
    arrivals.axes[0].legend()

    cpu = picture("cpu", "What a call costs", "", "ms of CPU per call-second")
    below = np.zeros(len(runs))
    parts = {part for run in runs.values() for part in run.figures.cpu_of_parts_ms}
    for part in sorted(parts):
        heights = np.array([run.figures.cpu_of_parts_ms.get(part, 0.0) for run in runs.values()])
        cpu.axes[0].bar([*runs], heights, bottom=below, label=part)
        below += heights
    cpu.axes[0].axhline(0.5, color="grey", linestyle=":")
    cpu.axes[0].legend()

    answers = picture(
        "answers", "From a key to the first sound of what it brings", "ms", "share of keys"
    )
    for name, run in runs.items():
        for what, times in (
            ("last digit of a secret", run.report.heard.verdicts),
            ("other keys", run.report.heard.answers),
        ):
            if times:
                answers.axes[0].ecdf(np.array(times) * 1e3, label=f"{name}, {what}")
    answers.axes[0].axvline(500, color="grey", linestyle=":")
    answers.axes[0].legend()

    set_up = picture("set_up", "Short calls", "calls a second", "from INVITE to 200, ms")
    rates = [figures.rate for figures in short_calls]
    for share in ("p50", "p95", "p99"):
        times = [getattr(figures, f"set_up_{share}_ms") for figures in short_calls]
        set_up.axes[0].plot(rates, times, marker="o", label=share)
    set_up.axes[0].axhline(20, color="grey", linestyle=":")
    set_up.axes[0].set_ylim(bottom=0)
    set_up.axes[0].legend()

    for drawn, file in zip((arrivals, cpu, answers, set_up), files, strict=True):
        drawn.savefig(file, metadata={"Date": None})
    return files
