"""A little of the fuzzer in every run, and everything that it ever found."""

import random
from pathlib import Path

import pytest

from tests.fuzz.damage import PIECES, TEXT
from tests.fuzz.running import TARGETS, fuzz
from tests.work import work

FINDS = sorted((Path(__file__).parent / "finds").glob("*/*"))
COUNTS = {"config.yaml": 12, "dialplan": 12}  # a thousandth of the speed of the others
TEXTS = [name for name, made in TARGETS.items() if made.ways is TEXT and name not in COUNTS]


@pytest.mark.parametrize("name", TARGETS)
def test_a_few_damaged_inputs_find_nothing(name: str) -> None:
    report = fuzz(TARGETS[name], COUNTS.get(name, 300), seed=1)
    assert [find.told for find in report.finds] == []
    assert report.read or name in COUNTS  # of a dozen files all may be broken
    assert report.refused


@pytest.mark.parametrize("name", TEXTS)
def test_work_grows_with_an_input_and_no_faster(name: str) -> None:
    target = TARGETS[name]()
    chance = random.Random(4475)
    for piece in PIECES:
        sample = chance.choice(target.samples)
        place = chance.randrange(len(sample))
        small, large = (
            work(lambda data=data: TARGETS[name]().feed(data))  # type: ignore[misc]
            for data in (sample[:place] + piece * times + sample[place:] for times in (200, 800))
        )
        assert large <= 4 * small + 200, (piece, place, sample)


@pytest.mark.parametrize("file", FINDS, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_what_was_found_once_is_no_find_any_more(file: Path) -> None:
    target = TARGETS[file.parent.name.replace("_", " ")]()
    target.feed(file.read_bytes())
    target.settle()
