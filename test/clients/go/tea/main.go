// A trace, a log line, a counter and a histogram, by the exporters that the environment or its absence says.
package main

import (
	"context"
	"errors"
	"log"
	"log/slog"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	ctx := context.Background()
	spans := sdktrace.NewTracerProvider(sdktrace.WithBatcher(must(autoexport.NewSpanExporter(ctx))))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(must(autoexport.NewMetricReader(ctx))))
	lines := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(must(autoexport.NewLogExporter(ctx)))))

	meter := meters.Meter("tea")
	oolong := metric.WithAttributes(attribute.String("tea.kind", "oolong"))
	must(meter.Int64Counter("tea.cups.poured", metric.WithUnit("{cup}"))).Add(ctx, 3, oolong)
	must(meter.Float64Histogram("tea.pour.duration", metric.WithUnit("s"))).Record(ctx, 0.2, oolong)
	brew(ctx, spans.Tracer("tea"), slog.New(otelslog.NewHandler("tea", otelslog.WithLoggerProvider(lines))))

	if err := errors.Join(spans.Shutdown(ctx), lines.Shutdown(ctx), meters.Shutdown(ctx)); err != nil {
		log.Fatal(err)
	}
}

func brew(ctx context.Context, tracer trace.Tracer, logger *slog.Logger) {
	ctx, root := tracer.Start(ctx, "GET /tea", trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("tea.kind", "oolong"),
		attribute.Int("tea.cups", 3),
		attribute.Bool("tea.hot", true),
		attribute.Float64("tea.degrees", 96.5),
		attribute.StringSlice("tea.guests", []string{"ada", "bob"}),
	))
	defer root.End()
	ctx, pour := tracer.Start(ctx, "pour")
	defer pour.End()
	pour.AddEvent("poured", trace.WithAttributes(attribute.Int("tea.cup", 1)))
	logger.WarnContext(ctx, "no oolong left")
	err := errors.New("no oolong left")
	pour.RecordError(err)
	pour.SetStatus(codes.Error, err.Error())
}
