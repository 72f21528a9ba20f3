# Two commands on a fresh machine: `make run` (a server to ring) and `make test` (everything CI runs).
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: run test lint venv peers bench soak prompts clean

run: venv
	@$(BIN)/auth-core migrate
	@$(BIN)/auth-core demo
	@$(BIN)/ivr serve

test: venv peers
	$(BIN)/lint-imports
	$(BIN)/pytest -n 4 --maxschedchunk 2

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

bench: venv
	$(BIN)/python -m benchmarks.calls

# 2,000 random steps of the life of a secret; `make test` takes 200.
soak: venv
	LIFE_STEPS=2000 $(BIN)/pytest tests/auth_core/test_life.py

prompts: venv
	$(BIN)/ivr prompts build

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
