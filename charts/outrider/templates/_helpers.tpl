{{- define "outrider.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "outrider.fullname" -}}
{{- $name := include "outrider.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* Name of what belongs to no namespace: another release may be called the same in another one. (`helm lint`
has none.) */ -}}
{{- define "outrider.clusterWide" -}}
{{- printf "%s-%s" (include "outrider.fullname" .) .Release.Namespace | trimSuffix "-" -}}
{{- end -}}

{{- /* Labels that select pods. They can never be changed: no version in here. */ -}}
{{- define "outrider.selector" -}}
app.kubernetes.io/name: {{ include "outrider.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: node
{{- end -}}

{{- define "outrider.labels" -}}
{{ include "outrider.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Of the pod that `helm test` starts, which no selector takes for a collector. */ -}}
{{- define "outrider.testLabels" -}}
app.kubernetes.io/name: {{ include "outrider.name" . | trunc 58 | trimSuffix "-" }}-test
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- /* metadata of an object that has the full name. */ -}}
{{- define "outrider.metadata" -}}
name: {{ include "outrider.fullname" . }}
namespace: {{ .Release.Namespace | quote }}
labels:
  {{- include "outrider.labels" . | nindent 2 }}
{{- end -}}

{{- define "outrider.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "outrider.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "outrider.priorityClass" -}}
{{- if .Values.priorityClass.create -}}
{{- default (include "outrider.clusterWide" .) .Values.priorityClass.name -}}
{{- else -}}
{{- .Values.priorityClass.name -}}
{{- end -}}
{{- end -}}

{{- /* Items of `imagePullSecrets`. In `global`, which is of all charts of a release, many have them as mere names. */ -}}
{{- define "outrider.pullSecrets" -}}
{{- $names := list -}}
{{- range concat (.Values.imagePullSecrets | default list) (dig "imagePullSecrets" list (.Values.global | default dict)) -}}
  {{- if kindIs "string" . }}{{ $names = append $names . }}{{ else }}{{ $names = append $names .name }}{{ end -}}
{{- end -}}
{{- range $names | uniq }}
- name: {{ . | quote }}
{{- end }}
{{- end -}}

{{- /* The port of the telemetry, as the configuration has it. */ -}}
{{- define "outrider.port" -}}
{{- $config := include "outrider.config" . | fromYaml -}}
{{- dig "telemetry" "listen" "0.0.0.0:9464" $config | regexFind "[0-9]+$" -}}
{{- end -}}

{{- /* Who is not root reads root's logs by DAC_READ_SEARCH, and links them where they are held by FOWNER, since link(2) is
for a file's owner (fs.protected_hardlinks). Kubernetes has no ambient capabilities: the interpreter of the image has both
as file capabilities, of which it gets what is added here. allowPrivilegeEscalation can stay false, as no_new_privs keeps
what the runtime has put into the permitted set before. Autopilot lets neither be added; there the files' group helps. */ -}}
{{- define "outrider.capabilities" -}}
drop: [ALL]
{{- if not .Values.presets.gkeAutopilot }}
add: [DAC_READ_SEARCH{{ if include "outrider.holds" . }}, FOWNER{{ end }}]
{{- end }}
{{- end -}}

{{- /* Set where files are kept by hard links. */ -}}
{{- define "outrider.holds" -}}
{{- $budget := dig "logs" "hold" "budget" 0 (include "outrider.config" . | fromYaml) -}}
{{- if not (regexMatch "^0*(\\.0*)?([kKMGT]i?B|B)?$" (toString $budget)) -}}true{{- end -}}
{{- end -}}

{{- /* JSON of where DogStatsD clients find the collector: {"ports": [8125], "directories": ["/var/run/datadog"]}. */ -}}
{{- define "outrider.dogstatsd" -}}
{{- $ports := list -}}
{{- $directories := list -}}
{{- range $address := dig "dogstatsd" "listen" list (include "outrider.config" . | fromYaml) -}}
  {{- if hasPrefix "udp://" $address -}}
    {{- $ports = append $ports (regexFind "[0-9]+$" $address | int) -}}
  {{- else -}}
    {{- $directories = append $directories (regexReplaceAll "^[a-z]+://" $address "" | dir) -}}
  {{- end -}}
{{- end -}}
{{- toJson (dict "ports" ($ports | uniq) "directories" ($directories | uniq)) -}}
{{- end -}}

{{- /* The port of a URL, which may have variables in it that only the program knows: no parser of URLs takes these. */ -}}
{{- define "outrider.portOf" -}}
{{- $host := regexReplaceAll "^[a-z]+://" . "" | splitList "/" | first -}}
{{- regexFind ":[0-9]+$" $host | trimPrefix ":" | default (hasPrefix "http://" . | ternary "80" "443") -}}
{{- end -}}

{{- /* JSON of the ports that the exporters of a configuration send to: {"tcp": ["443"], "udp": []}. */ -}}
{{- define "outrider.exporterPorts" -}}
{{- $ports := list -}}
{{- $udp := list -}}
{{- range $exporter := .exporters -}}
  {{- $kind := $exporter.kind | default "stackdriver" -}}
  {{- if has $kind (list "stackdriver" "datadog") -}}
    {{- range $key := list "logs_endpoint" "metrics_endpoint" -}}
      {{- $ports = index $exporter $key | default "https://default" | include "outrider.portOf" | append $ports -}}
    {{- end -}}
    {{- if hasPrefix "udp://" ($exporter.statsd | default "") -}}
      {{- $udp = append $udp (regexFind "[0-9]+$" $exporter.statsd) -}}
    {{- end -}}
    {{- if eq $kind "stackdriver" -}}{{- $ports = append $ports "443" -}}{{- end -}}
  {{- end -}}
{{- end -}}
{{- toJson (dict "tcp" $ports "udp" $udp) -}}
{{- end -}}

{{- /* The way to Google's metadata server. Takes `presets`, and a configuration as `config`: whoever does not say where the
cluster is, or as whom to write, has it asked. */ -}}
{{- define "outrider.metadataServer" -}}
{{- $asked := or .presets.gke .presets.gkeAutopilot -}}
{{- range list "project" "name" "location" -}}
  {{- if not (index ($.config.cluster | default dict) .) }}{{ $asked = true }}{{ end -}}
{{- end -}}
{{- range .config.exporters -}}
  {{- $google := eq (.kind | default "stackdriver") "stackdriver" -}}
  {{- if and $google (eq (toString (.credentials | default "adc")) "adc") }}{{ $asked = true }}{{ end -}}
{{- end -}}
{{- if and $asked (not .presets.onPremise) -}}
# Google's metadata server: names and credentials.
- to:
    - ipBlock: {cidr: 169.254.169.254/32}
    - ipBlock: {cidr: 169.254.169.252/32}
  ports:
    - {port: 80, protocol: TCP}
    - {port: 988, protocol: TCP}
{{- end -}}
{{- end -}}
