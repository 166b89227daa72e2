import brave.Span;
import brave.Tracing;
import zipkin2.reporter.brave.AsyncZipkinSpanHandler;
import zipkin2.reporter.urlconnection.URLConnectionSender;

/** A trace by Brave, Zipkin's own client, with the defaults of its reporter: JSON. */
class ZipkinSpans {
  public static void main(String[] arguments) {
    var sender = URLConnectionSender.create("http://localhost:4318/api/v2/spans");
    var reporter = AsyncZipkinSpanHandler.create(sender);
    var tracing = Tracing.newBuilder().localServiceName("from-brave").addSpanHandler(reporter).build();
    var tracer = tracing.tracer();

    var root = tracer.newTrace().name("GET /tea").kind(Span.Kind.SERVER).tag("tea.kind", "oolong").start();
    var pour = tracer.newChild(root.context()).name("pour").start();
    pour.annotate("poured");
    pour.error(new IllegalStateException("no oolong left"));
    pour.finish();
    root.finish();

    tracing.close();
    reporter.flush();
    reporter.close();
  }
}
