#!/bin/sh
# In the gateway's container: what changed in the templates takes effect, and no request fails.
#
#   templates, environment -> a folder of its own -> nginx -t -> in place of the old one -> HUP -> new workers
#
# What Nginx refuses replaces nothing, also where it refuses it only when it is told (a zone with another key, a port that is
# taken). Ends with 1 then, and Nginx' words are on stderr or in the container's log. The environment is that which the
# container was made with. `npm run stack:restart -- gateway` runs this.
set -eu

templates=${GATEWAY_TEMPLATES:-/etc/nginx/templates}
current=$NGINX_ENVSUBST_OUTPUT_DIR
next=$current.next
master=$(cat "$GATEWAY_RUN_DIR/nginx.pid")

workers() {
  cat /proc/[0-9]*/stat 2>/dev/null | awk -v master="$master" '
    /^[0-9]+ \(nginx\) / { if ($4 == master) print $1 }'
}

rm -rf "$next"
GATEWAY_RELOADS=yes NGINX_ENVSUBST_OUTPUT_DIR=$next
export GATEWAY_RELOADS NGINX_ENVSUBST_OUTPUT_DIR
. "$templates/container-start.envsh"
NGINX_ENVSUBST_TEMPLATE_DIR=$templates NGINX_ENTRYPOINT_QUIET_LOGS=1 \
  "${GATEWAY_ENVSUBST:-/docker-entrypoint.d/20-envsubst-on-templates.sh}"

# What it was started with after -g (modules, user) belongs to its configuration, too; the title of the process ends with it.
started=$(tr '\0' ' ' <"/proc/$master/cmdline")
nginx -t -q -c "$next/nginx.conf" -g "${started##* -g }" || exit 1

before=" $(workers | tr '\n' ' ')"
rm -rf "$current.old"
mv "$current" "$current.old"
mv "$next" "$current"
kill -HUP "$master"

# Nginx says nothing to who told it. It has taken the configuration once a worker runs that was not there before.
tries=0
while [ "$tries" -lt "${GATEWAY_RELOAD_TRIES:-100}" ]; do
  for worker in $(workers); do
    case "$before" in
      *" $worker "*) ;;
      *)
        rm -rf "$current.old"
        exit 0
        ;;
    esac
  done
  sleep 0.1
  tries=$((tries + 1))
done
mv "$current" "$next"
mv "$current.old" "$current"
echo "Nginx did not take the new configuration, and goes on with the old one; its log says why." >&2
exit 1
