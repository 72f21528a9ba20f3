#!/bin/sh
# The voice server, and beside it the portal, which ends when the voice server has ended.
# usage: run.sh FOLDER_OF_THE_COMMANDS
set -u
"$1/portal" serve &
portal=$!
"$1/ivr" serve &
ivr=$!
trap 'kill -s TERM "$ivr"' TERM
trap 'kill -s INT "$ivr"' INT
wait "$ivr"
status=$?
while kill -0 "$ivr" 2>/dev/null; do # a signal came: the calls end first
    wait "$ivr"
    status=$?
done
kill -s TERM "$portal" 2>/dev/null
wait "$portal"
exit "$status"
