#!/usr/bin/env bash
# Benchmarks; called by `./dev bench`, which has checked the toolchain.
#
#   ./dev bench                     micro, and compare where the kit is there
#   ./dev bench micro [NAME...]     the loops of our own code (Benchmarks/Microbench)
#   ./dev bench schemas [NAME...]   Avro, Protobuf, JSON and JSON Schema (Benchmarks/Schemas)
#   ./dev bench sql-formats [NAME...]
#                                   records to columns and back in the formats of streaming SQL (Benchmarks/Formats)
#   ./dev bench sql-functions [NAME...]
#                                   scalar and aggregate functions (Benchmarks/Functions)
#   ./dev bench sql-engine [Q1...]  the kit's queries in process, and state tables (Benchmarks/Engine)
#   ./dev bench sql-runtime [PART...] [--records N] [--rows N]
#                                   queries on the broker of their process, and over HTTP (Benchmarks/Runtime,
#                                   Benchmarks/sql_server.py): flow, latency, pull, idle, restore
#   ./dev bench compaction [OPTION...]
#                                   speed and memory of compaction, and a producer beside it (Benchmarks/Compaction)
#   ./dev bench compare [OPTION...] side by side with other brokers; options of the kit's compare.py
#   ./dev bench coordination        groups and transactions: latencies, heartbeats, throughput
#   ./dev bench registry            the schema registry: registrations, look-ups, start, memory
#   ./dev bench security            what TLS, SASL and ACLs take of the broker
#   ./dev bench connect [PART...]   the Connect worker and its connectors: cdc, big, sources, sinks, start
#   ./dev bench console [PART...]   the console with 1000 topics, 200 queries, 50 connectors: api, pages, tail, demo
#   ./dev bench pipeline [talk] [--seconds N]
#                                   the demonstration at full speed, alone or with a database and a search server
#   ./dev bench targets             only writes the list of brokers that compare would measure
#
# The kit is bench/broker in the folder SWIFTWATER_SHARED (../shared by default). SWIFTWATER_BENCH_DIR (.build/bench by
# default) gets its load generators, the peers it installs and all data. Results, with a description of the machine,
# go to Benchmarks/results.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=${SWIFTWATER_BUILD_DIR:-.build}
release=$build-release
shared=${SWIFTWATER_SHARED:-../shared}
mkdir -p "${SWIFTWATER_BENCH_DIR:=$build/bench}" Benchmarks/results
scratch=$(cd "$SWIFTWATER_BENCH_DIR" && pwd)
results=$PWD/Benchmarks/results
stamp=$(date -u +%Y-%m-%d)-$(git rev-parse --short HEAD)

build_product() {
    SWIFTWATER_LINK=static swift build -c release --scratch-path "$release" --product "$1" >&2
    program=$(cd "$release/release" && pwd)/$1
}

machine() {
    local changed=""
    git diff --quiet HEAD -- Sources Package.swift || changed=" with uncommitted changes"
    echo "| | |"
    echo "|---|---|"
    echo "| processor | $(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -1), $(nproc) cores |"
    echo "| memory | $(awk '/^MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo) |"
    echo "| kernel | $(uname -sr) |"
    echo "| swift | $(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9.]*\).*/\1/p' | head -1), release build |"
    echo "| date | $(date -u '+%Y-%m-%d %H:%M UTC') |"
    echo "| revision | $(git rev-parse --short HEAD)$changed |"
}

# Loops that print a line each: PRODUCT NAME TITLE [ARG...].
loops() {
    build_product "$1"
    local name=$2 title=$3
    shift 3
    local file=$results/$stamp-$name.md output
    output=$("$program" "$@" | tee >(cat >&2))
    {
        echo "# $title"
        echo
        machine
        echo
        echo '`./dev bench '"$name${*:+ $*}"'`: name, best of five runs, checksum of what was computed.'
        echo
        echo '```'
        printf '%s\n' "$output"
        echo '```'
    } >"$file"
    echo "written to $file" >&2
}

micro() { loops Microbench micro "Micro benchmarks" "$@"; }

schemas() { loops SchemaBench schemas "Formats of schemas" "$@"; }

sql_formats() { loops FormatBench sql-formats "Formats of streaming SQL" "$@"; }

sql_functions() { loops FunctionBench sql-functions "Functions of streaming SQL" "$@"; }

# What the kit generates, once: in the folder that $data names.
sql_data() {
    data=$scratch/sql-data
    [[ -f $shared/bench/sql/generate.py ]] || {
        echo "./dev bench $1 needs the bench kit: SWIFTWATER_SHARED=FOLDER, with it in FOLDER/bench/sql" >&2
        exit 1
    }
    [[ -f $data/ratings.jsonl ]] || python3 "$shared/bench/sql/generate.py" --n 1000000 --out "$data" >&2
}

# Queries over the data that the kit generates; without queries state tables as well.
sql_engine() {
    local data file=$results/$stamp-sql-engine.md output
    sql_data sql-engine
    build_product EngineBench
    output=$(
        (($#)) || "$program" state
        "$program" "$data" "$@"
    )
    {
        echo "# Streaming SQL in process, from JSON to JSON (Q1-avro: Avro to Avro), one thread"
        echo
        machine
        echo
        echo '`./dev bench sql-engine'"${*:+ $*}"'`: 1 M ratings of the kit; CPU seconds per million input records.'
        echo
        echo '```'
        printf '%s\n' "$output"
        echo '```'
    } | tee "$file"
    echo "written to $file" >&2
}

# Queries on a broker: of their own process first, then of the whole program, by the kit's data.
sql_runtime() {
    local data file=$results/$stamp-sql-runtime.md output="" table part
    sql_data sql-runtime
    build_product RuntimeBench
    local parts=() word
    for word in "$@"; do [[ $word =~ ^[a-z]+$ ]] && parts+=("$word"); done
    ((${#parts[@]})) || parts=(flow latency pull idle restore)
    for part in "${parts[@]}"; do output+=$("$program" "$part" | tee >(cat >&2))$'\n'; done
    build_product swiftwater
    table=$(SWIFTWATER_BIN=$program "${SWIFTWATER_PYTHON:-python3}" Benchmarks/sql_server.py "$data" "$@")
    {
        echo "# Streaming SQL on a broker"
        echo
        machine
        echo
        echo '`./dev bench sql-runtime'"${*:+ $*}"'`: the whole program, its clients on the same machine.'
        echo
        printf '%s\n' "$table"
        echo
        echo "Runtime and broker in one process, without HTTP (RuntimeBench):"
        echo
        echo '```'
        printf '%s' "$output"
        echo '```'
    } >"$file"
    printf '%s\n' "$table"
    echo "written to $file" >&2
}

compaction() {
    build_product CompactionBench
    local file=$results/$stamp-compaction.md folder=$scratch/compaction output="" options
    for options in "--value 1000" "--value 100" "--value 100 --codec lz4"; do
        # shellcheck disable=SC2086  # options are words
        output+=$("$program" --folder "$folder" $options "$@" | tee >(cat >&2))$'\n\n'
    done
    {
        echo "# Compaction"
        echo
        machine
        echo
        echo '`./dev bench compaction'"${*:+ $*}"'`: a log is cleaned while a producer appends to another and waits for the disk.'
        echo
        echo '```'
        printf '%s\n' "${output%$'\n\n'}"
        echo '```'
    } >"$file"
    echo "written to $file" >&2
}

# Our row, then those peers of the kit's list whose program is there.
write_targets() {
    python3 - "$shared/bench/broker/targets.example.json" "$1" "$program" "$scratch" <<'EOF'
import json, os, shutil, socket, sys

example, output, program, scratch = sys.argv[1:]
data = f"{scratch}/swiftwater"
targets = [{
    "name": "swiftwater",
    "start": f"{program} start --data-dir {data} --kafka 127.0.0.1:29095",
    "fresh": f"rm -rf {data}", "bootstrap": "127.0.0.1:29095", "data": data,
}]


def is_taken(address):
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        return bool(port) and probe.connect_ex((host, int(port))) == 0


for peer in json.load(open(example)):
    words = peer["start"].replace("${SCRATCH}", scratch).split()
    needed = words[:1] if words[0] != "sh" else ["rabbitmq-server", words[1]]
    if is_taken(peer["bootstrap"]):
        print(f"{peer['name']} is left out: something else listens on {peer['bootstrap']}", file=sys.stderr)
    elif all(shutil.which(word) or os.access(word, os.R_OK) and "/" in word for word in needed):
        targets.append(peer)
    else:
        print(f"{peer['name']} is not installed and is left out", file=sys.stderr)
json.dump(targets, open(output, "w"), indent=1)
EOF
}

compare() {
    local kit=$shared/bench/broker/kit.sh targets=$scratch/targets.json table name=$stamp-compare
    [[ -f $kit ]] || {
        echo "./dev bench: there is no $kit; name the folder that has bench/broker in SWIFTWATER_SHARED" >&2
        exit 1
    }
    build_product swiftwater
    export SCRATCH=$scratch
    if [[ ! -x $scratch/kraw ]]; then
        echo "setting up the kit in $scratch" >&2
        sh "$kit" setup
    fi
    write_targets "$targets"
    table=$(sh "$kit" run "$targets" --out "$results/$name.json" "$@")
    {
        echo "# Side by side with other brokers"
        echo
        machine
        echo
        echo '`./dev bench compare'"${*:+ $*}"'`'
        echo
        printf '%s\n' "$table"
    } >"$results/$name.md"
    printf '%s\n' "$table"
    echo "written to $results/$name.md" >&2
}

# A script of this folder that prints a table, on the release program: SCRIPT TITLE SENTENCE ARGUMENTS [OPTION...], where
# ARGUMENTS are those of ./dev bench.
table() {
    build_product swiftwater
    local name=$1 title=$2 sentence=$3 arguments=$4 file table
    shift 4
    file=$results/$stamp-$name.md
    table=$(SWIFTWATER_BIN=$program "${SWIFTWATER_PYTHON:-python3}" "Benchmarks/$name.py" "$@")
    {
        echo "# $title"
        echo
        machine
        echo
        echo '`./dev bench '"$name${arguments:+ $arguments}"'`: '"$sentence"
        echo
        printf '%s\n' "$table"
    } >"$file"
    printf '%s\n' "$table"
    echo "written to $file" >&2
}

coordination() {
    table coordination "Groups and transactions" "one broker, one client machine that is the same machine." "$*" "$@"
}

registry() { table registry "The schema registry" "one node and its clients, in Python, on one machine." "$*" "$@"; }

security() { table security "Security of the broker" "the program and clients of librdkafka on one machine." "$*" "$@"; }

connect() {
    table connect "The Connect worker and its connectors" "the program, databases and clients on one machine." "$*" "$@"
}

console() { table console "The web console" "the program and Chromium on one machine." "$*" "$@"; }

pipeline() {
    local servers=() arguments="$*"
    if [[ ${1:-} == talk ]]; then
        shift
        servers=("$(find "$build/demo-venv" -path '*/noida_db/noida-db' -type f 2>/dev/null | head -1)")
        if [[ -z ${servers[0]} ]]; then
            echo "there is no search server: ./dev demo --once installs it" >&2
            return 1
        fi
    fi
    table pipeline "The demonstration with its generator at full speed" \
        "everything on one machine; a lag counts what is not committed yet." "$arguments" "${servers[@]}" "$@"
}

case ${1:-all} in
all)
    micro
    if [[ -f $shared/bench/broker/kit.sh ]]; then compare; fi
    ;;
micro)
    shift
    micro "$@"
    ;;
compaction)
    shift
    compaction "$@"
    ;;
compare)
    shift
    compare "$@"
    ;;
coordination)
    shift
    coordination "$@"
    ;;
schemas)
    shift
    schemas "$@"
    ;;
sql-formats)
    shift
    sql_formats "$@"
    ;;
sql-functions)
    shift
    sql_functions "$@"
    ;;
sql-engine)
    shift
    sql_engine "$@"
    ;;
sql-runtime)
    shift
    sql_runtime "$@"
    ;;
registry)
    shift
    registry "$@"
    ;;
security)
    shift
    security "$@"
    ;;
connect)
    shift
    connect "$@"
    ;;
console)
    shift
    console "$@"
    ;;
pipeline)
    shift
    pipeline "$@"
    ;;
targets)
    build_product swiftwater
    write_targets "$scratch/targets.json"
    echo "$scratch/targets.json"
    ;;
*)
    echo "./dev bench takes micro, schemas, sql-formats, sql-functions, sql-engine, sql-runtime, compaction, compare, coordination, registry, security, connect, console, pipeline or targets, not $1" >&2
    exit 2
    ;;
esac
