import io.opentelemetry.api.GlobalOpenTelemetry;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import java.util.List;
import java.util.logging.Logger;

/** A trace, a log line, a counter and a histogram; run with the Java agent. */
class Tea {
  public static void main(String[] arguments) {
    var tracer = GlobalOpenTelemetry.getTracer("tea");
    var meter = GlobalOpenTelemetry.getMeter("tea");
    var oolong = Attributes.of(AttributeKey.stringKey("tea.kind"), "oolong");
    meter.counterBuilder("tea.cups.poured").setUnit("{cup}").build().add(3, oolong);
    meter.histogramBuilder("tea.pour.duration").setUnit("s").build().record(0.2, oolong);

    Span root = tracer.spanBuilder("GET /tea").setSpanKind(SpanKind.SERVER)
        .setAttribute("tea.kind", "oolong")
        .setAttribute("tea.cups", 3)
        .setAttribute("tea.hot", true)
        .setAttribute("tea.degrees", 96.5)
        .setAttribute(AttributeKey.stringArrayKey("tea.guests"), List.of("ada", "bob"))
        .startSpan();
    try (var outer = root.makeCurrent()) {
      Span pour = tracer.spanBuilder("pour").startSpan();
      try (var inner = pour.makeCurrent()) {
        pour.addEvent("poured", Attributes.of(AttributeKey.longKey("tea.cup"), 1L));
        Logger.getLogger("tea").warning("no oolong left");
        var error = new IllegalStateException("no oolong left");
        pour.recordException(error);
        pour.setStatus(StatusCode.ERROR, error.getMessage());
      }
      pour.end();
    }
    root.end();
  }
}
