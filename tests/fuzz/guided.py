"""The same targets under atheris (libFuzzer), which looks for inputs that reach new code.

    pip install -c constraints.txt -e '.[fuzz]'
    python -m tests.fuzz.guided "user agent" -max_total_time=3600

What follows the name is libFuzzer's. The corpus grows in `var/fuzz/corpus/`; a find lands in
`var/fuzz/` as `crash-…`: give it a name of what is wrong and a place under `tests/fuzz/finds/`.
What shows only when the timers run out is of an input before: those are in `var/fuzz/block/`.
"""

import hashlib
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ivr", "auth_core"]):
    from tests.fuzz.running import BLOCK, TARGETS

FOLDER = Path("var/fuzz")


def main() -> None:
    name, *options = sys.argv[1:]
    target = TARGETS[name]()
    corpus = FOLDER / "corpus" / name.replace(" ", "_")
    corpus.mkdir(parents=True, exist_ok=True)
    for sample in target.samples:
        (corpus / hashlib.sha256(sample).hexdigest()).write_bytes(sample)
    block: list[bytes] = []

    def feed(data: bytes) -> None:
        block.append(data)
        target.feed(data)
        if not target.over and len(block) < BLOCK:
            return
        try:
            target.settle()
        except Exception:
            folder = FOLDER / "block"
            folder.mkdir(exist_ok=True)
            for number, one in enumerate(block):
                (folder / f"{number:04}").write_bytes(one)
            raise
        block.clear()

    atheris.Setup([sys.argv[0], f"-artifact_prefix={FOLDER}/", *options, str(corpus)], feed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
