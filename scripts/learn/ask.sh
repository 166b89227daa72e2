# Three ways to ask the running system, for the lessons in docs/learn. In the project's folder: . scripts/learn/ask.sh
#
#   traceql '{ status = error }'                        the newest five traces that match (a number behind it: so many)
#   traceql '{ } | rate() by(resource.service.name)'    a metric of spans
#   logql '{service_name="order-service"}'              the newest five lines (a number behind it: so many)
#   logql 'sum(count_over_time({level="warn"}[1h]))'    a metric of lines
#   promql 'up'                                         a metric
#   field NAME                                          one field of the JSON that comes in
#
# Each is curl with the query as a parameter; show.mjs writes the JSON that comes back in lines.

traceql() {
  case "$1" in
    *_over_time\(* | *rate\(*) route=metrics/query ;;
    *) route=search ;;
  esac
  curl -sG "localhost:${TEMPO_PORT:-3200}/api/$route" --data-urlencode "q=$1" -d "limit=${2:-5}" | node scripts/learn/show.mjs
}

logql() {
  case "$1" in
    \{*) route=query_range ;;
    *) route=query ;;
  esac
  curl -sG "localhost:${LOKI_PORT:-3100}/loki/api/v1/$route" --data-urlencode "query=$1" -d "limit=${2:-5}" | node scripts/learn/show.mjs
}

promql() {
  curl -sG "localhost:${PROMETHEUS_PORT:-9090}/api/v1/query" --data-urlencode "query=$1" | node scripts/learn/show.mjs
}

field() {
  node -p 'JSON.parse(require("fs").readFileSync(0, "utf8"))[process.argv[1]]' "$1"
}
