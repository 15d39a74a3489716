package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// traces sends a span for each request that changes something to a collector of OpenTelemetry. A stream has no span: it may last for days, and
// a span is sent at its end. A nil *traces does nothing and costs nothing.
type traces struct{ provider *sdktrace.TracerProvider }

// startTraces returns nil unless the environment names a collector. OpenTelemetry's own variables set everything else.
func startTraces(ctx context.Context, env environ, logger *slog.Logger) (*traces, error) {
	if !tracesWanted(env) {
		return nil, nil
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Warn("traces were not sent", "err", err) }))
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, err
	}
	named, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "tidings"), attribute.String("service.version", version())),
		resource.WithFromEnv(), // takes precedence
	)
	if err != nil {
		return nil, errors.Join(err, exporter.Shutdown(ctx))
	}
	return &traces{sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(named))}, nil
}

// tracesWanted reports whether the environment names a collector, and does not turn traces off.
func tracesWanted(env environ) bool {
	if strings.EqualFold(env.lookup("OTEL_SDK_DISABLED"), "true") || env.lookup("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return env.lookup("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || env.lookup("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" || env.lookup("OTEL_TRACES_EXPORTER") == "otlp"
}

// handler returns next with a span around each request that changes something. The span belongs to the trace in the field traceparent.
func (t *traces) handler(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	identified := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		trace.SpanFromContext(r.Context()).SetAttributes(attribute.String("tidings.request.id", w.Header().Get("X-Request-Id"))) // as in the log
	})
	return otelhttp.NewHandler(identified, "",
		otelhttp.WithTracerProvider(t.provider),
		otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()), // /metrics has them
		otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})),
		otelhttp.WithFilter(changes),
		otelhttp.WithSpanNameFormatter(spanName),
	)
}

// changes reports whether a request may change something.
func changes(r *http.Request) bool {
	return r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodDelete
}

// spanName names a span by the kind of request. Topics are not part of it, because a name should have few values.
func spanName(_ string, r *http.Request) string {
	if strings.HasPrefix(r.URL.Path, "/events") {
		return r.Method + " /events"
	}
	return r.Method + " /api/v1"
}

// tracesTime is how long the end of a hub waits for its last spans to be sent.
const tracesTime = 5 * time.Second

// stop sends the last spans. The caller's context may have ended.
func (t *traces) stop(ctx context.Context, logger *slog.Logger) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tracesTime)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		logger.Warn("the last traces were not sent", "err", err)
	}
}
