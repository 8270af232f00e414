#!/bin/sh
# Takes away what install.sh has installed, and nothing else; `make uninstall-service` calls this.
#
#   PREFIX, DESTDIR  as for install.sh
#
# A file outside PREFIX that was changed since, such as the configuration, is kept and named. So are
# sessions and compiled code that the service has left.
set -eu

PREFIX=${PREFIX:-/opt/steno}
DESTDIR=${DESTDIR:-}
[ -z "$DESTDIR" ] || DESTDIR=$(realpath -m "$DESTDIR")
PROGRAM=$DESTDIR$PREFIX
LIST=$PROGRAM/installed

refuse() {
    echo "uninstall-service: expected $1, found $2${3:+; $3}" >&2
    exit 2
}

[ -n "$DESTDIR" ] || [ "$(id -u)" = 0 ] ||
    refuse "root" "$(id -un)" "sudo make uninstall-service"
[ -f "$LIST" ] ||
    refuse "an installation, with its list $LIST" "none" "PREFIX=… names another place"

systemd_runs() {
    [ -z "$DESTDIR" ] && [ -d /run/systemd/system ]
}

if systemd_runs; then
    # Each may have nothing to do, where somebody else took a unit away.
    systemctl disable --now --quiet stenod.socket stenod.service || true
    systemctl stop 'stenod@*.service' || true
    systemctl disable --quiet stenod@.service || true
fi
cd "$DESTDIR/"
while read -r sum file; do
    if [ ! -e "$file" ]; then
        continue
    elif echo "$sum  $file" | sha256sum --check --status; then
        rm "$file"
        echo "removed $DESTDIR/$file"
    else
        echo "kept $DESTDIR/$file: it was changed since"
    fi
done <"$LIST"
rmdir --ignore-fail-on-non-empty etc/steno 2>/dev/null || true
rm -r "$PROGRAM"
echo "removed $PROGRAM"
if systemd_runs; then
    systemctl daemon-reload
fi
for left in var/lib/private/steno* var/cache/private/steno*; do
    [ ! -e "$left" ] || echo "kept $DESTDIR/$left: what the service has left there"
done
