"""To and from OpenTelemetry: any MetricExporter of its SDK can be an exporter here (`destination`), and an exporter of
ours can be a MetricExporter in any program that uses the SDK (`exporter`). In between are points and `MetricsData`
(`to_data`, `from_data`). The SDK comes with the extra `otlp`, and nothing else in the library imports these modules.
"""
