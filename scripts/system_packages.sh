#!/bin/sh
# Install what Debian or Ubuntu must provide: `runtime` (libgomp1, for LightGBM), `test` (PostgreSQL, Redis, Chromium), or
# packages by name. Called by setup.sh and the Makefile. One line per thing that cannot be installed; then status 1.
set -eu

say() { echo "system: $*" >&2; }

have_gomp() { ldconfig -p 2>/dev/null | grep -q 'libgomp\.so\.1' || ls /usr/lib/*/libgomp.so.1 >/dev/null 2>&1; }
have_postgres() { command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; }
have_redis() { # Debian's server is this program under another name, in a package that installs no service
    command -v redis-server >/dev/null || command -v redis-check-rdb >/dev/null
}
have_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_install() {
    command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true; } 2>/dev/null
}

apt_install() { # $1 package, $2 what it is for
    if ! can_install; then
        say "$1 is missing ($2): as root, run \`apt-get install $1\`"
        return 1
    fi
    say "installing $1 ($2)"
    log=$(mktemp)
    set -- "$@" DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends "$1"
    name=$1
    purpose=$2
    shift 2
    # Package lists may be absent (containers) or old: refresh them when the first try fails.
    if as_root env "$@" </dev/null >"$log" 2>&1 ||
        { as_root apt-get update --quiet </dev/null >>"$log" 2>&1; as_root env "$@" </dev/null >"$log" 2>&1; }; then
        rm -f "$log"
    else
        say "$name is missing ($purpose) and apt-get cannot install it: $(grep -m1 '^E:' "$log" || tail -n1 "$log")"
        rm -f "$log"
        return 1
    fi
}

install_postgres() { # the programs only: tests start servers of their own, in temporary folders
    folder=/etc/postgresql-common/createcluster.d
    conf=$folder/enterprisehub-no-cluster.conf
    if can_install; then
        as_root mkdir -p "$folder"
        echo 'create_main_cluster = false' | as_root tee "$conf" >/dev/null
    fi
    apt_install postgresql "the tests run on it too; they skip that half without it" && status=0 || status=1
    if can_install; then as_root rm -f "$conf"; fi
    return $status
}

status=0
for wanted in "$@"; do
    case $wanted in
        runtime) have_gomp || apt_install libgomp1 "LightGBM needs it" || status=1 ;;
        test)
            have_gomp || apt_install libgomp1 "LightGBM needs it" || status=1
            have_postgres || install_postgres || status=1
            have_redis || apt_install redis-tools "the tests of several processes need it; they skip without it" || status=1
            have_browser || apt_install chromium "the screens are tested in it; those tests skip without it" || status=1
            ;;
        has-postgres) have_postgres || status=1 ;;
        has-redis) have_redis || status=1 ;;
        has-browser) have_browser || status=1 ;;
        *) apt_install "$wanted" "Python needs it" || status=1 ;;
    esac
done
exit $status
