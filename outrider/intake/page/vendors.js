// What is different about the four APIs: where their arrivals are, how they are counted, and what a row shows.

const sum = object => Object.values(object).reduce((all, one) => all + one, 0);
const told = object => Object.entries(object ?? {}).map(([key, value]) => `${key}:${value}`).join(" ");
const join = (...parts) => parts.filter(Boolean).join("/");
const distinct = ({ unique, repeated, conflicting }) => ({ unique, repeated, conflicting });

function entryRow(entry) {
  const labels = entry.resource?.labels ?? {};
  const from = join(labels.namespace_name, labels.pod_name) || entry.logName.split("/").pop();
  const what = entry.textPayload ?? JSON.stringify(entry.jsonPayload ?? entry.protoPayload ?? entry.httpRequest ?? "");
  return { time: entry.timestamp, level: entry.severity ?? "DEFAULT", from, what, again: entry.repeated };
}

function logRow({ timestamp, log, repeated, dropped }) {
  const what = log.message ?? JSON.stringify(log);
  const from = join(log.service ?? log.ddsource, log.hostname);
  return { time: new Date(timestamp).toISOString(), level: log.status ?? "info", from, what, again: repeated || dropped };
}

function seriesRow({ timeSeries: { metric, resource, metricKind, points: [point] } }) {
  const where = resource.labels ?? {};
  const [value] = Object.values(point.value), shown = typeof value === "object" ? `${value.count ?? 0} values` : value;
  const from = join(where.namespace_name, where.pod_name) || resource.type;
  return { time: point.interval.endTime, level: metricKind, from, what: `${metric.type} ${shown}  ${told(metric.labels)}` };
}

function pointRow({ point, dropped }) {
  const shown = typeof point.value === "object" ? `${point.value.count ?? point.value.length} values` : point.value;
  const what = `${point.metric} ${shown}  ${point.tags.join(" ")}`;
  return { time: new Date(point.timestamp * 1000).toISOString(), level: point.type, from: point.host, what, again: dropped };
}

export const VENDORS = [
  {
    name: "Cloud Logging", endpoint: "logs_endpoint", path: "/intake/entries", rules: "google", whole: one => one, row: entryRow,
    stats: all => all, groups: stats => stats.namespaces, by: "namespace",
    reasons: stats => ({ "rejected": stats.rejected, "too old": stats.too_old }),
    counts: stats => ({ ...distinct(stats), "rejected": stats.rejected }),
    hint: 'severity>=WARNING AND textPayload:"timeout"', levels: ["DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL"],
    head: "Severity", any: "any severity", level: one => `severity>=${one}`, and: " AND ",
    group: one => `resource.labels.namespace_name="${one}"`,
  },
  {
    name: "Datadog logs", endpoint: "logs_endpoint", path: "/intake/logs", rules: "datadog", whole: one => one.log, row: logRow,
    stats: all => all.datadog, groups: stats => stats.services, by: "service",
    reasons: stats => ({ ...stats.refused, ...stats.dropped, ...stats.over }),
    counts: stats => ({ ...distinct(stats), "refused requests": sum(stats.refused), "dropped": sum(stats.dropped) }),
    hint: "service:cart* status:error timeout", levels: ["debug", "info", "notice", "warn", "error", "critical"],
    head: "Status", any: "any status", level: one => `status:${one}`, and: " ", group: one => `service:${one}`,
  },
  {
    name: "Cloud Monitoring", endpoint: "metrics_endpoint", path: "/intake/time_series", whole: one => one.timeSeries, row: seriesRow,
    stats: all => all.monitoring, groups: stats => stats.types, by: "metric",
    reasons: stats => ({ ...stats.refused, "decreased": stats.decreased }),
    counts: stats => ({
      "points": stats.written, "time series": stats.series, "descriptors": stats.descriptors, "refused": sum(stats.refused),
    }),
    hint: "redis.uptime pod_name", levels: ["GAUGE", "CUMULATIVE"],
    head: "Kind", any: "any kind", level: one => one, and: " ", group: one => one,
  },
  {
    name: "Datadog metrics", endpoint: "metrics_endpoint", path: "/intake/points", whole: one => one.point, row: pointRow,
    stats: all => all.datadog_metrics, groups: stats => stats.metrics, by: "metric",
    reasons: stats => ({ ...stats.refused, ...stats.dropped, ...stats.over }),
    counts: stats => ({
      "points": stats.stored, "series": stats.series, "service checks": stats.service_checks, "events": stats.events,
      "refused requests": sum(stats.refused), "dropped": sum(stats.dropped),
    }),
    hint: "redis.net redis_role:master", levels: ["gauge", "rate", "count", "distribution", "sketch"],
    head: "Type", any: "any type", level: one => `"type":"${one}"`, and: " ", group: one => one,
  },
];
