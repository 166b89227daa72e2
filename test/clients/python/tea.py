"""A trace, a log line, a counter and a histogram; run by opentelemetry-instrument."""
import logging

from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind

tracer = trace.get_tracer("tea")
meter = metrics.get_meter("tea")

meter.create_counter("tea.cups.poured", unit="{cup}").add(3, {"tea.kind": "oolong"})
meter.create_histogram("tea.pour.duration", unit="s").record(0.2, {"tea.kind": "oolong"})

asked = {"tea.kind": "oolong", "tea.cups": 3, "tea.hot": True, "tea.degrees": 96.5, "tea.guests": ["ada", "bob"]}
with tracer.start_as_current_span("GET /tea", kind=SpanKind.SERVER, attributes=asked):
    try:
        with tracer.start_as_current_span("pour") as span:
            span.add_event("poured", {"tea.cup": 1})
            logging.getLogger("tea").warning("no oolong left")
            raise LookupError("no oolong left")
    except LookupError:
        pass
