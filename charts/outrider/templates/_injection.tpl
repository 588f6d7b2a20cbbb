{{- /* The configuration of the sidecars that are injected. */ -}}
{{- define "outrider.injected" -}}
{{- $injection := .Values.injection -}}
{{- if not $injection.image.repository -}}
  {{- fail "injection.image.repository: say where the sidecar's image is; the Dockerfile builds it, and no public one is known to this chart" -}}
{{- end -}}
{{- range $key := list "state" "telemetry" -}}
  {{- if hasKey $injection.config $key -}}
    {{- printf "injection.config.%s: the policy has decided it for every sidecar (/var/lib/outrider, port 9464); leave it out" $key | fail -}}
  {{- end -}}
{{- end -}}
{{- range $kind, $quantities := $injection.resources -}}
  {{- range $what := keys $quantities -}}
    {{- if not (has (printf "%s.%s" $kind $what) (list "requests.cpu" "requests.memory" "limits.cpu" "limits.memory")) -}}
      {{- printf "injection.resources.%s.%s: the policy knows requests and limits of cpu and memory" $kind $what | fail -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $config := deepCopy $injection.config -}}
{{- $_ := set $config "state" "/var/lib/outrider" -}}
{{- if not $config.exporters -}}
  {{- $_ := set $config "exporters" (dict "google" (dict "kind" "stackdriver")) -}}
{{- end -}}
{{- range $name, $exporter := $config.exporters -}}
  {{- if eq ($exporter.kind | default "stackdriver") "datadog" -}}
    {{- if and (kindIs "string" $exporter.api_key) (not (contains "${" $exporter.api_key)) -}}
      {{- printf "injection.config.exporters.%s.api_key: it would stand in a ConfigMap for everybody to read; write {env: DD_API_KEY}, and put it into a Secret outrider-sidecar of each namespace" $name | fail -}}
    {{- else if not $exporter.api_key -}}
      {{- $_ := set $exporter "api_key" (dict "env" "DD_API_KEY") -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{- /* Names of the variables that hold secrets, a blank behind each: all of the form {env: NAME}. */ -}}
{{- define "outrider.variables" -}}
{{- if kindIs "map" . -}}
  {{- if and (eq (len .) 1) (kindIs "string" (get . "env")) (get . "env") -}}
    {{- .env }}{{ " " -}}
  {{- else -}}
    {{- range . }}{{ include "outrider.variables" . }}{{ end -}}
  {{- end -}}
{{- else if kindIs "slice" . -}}
  {{- range . }}{{ include "outrider.variables" . }}{{ end -}}
{{- end -}}
{{- end -}}
