//! A trace, a log line, a counter and a histogram; the exporters have their defaults.
use opentelemetry::logs::{LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let spans = SdkTracerProvider::builder()
        .with_batch_exporter(SpanExporter::builder().with_http().build()?)
        .build();
    let lines = SdkLoggerProvider::builder()
        .with_batch_exporter(LogExporter::builder().with_http().build()?)
        .build();
    let meters = SdkMeterProvider::builder()
        .with_periodic_exporter(MetricExporter::builder().with_http().build()?)
        .build();

    let meter = meters.meter("tea");
    let oolong = [KeyValue::new("tea.kind", "oolong")];
    meter.u64_counter("tea.cups.poured").with_unit("{cup}").build().add(3, &oolong);
    meter.f64_histogram("tea.pour.duration").with_unit("s").build().record(0.2, &oolong);

    let tracer = spans.tracer("tea");
    let guests = vec![StringValue::from("ada"), StringValue::from("bob")];
    let root = tracer
        .span_builder("GET /tea")
        .with_kind(SpanKind::Server)
        .with_attributes([
            KeyValue::new("tea.kind", "oolong"),
            KeyValue::new("tea.cups", 3),
            KeyValue::new("tea.hot", true),
            KeyValue::new("tea.degrees", 96.5),
            KeyValue::new("tea.guests", Value::Array(Array::String(guests))),
        ])
        .start(&tracer);
    {
        let _in_root = Context::current_with_span(root).attach();
        tracer.in_span("pour", |context| {
            let span = context.span();
            span.add_event("poured", vec![KeyValue::new("tea.cup", 1)]);
            let logger = lines.logger("tea");
            let mut record = logger.create_log_record();
            record.set_severity_number(Severity::Warn);
            record.set_severity_text("WARN");
            record.set_body("no oolong left".into());
            logger.emit(record);
            let error = std::io::Error::other("no oolong left");
            span.record_error(&error);
            span.set_status(Status::error("no oolong left"));
        });
    }

    spans.shutdown()?;
    lines.shutdown()?;
    meters.shutdown()?;
    Ok(())
}
