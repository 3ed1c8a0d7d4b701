#!/usr/bin/env bash
# The talk in full, behind `./dev demo`: a MariaDB server with the customers and a search server, both in a temporary
# folder, and the pipeline `talk` of `swiftwater demo` between them. Customers change while it runs. Ctrl-C ends it, and
# nothing is left.
#
#   Scripts/demo.sh PROGRAM SEARCH_SERVER [OPTIONS of swiftwater demo, as --once or --tour]
set -euo pipefail

if (($# < 2)); then
    echo "usage: Scripts/demo.sh PROGRAM SEARCH_SERVER [--once] [--tour] [OPTIONS of swiftwater demo]" >&2
    exit 2
fi
program=$1 search_program=$2
shift 2
examples=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../Examples/demo")
mariadbd=$(command -v mariadbd || echo /usr/sbin/mariadbd)

for needed in "$program" "$search_program" "$mariadbd" "$(command -v mariadb || echo mariadb)" \
    "$(command -v mariadb-install-db || echo mariadb-install-db)"; do
    if [[ ! -x $needed ]]; then
        echo "$needed is not here: ./dev demo installs it" >&2
        exit 1
    fi
done

folder=$(mktemp -d "${TMPDIR:-/tmp}/swiftwater-demo.XXXXXX")
children=()

# Whether a process runs. Read from the kernel: bash's `wait` may wait for ever in a trap, for a child that is gone.
is_running() {
    local line
    { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
    line=${line##*) }
    [[ ${line:0:1} != [ZX] ]]
}

# Ends a process; one that has not ended after ten seconds is killed.
end() {
    local signal waited
    for signal in TERM KILL; do
        is_running "$1" || return 0
        kill -"$signal" "$1" 2>/dev/null || true
        for ((waited = 0; waited < 200; waited++)); do
            is_running "$1" || return 0
            sleep 0.05
        done
    done
}

# Ends what was started, newest first, and takes the folder away; whatever made the script end.
clean_up() {
    local status=$? index
    trap '' INT TERM HUP
    for ((index = ${#children[@]} - 1; index >= 0; index--)); do end "${children[index]}"; done
    rm -rf "$folder"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 0' INT TERM HUP

fail() {
    echo "stage '$1' failed: $2" >&2
    if [[ -f ${3:-} ]]; then tail -n 20 "$3" >&2; fi
    exit 1
}

# The port, or the first free one after it.
free_port() {
    local port=$1
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}

# Until a command succeeds; fails with the stage's name when its process ends or a minute is over.
await() {
    local stage=$1 process=$2 log=$3 waited
    shift 3
    for ((waited = 0; waited < 600; waited++)); do
        if "$@" >/dev/null 2>&1; then return; fi
        kill -0 "$process" 2>/dev/null || fail "$stage" "the server ended" "$log"
        sleep 0.1
    done
    fail "$stage" "the server did not answer within a minute" "$log"
}

database_port=$(free_port 3306)
search_port=$(free_port 9200)
database() { mariadb --no-defaults -N -h 127.0.0.1 -P "$database_port" -u app -papp demo -e "$1"; }

# A server with a log of rows, as change data capture needs it. The second user is the capture's.
start_database() {
    local user=()
    if ((EUID == 0)); then user=(--user=root); fi
    mariadb-install-db --no-defaults "${user[@]}" --datadir="$folder/database" --skip-test-db \
        --auth-root-authentication-method=normal >"$folder/database.log" 2>&1 ||
        fail database "mariadb-install-db failed" "$folder/database.log"
    cat >"$folder/users.sql" <<'SQL'
CREATE USER 'app'@'127.0.0.1' IDENTIFIED BY 'app';
GRANT ALL ON *.* TO 'app'@'127.0.0.1';
CREATE USER 'dbz'@'127.0.0.1' IDENTIFIED BY 'dbz';
GRANT SELECT, RELOAD, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'dbz'@'127.0.0.1';
CREATE DATABASE demo;
SQL
    # A session of its own: a Ctrl-C is the demonstration's, which ends the server when it does no longer need it. The
    # socket's name is relative to the server's folder, as names of sockets have to be short.
    setsid "$mariadbd" --no-defaults "${user[@]}" --datadir="$folder/database" --socket=socket \
        --pid-file="$folder/database.pid" --bind-address=127.0.0.1 --port="$database_port" --skip-name-resolve \
        --server-id=1 --log-bin=binlog --binlog-format=ROW --binlog-row-image=FULL --default-time-zone=+00:00 \
        --innodb-buffer-pool-size=32M --init-file="$folder/users.sql" </dev/null >>"$folder/database.log" 2>&1 &
    children+=($!)
    await database $! "$folder/database.log" database "SELECT 1"
    mariadb --no-defaults -h 127.0.0.1 -P "$database_port" -u app -papp <"$examples/customers-database.sql" ||
        fail database "the customers could not be written" "$folder/database.log"
}

start_search() {
    setsid "$search_program" start --data-dir "$folder/search" --host 127.0.0.1 --only elasticsearch \
        --elasticsearch-port "$search_port" </dev/null >"$folder/search.log" 2>&1 &
    children+=($!)
    await "search server" $! "$folder/search.log" curl -fsS -m 3 "http://127.0.0.1:$search_port/_cluster/health"
}

# Customers rise to platinum and fall again, once somebody follows the log.
change_customers() {
    local ids=(1 3 7 11) before=(bronze silver bronze gold) round=0 at change
    until [[ $(database "SELECT COUNT(*) FROM information_schema.processlist
        WHERE user = 'dbz' AND command = 'Binlog Dump'" 2>/dev/null) -gt 0 ]]; do sleep 0.2; done
    while :; do
        # A second, without a process that would outlive this one.
        read -r -t 1 <> <(:) || true
        at=$((round % ${#ids[@]}))
        change="UPDATE CUSTOMERS SET club_status = 'platinum' WHERE id = ${ids[at]}"
        if ((round / ${#ids[@]} % 2 == 1)); then
            change="UPDATE CUSTOMERS SET club_status = '${before[at]}' WHERE id = ${ids[at]}"
        fi
        database "$change" 2>/dev/null && echo "  in the database: $change"
        round=$((round + 1))
    done
}

start_database
start_search
echo "The database is at 127.0.0.1:$database_port: mariadb -h 127.0.0.1 -P $database_port -u app -papp demo"
echo "The search server is at http://127.0.0.1:$search_port/ratings-enriched/_search"
echo
change_customers &
children+=($!)
# In the background, because bash hears a signal while it waits, but not while it runs something; with the terminal's
# input, for the tour.
"$program" demo --pipeline talk --define "mysql_port=$database_port" \
    --define "search=http://127.0.0.1:$search_port" "$@" <&0 &
children+=($!)
wait $!
