# Two commands on a fresh machine: `make run` (a server to ring, and its portal) and `make test` (everything CI runs).
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

# Hundreds of processes start in the tests; they need not compile all anew, whatever is set here.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test interop lint venv peers bench soak fuzz prompts clean

run: venv
	@$(BIN)/auth-core migrate
	@$(BIN)/auth-core demo
	@sh scripts/run.sh $(BIN)

test: venv peers
	$(BIN)/lint-imports
	$(BIN)/pytest -n 6 --maxschedchunk 2  # a few for each core: they wait for voices and timers

# What takes minutes: real peers, also over bad networks, and scanners. CI runs `make test` alone.
interop: venv
	@sh scripts/peers.sh interop
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[interop]'
	$(BIN)/pytest -m interop tests/interop

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.11 venv" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || \
		{ echo "python3 -m venv failed; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

# The real peers that the tests ring or measure against; see scripts/peers.sh.
peers:
	@sh scripts/peers.sh

# Every figure that the server is to reach, in some five minutes; wants a machine with nothing else
# to do. Pictures and JSON go to var/bench. `make soak` has the figure that takes longer.
bench: venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks.suite --output var/bench

# 2,000 random steps of the life of a secret on each database (`make test` takes 200 and 80), and
# 100,000 short calls.
soak: venv peers
	LIFE_STEPS=2000 $(BIN)/pytest tests/auth_core/test_life.py
	$(BIN)/python -m benchmarks.soak --calls 100000

# A million damaged inputs for everything that reads what others wrote; some ten minutes.
fuzz: venv
	$(BIN)/python -m tests.fuzz --count 1000000
	API_EXAMPLES=200 $(BIN)/pytest tests/portal/api/test_schemathesis.py

prompts: venv
	$(BIN)/ivr prompts build

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis .import_linter_cache
