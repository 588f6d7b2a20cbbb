{{- /* The configuration in effect as YAML: the chart's, the presets' over it, the user's over both. Mounts, rights and
network follow from it, so they ask here. Printed as it is, never after another reading of YAML, which would make
floats of large numbers. */ -}}
{{- define "outrider.config" -}}
{{- $config := dict
  "cluster" (dict "node" "${NODE_NAME}")
  "state" "/var/lib/outrider"
  "kube" (dict "source" (ternary "kubelet" "api" .Values.presets.nodeMetrics))
  "metrics" (dict "discover" .Values.presets.autodiscovery) -}}
{{- if .Values.presets.nodeMetrics -}}
  {{- $_ := set $config.metrics "kubelet" (dict "enabled" true) -}}
{{- end -}}
{{- $config = mergeOverwrite $config (deepCopy .Values.config) -}}
{{- $exporters := include "outrider.exporters" (dict "values" .Values "config" $config) | fromYaml -}}
{{- $_ := set $config "exporters" $exporters -}}
{{- toYaml $config -}}
{{- end -}}

{{- /* What cannot work is refused here, with the way out. */ -}}
{{- define "outrider.refusals" -}}
{{- $config := include "outrider.config" . | fromYaml -}}
{{- $pods := dig "logs" "pods" "/var/log/pods" $config -}}
{{- $hold := dig "logs" "hold" "path" "/var/log/outrider" $config -}}
{{- $presets := .Values.presets -}}
{{- if and $presets.onPremise (or $presets.gke $presets.gkeAutopilot) -}}
  {{- fail "presets: a cluster is either on GKE or onPremise" -}}
{{- end -}}
{{- if and (include "outrider.holds" .) $presets.gkeAutopilot -}}
  {{- fail "config.logs.hold.budget: Autopilot gives no way to write to the node's disk; leave it at 0" -}}
{{- end -}}
{{- if and (include "outrider.holds" .) (not (and (hasPrefix "/var/log/" $pods) (hasPrefix "/var/log/" $hold))) -}}
  {{- fail "config.logs: with a hold.budget both `pods` and `hold.path` have to lie in /var/log, which is then mounted once: hard links do not cross mounts" -}}
{{- end -}}
{{- if regexMatch "^(127\\.|localhost|\\[::1\\])" (dig "telemetry" "listen" "" $config) -}}
  {{- fail "config.telemetry.listen: kubelet asks from outside of the pod whether it lives; listen at 0.0.0.0" -}}
{{- end -}}
{{- if and (dig "dogstatsd" "listen" list $config) $presets.gkeAutopilot -}}
  {{- fail "config.dogstatsd.listen: Autopilot gives neither a port nor a directory of the node; use the sidecar" -}}
{{- end -}}
{{- if and (dig "metrics" "kubelet" "enabled" false $config) (ne (dig "kube" "source" "" $config) "kubelet") -}}
  {{- fail "config.kube.source: the node's metrics (presets.nodeMetrics, metrics.kubelet) are the kubelet's; set it to kubelet or leave it out" -}}
{{- end -}}
{{- if $presets.onPremise -}}
  {{- range $key := list "project" "name" "location" -}}
    {{- if not (index $config.cluster $key) -}}
      {{- printf "config.cluster.%s: presets.onPremise needs it; there is no metadata server that could be asked" $key | fail -}}
    {{- end -}}
  {{- end -}}
  {{- range $name, $exporter := $config.exporters -}}
    {{- if and (eq ($exporter.kind | default "stackdriver") "stackdriver") (eq (toString ($exporter.credentials | default "adc")) "adc") -}}
      {{- printf "config.exporters.%s: outside of Google Cloud it needs credentials; set federation.provider, or secrets.%s: {existingSecret: NAME, key: KEY}" $name $name | fail -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}
