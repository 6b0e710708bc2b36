# What .ci/run and .ci/local share: servers of their own, and words about what happens. Works with the bash of macOS.

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

# stage NAME COMMAND…: run it, and remember how long it took.
timings=""
stage() {
    local name="$1" began="$SECONDS"
    shift
    say "$name"
    "$@"
    timings="$timings$(printf '%5d s  %s' "$((SECONDS - began))" "$name")
"
}

print_timings() { printf '\nTimings so far:\n%s' "$timings"; }

free_port() {
    "$PYTHON_FOR_PORTS" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# --- servers: PostgreSQL and Redis of this run alone, on loopback, in a folder that goes when the run ends.

SERVERS=""
PG_BIN=""
PG_OWNER=""
REDIS_PID=""

find_postgres() {
    local folder
    for folder in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V -r) /opt/homebrew/opt/postgresql*/bin \
        /usr/local/opt/postgresql*/bin "$(dirname "$(command -v initdb 2>/dev/null || echo /nowhere/x)")"; do
        if [ -x "$folder/initdb" ] && [ -x "$folder/pg_ctl" ]; then
            PG_BIN="$folder"
            return 0
        fi
    done
    return 1
}

find_redis() { command -v redis-server >/dev/null 2>&1; }

servers_folder() { # in memory where there is plenty: emptying a hundred tables after a test then takes no time
    local parent="${TMPDIR:-/tmp}"
    if [ -z "$SERVERS" ]; then
        if [ "$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print int($4 / 1048576) }')" -ge 2 ] 2>/dev/null; then
            parent=/dev/shm
        fi
        SERVERS="$(mktemp -d "$parent/kwiga-servers.XXXXXX")"
        chmod 755 "$SERVERS"
    fi
}

as_pg_owner() {
    if [ -n "$PG_OWNER" ]; then
        (cd / && runuser -u "$PG_OWNER" -- "$@")
    else
        "$@"
    fi
}

start_postgres() { # sets DATABASE_URL
    local port
    servers_folder
    mkdir "$SERVERS/pg"
    if [ "$(id -u)" = 0 ]; then # PostgreSQL refuses to run as root
        PG_OWNER=postgres
        chown "$PG_OWNER" "$SERVERS/pg"
    fi
    as_pg_owner "$PG_BIN/initdb" -D "$SERVERS/pg/data" -A trust -U postgres --encoding=UTF8 --no-locale >"$SERVERS/initdb.log"
    port="$(free_port)"
    as_pg_owner "$PG_BIN/pg_ctl" -D "$SERVERS/pg/data" -l "$SERVERS/pg/log" -w -t 60 start >/dev/null -o \
        "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$SERVERS/pg -c max_connections=200"
    export DATABASE_URL="postgres://postgres@127.0.0.1:$port/postgres"
    echo "PostgreSQL ($("$PG_BIN/postgres" --version | sed 's/.*) //')) listens on 127.0.0.1:$port"
}

start_redis() { # sets REDIS_URL
    local port tries=0
    servers_folder
    mkdir "$SERVERS/redis"
    port="$(free_port)"
    redis-server --port "$port" --bind 127.0.0.1 --save "" --appendonly no --dir "$SERVERS/redis" >"$SERVERS/redis/log" 2>&1 &
    REDIS_PID=$!
    until redis-cli -h 127.0.0.1 -p "$port" ping >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -gt 100 ] || ! kill -0 "$REDIS_PID" 2>/dev/null; then
            echo "Redis did not start:" >&2
            cat "$SERVERS/redis/log" >&2
            return 1
        fi
        sleep 0.1
    done
    export REDIS_URL="redis://127.0.0.1:$port/0"
    echo "Redis listens on 127.0.0.1:$port"
}

stop_servers() {
    local status=$?
    if [ -n "$SERVERS" ]; then
        if [ -f "$SERVERS/pg/data/postmaster.pid" ]; then
            as_pg_owner "$PG_BIN/pg_ctl" -D "$SERVERS/pg/data" -m immediate stop >/dev/null 2>&1 || true
        fi
        if [ -n "$REDIS_PID" ]; then
            kill "$REDIS_PID" 2>/dev/null || true
            wait "$REDIS_PID" 2>/dev/null || true
        fi
        rm -rf "$SERVERS"
    fi
    return "$status"
}

# --- Pythons: every one from 3.11 on that this machine has and that runs, as "3.13 /path/to/python", oldest first.

find_pythons() {
    local found
    {
        ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python /usr/bin/python3.[0-9]* /usr/local/bin/python3.[0-9]* \
            /opt/homebrew/bin/python3.[0-9]* 2>/dev/null | grep -v config
        command -v python3
    } | while read -r found; do
        # With venv and ensurepip: Debian ships a python3 without them.
        "$found" -c 'import ensurepip, sys, venv
if sys.version_info >= (3, 11) and sys.version_info.releaselevel == "final":
    print("%d.%d" % sys.version_info[:2], sys.executable)' 2>/dev/null
    done | sort -t. -k1,1n -k2,2n -s | awk '!seen[$1]++'
}
