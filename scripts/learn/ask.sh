# Short ways to ask the running system, for the lessons in docs/learn. In the project's folder: . scripts/learn/ask.sh
#
#   traceql '{ status = error }'                        the newest five traces that match, and up to three spans of each
#                                                       (numbers behind it: so many traces, so many spans of each)
#   traceql '{ } | rate() by(resource.service.name)'    a metric of spans
#   logql '{service_name="order-service"}'              the newest five lines (a number behind it: so many)
#   logql 'sum(count_over_time({level="warn"}[1h]))'    a metric of lines
#   fields '{level="error"}'                            all fields of the newest line that matches
#   promql 'up'                                         a metric
#   exemplars 'http_server_request_duration_seconds_bucket{job="user-service"}'    its five slowest examples
#   send '{"user_id":1001,"action":"purchase"}'         sends an order; what stands behind goes to curl: -H 'X-Request-ID: mine'
#   field NAME                                          one field of the JSON that comes in
#   hexid 16                                            a random id of 16 bytes
#
# Each question is curl with the query as a parameter; show.mjs writes the JSON that comes back in lines.

traceql() {
  case "$1" in
    *_over_time\(* | *rate\(*) route=metrics/query ;;
    *) route=search ;;
  esac
  curl -sG "localhost:${TEMPO_PORT:-3200}/api/$route" --data-urlencode "q=$1" \
    -d "limit=${2:-5}" -d "spss=${3:-3}" | node scripts/learn/show.mjs
}

logql() {
  case "$1" in
    \{*) route=query_range ;;
    *) route=query ;;
  esac
  curl -sG "localhost:${LOKI_PORT:-3100}/loki/api/v1/$route" --data-urlencode "query=$1" -d "limit=${2:-5}" | node scripts/learn/show.mjs
}

fields() {
  curl -sG "localhost:${LOKI_PORT:-3100}/loki/api/v1/query_range" --data-urlencode "query=$1" -d limit=1 | node scripts/learn/show.mjs fields
}

promql() {
  curl -sG "localhost:${PROMETHEUS_PORT:-9090}/api/v1/query" --data-urlencode "query=$1" | node scripts/learn/show.mjs
}

exemplars() {
  curl -sG "localhost:${PROMETHEUS_PORT:-9090}/api/v1/query_exemplars" --data-urlencode "query=$1" \
    -d "start=$(($(date +%s) - 3600))" -d "end=$(date +%s)" | node scripts/learn/show.mjs
}

send() {
  body=$1
  shift
  curl -s -X POST "localhost:${GATEWAY_PORT:-8080}/api/v1/process" -H 'content-type: application/json' -d "$body" "$@"
}

field() {
  node -p 'JSON.parse(require("fs").readFileSync(0, "utf8"))[process.argv[1]]' "$1"
}

hexid() {
  node -p 'require("crypto").randomBytes(Number(process.argv[1])).toString("hex")' "$1"
}
