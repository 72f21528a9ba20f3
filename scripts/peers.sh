#!/bin/sh
# Install the programs that the tests ring or measure against. Fails, naming what is missing, when it cannot.
# `peers.sh interop`: those of `make interop` too.
set -eu

# program:Debian package; a program that is not on the PATH is named whole, its version by a *
wanted="sipp:sip-tester espeak-ng:espeak-ng chromium:chromium /usr/lib/postgresql/*/bin/initdb:postgresql"
wanted="$wanted /usr/lib/*/libspandsp.so:libspandsp-dev multimon-ng:multimon-ng sox:sox baresip:baresip-core promtool:prometheus \
    systemd-analyze:systemd"
if [ "${1:-}" = interop ]; then
    wanted="$wanted linphonec:linphone-cli sipsak:sipsak kamailio:kamailio \
        /usr/lib/*/kamailio/modules/tls.so:kamailio-tls-modules"
fi

found() {
    for program in $1; do # unquoted: a pattern becomes the files that it names
        command -v "$program" >/dev/null 2>&1 && return 0
    done
    return 1
}

missing=""
for pair in $wanted; do
    found "${pair%%:*}" || missing="$missing ${pair##*:}"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root="sudo"
else
    echo "The tests need these Debian packages:$missing" >&2
    echo "Install them as root: apt-get install$missing" >&2
    exit 1
fi
echo "Installing the tests' peers:$missing"
log=$(mktemp)
if ! { $as_root apt-get update && $as_root apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -5 "$log" >&2
    echo "apt-get could not install:$missing (whole log: $log)" >&2
    exit 1
fi
rm -f "$log"
