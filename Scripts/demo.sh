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

# Whether the process has the port: somebody else's server may have taken it meanwhile, and would answer as well.
listens() {
    local hexadecimal inode
    hexadecimal=$(printf ':%04X' "$2")
    while read -r _ address _ state _ _ _ _ _ inode _; do
        if [[ $state == 0A && $address == *"$hexadecimal" ]] &&
            find "/proc/$1/fd" -lname "socket:\[$inode\]" 2>/dev/null | grep -q .; then return; fi
    done < <(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null)
    return 1
}

# Until a server has its port and a command succeeds. Returns 1 when its process ended because the port was taken;
# fails with the stage's name when it ended otherwise or a minute is over.
await() {
    local stage=$1 process=$2 port=$3 log=$4 waited
    shift 4
    for ((waited = 0; waited < 600; waited++)); do
        if ! is_running "$process"; then
            if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then fail "$stage" "the server ended" "$log"; fi
            return 1
        fi
        if listens "$process" "$port" && "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    fail "$stage" "the server did not answer within a minute" "$log"
}

database() { mariadb --no-defaults -N -h 127.0.0.1 -P "$database_port" -u app -papp demo -e "$1"; }

# A server with a log of rows, as change data capture needs it. The second user is the capture's.
start_database() {
    local user=()
    if ((EUID == 0)); then user=(--user=root); fi
    # Temporary tables in a folder of their own: a server that starts deletes those it finds, of other servers too.
    # --force: a machine whose own name has no address, as a bare one, is good enough for a server on 127.0.0.1.
    mkdir "$folder/temporary"
    mariadb-install-db --no-defaults --force "${user[@]}" --datadir="$folder/database" --tmpdir="$folder/temporary" \
        --skip-test-db --auth-root-authentication-method=normal >"$folder/database.log" 2>&1 ||
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
    database_port=3306
    until
        database_port=$(free_port "$database_port")
        setsid "$mariadbd" --no-defaults "${user[@]}" --datadir="$folder/database" --tmpdir="$folder/temporary" \
            --socket=socket --pid-file="$folder/database.pid" --bind-address=127.0.0.1 --port="$database_port" \
            --skip-name-resolve \
            --server-id=1 --log-bin=binlog --binlog-format=ROW --binlog-row-image=FULL --default-time-zone=+00:00 \
            --innodb-buffer-pool-size=32M --init-file="$folder/users.sql" \
            </dev/null >>"$folder/database.log" 2>&1 &
        children+=($!)
        await database $! "$database_port" "$folder/database.log" database "SELECT 1"
    do :; done
    mariadb --no-defaults -h 127.0.0.1 -P "$database_port" -u app -papp <"$examples/customers-database.sql" ||
        fail database "the customers could not be written" "$folder/database.log"
}

start_search() {
    search_port=9200
    until
        search_port=$(free_port "$search_port")
        setsid "$search_program" start --data-dir "$folder/search" --host 127.0.0.1 --only elasticsearch \
            --elasticsearch-port "$search_port" </dev/null >"$folder/search.log" 2>&1 &
        children+=($!)
        await "search server" $! "$search_port" "$folder/search.log" \
            curl -fsS -m 3 "http://127.0.0.1:$search_port/_cluster/health"
    do :; done
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
