#!/bin/sh
# Installs Steno as a service of the system; `make install-service` calls this.
#
#   PREFIX     where the program goes (/opt/steno)
#   DESTDIR    put before every path, for packages and trials; systemd is left alone then
#   PYTHON     interpreter of the program's virtual environment (python3)
#   PIP_FLAGS  for pip install, such as --extra-index-url https://download.pytorch.org/whl/cpu
#
# A second run updates the program and the units, and keeps the configuration. What was put outside
# PREFIX stands in PREFIX/installed with its SHA-256: by that list uninstall.sh takes it away.
set -eu
umask 022
cd "$(dirname "$0")/.."

PREFIX=${PREFIX:-/opt/steno}
DESTDIR=${DESTDIR:-}
[ -z "$DESTDIR" ] || DESTDIR=$(realpath -m "$DESTDIR")
PYTHON=${PYTHON:-python3}
PROGRAM=$DESTDIR$PREFIX
LIST=$PROGRAM/installed
UNITS=etc/systemd/system
CONFIG=etc/steno/stenod.toml

refuse() {
    echo "install-service: expected $1, found $2${3:+; $3}" >&2
    exit 2
}

[ -n "$DESTDIR" ] || [ "$(id -u)" = 0 ] ||
    refuse "root" "$(id -un)" "sudo make install-service"
case $PREFIX in
    /home/* | /root/* | /run/user/* | /tmp/* | /var/tmp/*)
        refuse "a PREFIX that services can read" "$PREFIX" "PREFIX=/opt/steno" ;;
    */ | *[!A-Za-z0-9/._-]*) refuse "a plain path as PREFIX" "$PREFIX" ;;
    /*/*) ;;
    *) refuse "a directory of its own as PREFIX" "$PREFIX" "PREFIX=/opt/steno" ;;
esac
if [ -e "$PROGRAM" ] && [ ! -e "$LIST" ] && [ -n "$(ls -A "$PROGRAM")" ]; then
    refuse "a new or empty directory, or Steno, as PREFIX" "something else in $PROGRAM"
fi
interpreter=$("$PYTHON" -c 'import os, sys; print(os.path.realpath(sys.executable))')
case $interpreter in
    /home/* | /root/*)
        refuse "a Python that services can read" "$interpreter" "PYTHON=/usr/bin/python3" ;;
esac

echo "the program: $PROGRAM"
mkdir -p "$PROGRAM"
touch "$LIST" # from here on the directory is ours
"$PYTHON" -m venv "$PROGRAM"
# shellcheck disable=SC2086 # flags are several words
"$PROGRAM/bin/pip" install --quiet ${PIP_FLAGS:-} -c constraints.txt '.[daemon,microphone,mqtt,zeroconf]'
if [ -n "$DESTDIR" ]; then # programs name their interpreter by the path that it will have
    find "$PROGRAM/bin" -type f -exec sed -i "1s|^#!$PROGRAM/|#!$PREFIX/|" {} +
fi
mkdir -p "$PROGRAM/share/doc/steno"
cp -R systemd/examples systemd/haproxy.cfg systemd/stenod.toml "$PROGRAM/share/doc/steno/"
sed -i "s|/opt/steno|$PREFIX|g" "$PROGRAM/share/doc/steno/examples"/*
[ ! -e systemd/grafana-dashboard.json ] ||
    cp systemd/grafana-dashboard.json "$PROGRAM/share/doc/steno/"

mkdir -p "$DESTDIR/$UNITS" "$DESTDIR/$(dirname "$CONFIG")"
for unit in stenod.service stenod@.service stenod.socket; do
    echo "the unit: $DESTDIR/$UNITS/$unit"
    sed "s|/opt/steno|$PREFIX|g" "systemd/$unit" >"$DESTDIR/$UNITS/$unit"
    chmod 644 "$DESTDIR/$UNITS/$unit"
done
if [ -e "$DESTDIR/$CONFIG" ]; then
    echo "the configuration: $DESTDIR/$CONFIG is kept as it is"
else
    echo "the configuration: $DESTDIR/$CONFIG"
    cp systemd/stenod.toml "$DESTDIR/$CONFIG"
    chmod 644 "$DESTDIR/$CONFIG"
fi

cd "$DESTDIR/"
config_line=$(grep " $CONFIG\$" "$LIST" || true) # of the run that brought it
if [ -z "$config_line" ] && cmp -s "$CONFIG" "$OLDPWD/systemd/stenod.toml"; then
    config_line=$(sha256sum "$CONFIG")
fi
{
    sha256sum "$UNITS/stenod.service" "$UNITS/stenod@.service" "$UNITS/stenod.socket"
    [ -z "$config_line" ] || echo "$config_line"
} >"$LIST.new"
mv "$LIST.new" "$LIST"

if [ -z "$DESTDIR" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    echo "next: systemctl enable --now stenod.socket stenod.service"
    echo "      systemctl restart stenod, where it runs already"
fi
