"""Input from nobody: a seeded fuzzer for everything that reads what others wrote.

`python -m tests.fuzz --count 1000000 --seed 1` runs it whole; `make test` runs a little of it.
"""
