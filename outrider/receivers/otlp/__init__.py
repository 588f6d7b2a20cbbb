"""OTLP over HTTP: metrics and logs of programs that use OpenTelemetry, as protobuf and as JSON."""
