#!/usr/bin/env bash
# The demonstration behind `./dev demo`: starts the platform on a folder of its own, streams ratings of flights into it,
# and shows them arriving. Ctrl-C ends it; --once is a bounded run for the tests.
#
#   Scripts/demo.sh PROGRAM [--once]
set -euo pipefail

program=$1
shift
once=0
for argument in "$@"; do
    case $argument in
    --once) once=1 ;;
    *)
        echo "./dev demo takes --once or nothing, not $argument" >&2
        exit 2
        ;;
    esac
done

partitions=4
schemas=$(realpath --relative-to="$PWD" "$(dirname "${BASH_SOURCE[0]}")/../Examples/ratings")
bounded_count=40
# On a terminal, consume shows all of a record; elsewhere it has to be told.
show=(--print "partition,offset,key,value")
if [[ -t 1 ]]; then show=(); fi
folder=$(mktemp -d "${TMPDIR:-/tmp}/swiftwater-demo.XXXXXX")
children=()

# Ends what was started, newest first, and takes the folder away; whatever made the script end.
clean_up() {
    local status=$? index
    trap '' INT TERM HUP
    for ((index = ${#children[@]} - 1; index >= 0; index--)); do
        kill -TERM "${children[index]}" 2>/dev/null || true
        wait "${children[index]}" 2>/dev/null || true
    done
    rm -rf "$folder"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 0' INT TERM HUP

say() {
    if [[ -t 1 ]]; then printf '\n\033[1m%s\033[0m\n' "$*"; else printf '\n%s\n' "$*"; fi
}

# Shows a command as it would be typed, then runs it.
show_command() { printf '$ swiftwater %s\n' "$*"; }
run() {
    show_command "$@"
    "$program" "$@"
}
# The same for a command that must fail.
refused() {
    show_command "$@"
    if "$program" "$@" 2>&1; then
        echo "this should have been refused" >&2
        exit 1
    fi
}

# A file of statements, as it is.
show_statements() { sed 's/^/  /' "$1"; }

# Ports that are free; the platform says which it took.
start_platform() {
    local waited
    "$program" start --data-dir "$folder/data" --kafka 127.0.0.1:0 --registry 127.0.0.1:0 --connect none \
        --sql 127.0.0.1:0 --admin 127.0.0.1:0 >"$folder/log" 2>&1 &
    children=($!)
    for ((waited = 0; waited < 200; waited++)); do
        if grep -q "ready in" "$folder/log"; then
            cat "$folder/log"
            address=$(awk '$1 == "kafka" { print $2 }' "$folder/log")
            export SWIFTWATER_BOOTSTRAP=$address
            SWIFTWATER_REGISTRY=$(awk '$1 == "registry" { print $2 }' "$folder/log")
            SWIFTWATER_SQL=$(awk '$1 == "sql" { print $2 }' "$folder/log")
            export SWIFTWATER_REGISTRY SWIFTWATER_SQL
            return
        fi
        kill -0 "${children[0]}" 2>/dev/null || break
        sleep 0.05
    done
    echo "the platform did not start:" >&2
    cat "$folder/log" >&2
    exit 1
}

# Ratings without end, one line each: the key (the user), a tab, the value. `interval` seconds apart, or as fast as they
# are taken when it is 0.
ratings() {
    awk -v count="$1" -v interval="$2" 'BEGIN {
        srand()
        channels = split("web iOS android iOS-test kiosk", channel, " ")
        messages = split("Leg room like a sardine tin.|Crew were lovely, thank you!|Two hours late and no word why.|" \
            "Smooth as silk.|Is it really so hard to keep the coffee warm?|Airport transfer went fine.|" \
            "Why must the seat be broken, again?|Would fly again.|Meh.|Surprisingly good food.", message, "|")
        for (id = 1; count == 0 || id <= count; id++) {
            user = int(rand() * 20) + 1
            "date +%s%3N" | getline time
            close("date +%s%3N")
            printf "%d\t{\"rating_id\":%d,\"user_id\":%d,\"stars\":%d,\"route_id\":%d,\"rating_time\":%s," \
                "\"channel\":\"%s\",\"message\":\"%s\"}\n", user, id, user, int(rand() * 5) + 1,
                int(rand() * 10000), time, channel[int(rand() * channels) + 1], message[int(rand() * messages) + 1]
            fflush()
            if (interval > 0) system("sleep " interval)
        }
    }'
}

say "1. Start the platform"
printf '$ swiftwater start --data-dir %s --kafka 127.0.0.1:0 --registry 127.0.0.1:0 --sql 127.0.0.1:0\n' "$folder/data"
start_platform

say "2. Create a topic, and say what its values are: an Avro schema in the registry"
run topic create ratings --partitions "$partitions"
run schema register ratings-value "$schemas/ratings.avsc"
run schema get ratings-value --raw

say "3. Stream ratings into it in Avro, keyed by user, and watch them arrive"
if ((once)); then
    ratings "$bounded_count" 0 | "$program" produce ratings --key-separator $'\t' --value-format avro
    run consume ratings --from beginning --max-messages "$bounded_count" --value-format avro "${show[@]}"

    say "4. Share the reading: two members of a consumer group, and how far the group is"
    # In the background, as each waits for the other's share to be read.
    "$program" consume ratings --group dashboard --from beginning --exit-at-end --value-format avro >"$folder/first" &
    children+=($!)
    "$program" consume ratings --group dashboard --from beginning --exit-at-end --value-format avro >"$folder/second" &
    children+=($!)
    wait "${children[1]}" "${children[2]}"
    children=("${children[0]}")
    printf '$ swiftwater consume ratings --group dashboard --from beginning --exit-at-end   (twice)\n'
    printf '%d ratings were read by one, %d by the other\n' "$(wc -l <"$folder/first")" "$(wc -l <"$folder/second")"
    run group describe dashboard

    say "5. Write a batch of ratings that is all there or not at all"
    show_command produce ratings --key-separator '\\t' --value-format avro --transactional nightly-import
    ratings 10 0 | "$program" produce ratings --key-separator $'\t' --value-format avro --transactional nightly-import
    run group describe dashboard

    say "6. A schema that would break readers is refused, and nothing that does not fit the schema gets in"
    refused schema check ratings-value "$schemas/ratings-v2.avsc"
    refused produce ratings --value-format avro --value '{"stars": "five"}'

    say "7. Streaming SQL: who rates, filtered, joined and counted; queries run until they are terminated"
    run sql -f "$schemas/customers.sql"
    show_statements "$schemas/pipeline.sql"
    run sql -X auto.offset.reset=earliest -f "$schemas/pipeline.sql"
    run sql -X auto.offset.reset=earliest \
        -e "SELECT full_name, stars, message FROM ratings_with_customers EMIT CHANGES LIMIT 5;"
    run sql -e "SELECT club_status, ratings, average FROM ratings_per_minute;"
    run sql -e "SHOW QUERIES;"
else
    echo "(Ctrl-C ends the demonstration)"
    # The ratings end with the first one that nobody reads any more.
    "$program" produce ratings --key-separator $'\t' --value-format avro < <(ratings 0 0.2) \
        >"$folder/produce.log" 2>&1 &
    children+=($!)
    # In the background, because bash hears a signal while it waits, but not while it runs something.
    follow=(consume ratings --from beginning --value-format avro "${show[@]}" --max-messages 10)
    show_command "${follow[@]}"
    "$program" "${follow[@]}" &
    children+=($!)
    wait $!

    say "4. Streaming SQL: who rates, filtered, joined and counted"
    run sql -f "$schemas/customers.sql"
    show_statements "$schemas/pipeline.sql"
    run sql -X auto.offset.reset=earliest -f "$schemas/pipeline.sql"

    say "5. The unhappy among the best customers, as they tell us"
    query="SELECT full_name, stars, message FROM unhappy_platinum_customers EMIT CHANGES;"
    show_command sql -e "'$query'"
    "$program" sql -X auto.offset.reset=earliest -e "$query" &
    children+=($!)
    wait $!
fi
say "That was it: the data folder is gone, nothing keeps running."
