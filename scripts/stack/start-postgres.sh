#!/bin/bash
# What docker-compose.yaml starts PostgreSQL by: makes the folder of its log and keeps the log small, and is the image's entry point then.
# PostgreSQL alone writes there; the Collector, which is another user, reads. Values of statements may stand in it, so the folder is a volume
# that nobody else mounts.
set -euo pipefail
folder=$(dirname "$POSTGRES_LOG")
install -d -m 0755 -o "${POSTGRES_LOG_OWNER:-postgres}" "$folder"

# PostgreSQL appends: a file that was cut goes on at its new beginning, where the Collector follows. By then it has read all but the newest
# lines. PostgreSQL's own rotation bounds hours, not bytes.
keep_small() {
  while sleep "${POSTGRES_LOG_SECONDS:-30}" && [[ -d /proc/$$ ]]; do
    find "$folder" -type f -size +"${POSTGRES_LOG_KIB:-16384}"k -exec truncate --size 0 {} + || true
  done
}
keep_small &
exec docker-entrypoint.sh "$@"
