#!/bin/sh
# Install or upgrade the voice server on this machine, as root, from the folder this file is in:
# code in /opt/voice-server, the operator's files in /etc/voice-server (never overwritten), state in
# /var/lib/voice-server, the commands ivr and auth-core in /usr/local/bin, units of systemd. Starts
# nothing. `install.sh "[postgresql]"` adds extras.
set -eu

source=$(cd "$(dirname "$0")/.." && pwd)
code=/opt/voice-server
files=/etc/voice-server
state=/var/lib/voice-server
extras=${1:-}

[ "$(id -u)" = 0 ] || { echo "Run this as root." >&2; exit 1; }
"${PYTHON:=python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    { echo "Python 3.11 or newer is needed; name one: PYTHON=python3.11 sh $0" >&2; exit 1; }

getent passwd voice-server >/dev/null ||
    useradd --system --home-dir "$state" --no-create-home --shell /usr/sbin/nologin voice-server
install -d -m 0755 "$code"
install -d -m 0700 -o voice-server -g voice-server "$state"
install -d -m 0750 -g voice-server "$files"

# Files of another version, which pip would install with this one's.
rm -rf "$source/build"
[ -x "$code/venv/bin/pip" ] || "$PYTHON" -m venv "$code/venv"
"$code/venv/bin/pip" install --quiet --disable-pip-version-check -c "$source/constraints.txt" "$source$extras"
# The same version again, with other code: pip would leave it as it was.
"$code/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --force-reinstall "$source"
[ "$source" = "$code/src" ] || ln -sfn "$source" "$code/src"

# As the server does it: as its user, with its configuration and its environment.
for each in ivr auth-core; do
    cat >"/usr/local/bin/$each" <<EOF_OF_COMMAND
#!/bin/sh
cd $files || exit
[ -r environment ] && { set -a; . ./environment; set +a; }
[ "\$(id -u)" = 0 ] && exec runuser -u voice-server -- $code/venv/bin/$each "\$@"
exec $code/venv/bin/$each "\$@"
EOF_OF_COMMAND
    chmod 0755 "/usr/local/bin/$each"
done

# What is there is the operator's.
for each in config.yaml dialplans prompts schemas; do
    [ -e "$files/$each" ] || cp -R "$source/$each" "$files/$each"
done
[ -e "$files/var" ] || ln -s "$state" "$files/var" # relative paths of config.yaml lead there
chgrp voice-server "$files/config.yaml"
chmod 0640 "$files/config.yaml"

if [ -d /etc/systemd/system ]; then
    cp "$source"/deploy/systemd/voice-server* /etc/systemd/system/
    if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
fi
echo "Installed. Next: edit $files/config.yaml, then follow $code/src/docs/operator.md."
