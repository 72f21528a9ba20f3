"""Long tests with real peers, run by `make interop`; `make test` leaves them out."""
