# What the standard OTEL_* variables, SIGHTLINE_PII and SIGHTLINE_ALLOWED_HOSTS mean for the gateway, as variables of its templates.
# Read with `.`: by container-start.envsh in the stack, by local/gateway.ts in local mode, so that both begin traces alike.
#
#   GATEWAY_SAMPLER_PARENT  follow: a caller's decision stands (parentbased_*); ignore: it does not
#   GATEWAY_SAMPLED_IDS     pattern of the 56 random bits (14 digits) of the traces that are kept where nobody has decided
#   GATEWAY_THRESHOLD       `th:` and what these bits have to reach, for tracestate; nothing where it is no ratio that decides
#   GATEWAY_PROPAGATORS     whose headers a caller may continue a trace with
#   GATEWAY_ALLOWED_HOSTS   pattern of the hosts that requests may be for, and pages from
#   GATEWAY_PII             mask or show, for masking.conf
#   GATEWAY_REQUEST_ERRORS  level from which the error log speaks of single requests
#
# Whether the names of the services are looked up once, at the start (GATEWAY_LOOK_UP=once, the default), or every second
# (always: from Nginx 1.27.4 on; a container that starts again may have another address):
#
#   GATEWAY_RESOLVER  the directive that names the name server, or nothing
#   GATEWAY_RESOLVE   what a `server` of an upstream has after its other parameters, or nothing
#   GATEWAY_KEEPALIVE_LEAST  the directive for how long a client's idle connection stays open when Nginx is to go or to read its
#                            configuration again (from 1.27.4 on), or nothing: a request may be on its way there
#
# And what the limit of open files (ulimit -n) leaves room for:
#
#   GATEWAY_WORKER_CONNECTIONS  of one worker, to clients and to services together
#   GATEWAY_MAX_CONNECTIONS     of one client: as given, or a quarter of those where there are fewer than 4096

# What the digits have to reach for a share of $1 to be kept: 1 - $1 of all, or nothing where nothing is kept. So OpenTelemetry's
# consistent probability sampling has it (https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/), and
# service-kit/telemetry/consistent-sampling.ts. 8 digits of it are enough for one trace in four billion.
threshold() {
  awk -v ratio="$1" 'BEGIN {
    if (ratio + 0 <= 0) exit
    rest = ratio + 0 >= 1 ? 0 : 1 - ratio
    for (place = 1; place <= 8; place++) {
      rest *= 16
      digit = int(rest)
      rest -= digit
      digits = digits substr("0123456789abcdef", digit + 1, 1)
    }
    print digits
  }'
}

# The digits that reach a threshold, as a pattern.
sampled_ids() {
  awk -v threshold="$1" 'BEGIN {
    if (threshold == "") { print "(?!)"; exit }
    if (threshold ~ /^0*$/) { print "."; exit }
    hex = "0123456789abcdef"
    for (place = 1; place <= 8; place++) {
      digit = substr(threshold, place, 1)
      if (digit != "f") pattern = pattern same "[" substr(hex, index(hex, digit) + 1) "]|"
      same = same digit
    }
    print pattern same
  }'
}

# OTEL_RESOURCE_ATTRIBUTES, percent-decoded, as directives of ngx_otel_module. What the gateway is called stays; what Nginx would
# read as syntax is left out.
resource_attributes() {
  printf %s "${OTEL_RESOURCE_ATTRIBUTES:-}" | LC_ALL=C awk -v RS=, '
    function decoded(text, start, high, low) {
      while ((start = match(text, /%[0-9A-Fa-f][0-9A-Fa-f]/)) > 0) {
        high = index(hex, tolower(substr(text, start + 1, 1))) - 1
        low = index(hex, tolower(substr(text, start + 2, 1))) - 1
        done = done substr(text, 1, start - 1) sprintf("%c", high * 16 + low)
        text = substr(text, start + 3)
      }
      text = done text
      done = ""
      return text
    }
    function trimmed(text) {
      gsub(/^[ \t\n]+|[ \t\n]+$/, "", text)
      return text
    }
    BEGIN { hex = "0123456789abcdef"; given["service.namespace"] = "sightline" }
    {
      if (split($0, pair, "=") == 2 && trimmed(pair[1]) != "") given[decoded(trimmed(pair[1]))] = decoded(trimmed(pair[2]))
    }
    END {
      for (key in given)
        if (key != "service.name" && (key given[key]) !~ /["\\$\n]/)
          print "otel_resource_attr \"" key "\" \"" given[key] "\";"
    }'
}

# What is no ratio counts as 1, and a name that is no sampler as the default: so the SDKs have it, and the services say so.
ratio=$(printf %s "${OTEL_TRACES_SAMPLER_ARG:-1}" | grep -Ex '(0?\.[0-9]+|[01](\.[0-9]*)?|[0-9](\.[0-9]*)?[eE]-[0-9]+)' || echo 1)
case "${OTEL_TRACES_SAMPLER:-}" in
  always_on) GATEWAY_SAMPLER_PARENT=ignore ratio=1 ;;
  always_off) GATEWAY_SAMPLER_PARENT=ignore ratio=0 ;;
  traceidratio) GATEWAY_SAMPLER_PARENT=ignore ;;
  parentbased_always_off) GATEWAY_SAMPLER_PARENT=follow ratio=0 ;;
  parentbased_traceidratio) GATEWAY_SAMPLER_PARENT=follow ;;
  *) GATEWAY_SAMPLER_PARENT=follow ratio=1 ;;
esac

GATEWAY_PROPAGATORS=$(printf %s "${OTEL_PROPAGATORS:-tracecontext,baggage}" | tr -cd 'a-z0-9,')

# What service-kit/allowed-hosts.ts makes of the list. It refuses to start with what is no host; here that is left out.
GATEWAY_ALLOWED_HOSTS=$(
  printf %s "localhost,127.0.0.1,::1,${SIGHTLINE_ALLOWED_HOSTS:-}" | awk -v RS=, '
    { gsub(/[][ \t\n]/, ""); host = tolower($0); gsub(/[.]/, "[.]", host) }
    /^[A-Za-z0-9._:-]+$/ { printf "%s%s", between, host ~ /:/ ? "[[]" host "]" : host; between = "|" }'
)

# With show, the URL as it came, and the error log with it.
case "${SIGHTLINE_PII:-mask}" in
  show) GATEWAY_PII=show GATEWAY_REQUEST_ERRORS=warn ;;
  *) GATEWAY_PII=mask GATEWAY_REQUEST_ERRORS=crit ;;
esac

digits=$(threshold "$ratio")
GATEWAY_SAMPLED_IDS=$(sampled_ids "$digits")
GATEWAY_THRESHOLD=''
case "${OTEL_TRACES_SAMPLER:-}${digits:+ kept}" in
  *traceidratio\ kept) GATEWAY_THRESHOLD="th:$(printf %s "$digits" | sed 's/\(.\)0*$/\1/')" ;;
esac

# The first name server, as the C library has it; Nginx would ask each in turn, also those that know nothing of the stack.
GATEWAY_RESOLVER='' GATEWAY_RESOLVE='' GATEWAY_KEEPALIVE_LEAST=''
if [ "${GATEWAY_LOOK_UP:-once}" = always ]; then
  server=$(awk '$1 == "nameserver" { print $2 ~ /:/ ? "[" $2 "]" : $2; exit }' "${RESOLV_CONF:-/etc/resolv.conf}")
  GATEWAY_RESOLVER="resolver ${server:-127.0.0.11} valid=1s;" GATEWAY_RESOLVE=' resolve'
  # Shorter than worker_shutdown_timeout, longer than clients that send again and again leave a connection alone.
  GATEWAY_KEEPALIVE_LEAST='keepalive_min_timeout 4s;'
fi

# Each connection is an open file, and a request has two of them: its client's and its service's. 64 are for logs, listening
# sockets and bodies on disk. A client over its limit gets a 429 as long as Nginx has room to take its connection; without
# room it breaks connections off. Hence a quarter, as the defaults have it.
files=$(ulimit -n)
case "$files" in *[!0-9]*) files=4160 ;; esac
GATEWAY_WORKER_CONNECTIONS=$((files < 4160 ? files - 64 : 4096))
quarter=$((GATEWAY_WORKER_CONNECTIONS / 4))
if [ "$files" -lt 4160 ] && [ "${GATEWAY_MAX_CONNECTIONS:=1000}" -gt "$quarter" ]; then
  GATEWAY_MAX_CONNECTIONS=$quarter
fi
: "${GATEWAY_MAX_CONNECTIONS:=1000}"

export GATEWAY_THRESHOLD GATEWAY_RESOLVER GATEWAY_RESOLVE GATEWAY_KEEPALIVE_LEAST GATEWAY_WORKER_CONNECTIONS GATEWAY_MAX_CONNECTIONS GATEWAY_ALLOWED_HOSTS GATEWAY_SAMPLER_PARENT GATEWAY_SAMPLED_IDS GATEWAY_PII GATEWAY_REQUEST_ERRORS GATEWAY_PROPAGATORS
