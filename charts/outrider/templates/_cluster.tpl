{{- /* `outrider cluster`: the Deployment that is there once, with two replicas of which one leads. Set where it is wanted. */ -}}
{{- define "outrider.cluster" -}}
{{- if or .Values.cluster.enabled .Values.presets.kubernetesEvents -}}true{{- end -}}
{{- end -}}

{{- define "outrider.clusterName" -}}
{{- printf "%s-cluster" (include "outrider.fullname" . | trunc 55 | trimSuffix "-") -}}
{{- end -}}

{{- define "outrider.clusterSelector" -}}
app.kubernetes.io/name: {{ include "outrider.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: cluster
{{- end -}}

{{- define "outrider.clusterLabels" -}}
{{ include "outrider.clusterSelector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "outrider.clusterMetadata" -}}
name: {{ include "outrider.clusterName" . }}
namespace: {{ .Release.Namespace | quote }}
labels:
  {{- include "outrider.clusterLabels" . | nindent 2 }}
{{- end -}}

{{- define "outrider.clusterPort" -}}
{{- $config := include "outrider.clusterConfig" . | fromYaml -}}
{{- dig "telemetry" "listen" "0.0.0.0:9464" $config | regexFind "[0-9]+$" -}}
{{- end -}}

{{- define "outrider.clusterServiceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- include "outrider.clusterName" . -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* Its configuration as YAML: of the nodes' what is not about a node, then what the user says of this one. */ -}}
{{- define "outrider.clusterConfig" -}}
{{- $node := deepCopy .Values.config -}}
{{- $config := pick $node "exporters" "routes" "telemetry" -}}
{{- $_ := set $config "state" "/var/lib/outrider" -}}
{{- $_ := set $config "cluster" (omit ($node.cluster | default dict) "node") -}}
{{- $_ := set $config "kube" (dict "source" "api") -}}
{{- if eq (dig "kube" "source" "" $node) "api" -}}
  {{- $_ := set $config "kube" $node.kube -}}
{{- end -}}
{{- $_ := set $config.kube "lease" (include "outrider.clusterName" .) -}}
{{- $_ := set $config "logs" (pick ($node.logs | default dict) "redact" "start") -}}
{{- $_ := set $config "metrics" (pick ($node.metrics | default dict) "every") -}}
{{- $_ := set $config "events" (dict "enabled" .Values.presets.kubernetesEvents) -}}
{{- $config = mergeOverwrite $config (deepCopy .Values.cluster.config) -}}
{{- $exporters := include "outrider.exporters" (dict "values" .Values "config" $config) | fromYaml -}}
{{- $_ := set $config "exporters" $exporters -}}
{{- if not (or $config.events.enabled $config.metrics.checks) -}}
  {{- fail "cluster: there is nothing to do; set presets.kubernetesEvents, or cluster.config.metrics.checks" -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}
