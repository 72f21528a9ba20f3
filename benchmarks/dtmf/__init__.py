"""How well keys are heard in the sound: our detector, spandsp and multimon-ng on the same samples.

`python -m benchmarks.dtmf` prints the tables of `docs/dtmf.md` (`--json`: for machines). Every
corpus is generated from a fixed seed.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the media workers have it
