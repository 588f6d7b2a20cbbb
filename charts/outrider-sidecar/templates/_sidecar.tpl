{{- /* The pieces of a pod with a sidecar. A chart that depends on this one includes them, see README.md; its values are
below `outrider-sidecar`, or below the alias of the dependency, for a chart with several sidecars: then the pieces take
`(dict "chart" . "alias" "worker-sidecar")` instead of the dot. Names of templates are global to a release: all of them
begin with the chart's. */ -}}

{{- /* What the shared templates take: values of the library (with the release's global), configuration, version. */ -}}
{{- define "outrider-sidecar.shared" -}}
{{- $chart := .chart | default . -}}
{{- $alias := .alias | default "outrider-sidecar" -}}
{{- $values := merge (deepCopy (index $chart.Values $alias)) (dict "global" ($chart.Values.global | default dict)) -}}
{{- toYaml (dict "values" $values "version" (index $chart.Subcharts $alias).Chart.AppVersion) -}}
{{- end -}}

{{- /* By chart, for a release may hold several that have a sidecar. */ -}}
{{- define "outrider-sidecar.name" -}}
{{- $chart := .chart | default . -}}
{{- $release := $chart.Release.Name -}}
{{- $base := contains $chart.Chart.Name $release | ternary $release (printf "%s-%s" $release $chart.Chart.Name) -}}
{{- with .alias }}{{ $base = printf "%s-%s" $base . }}{{ end -}}
{{- printf "%s-outrider" ($base | trunc 54 | trimSuffix "-") -}}
{{- end -}}

{{- define "outrider-sidecar.config" -}}
{{- $chart := .chart | default . -}}
{{- $alias := .alias | default "outrider-sidecar" -}}
{{- if not (hasKey $chart.Subcharts $alias) -}}
  {{- printf "%s: Chart.yaml has no dependency outrider-sidecar with this alias" $alias | fail -}}
{{- end -}}
{{- $values := index $chart.Values $alias -}}
{{- $config := dict "state" "/var/lib/outrider" -}}
{{- with $values.logs.directory -}}
  {{- $_ := set $config "logs" (dict "files" (list (printf "%s/**/*.log" .))) -}}
{{- end -}}
{{- $config = mergeOverwrite $config (deepCopy $values.config) -}}
{{- $_ := set $config "exporters" (include "outrider-sidecar.exporters" (dict "values" $values "config" $config) | fromYaml) -}}
{{- toYaml $config -}}
{{- end -}}

{{- /* The ConfigMap, in a file of its own. */ -}}
{{- define "outrider-sidecar.configMap" -}}
{{- $shared := include "outrider-sidecar.shared" . | fromYaml -}}
{{- $release := (.chart | default .).Release -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "outrider-sidecar.name" . | quote }}
  namespace: {{ $release.Namespace | quote }}
  labels:
    app.kubernetes.io/name: outrider-sidecar
    app.kubernetes.io/instance: {{ $release.Name | quote }}
    app.kubernetes.io/managed-by: {{ $release.Service }}
data:
  outrider.yaml: |
    {{- include "outrider-sidecar.config" . | nindent 4 }}
  {{- if $shared.values.federation.provider }}
  federation.json: |
    {{- include "outrider-sidecar.federation" $shared | nindent 4 }}
  {{- end }}
{{- end -}}

{{- /* Annotations of the pod template: pods are made anew when the configuration changes. */ -}}
{{- define "outrider-sidecar.annotations" -}}
checksum/outrider-sidecar: {{ include "outrider-sidecar.config" . | sha256sum }}
{{- end -}}

{{- /* An item of `initContainers`: a native sidecar, which starts before the program and ends after it. */ -}}
{{- define "outrider-sidecar.initContainer" -}}
{{- $shared := include "outrider-sidecar.shared" . | fromYaml -}}
{{- $values := $shared.values -}}
{{- $config := include "outrider-sidecar.config" . | fromYaml -}}
- name: outrider
  image: {{ include "outrider-sidecar.image" $shared }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  restartPolicy: Always
  args: [sidecar, --config, /etc/outrider/outrider.yaml]
  env:
    - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
    - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
    - {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: OUTRIDER_POD_INFO, value: /etc/outrider-pod}
    {{- with $values.container }}
    - {name: OUTRIDER_CONTAINER, value: {{ . | quote }}}
    {{- end }}
    {{- with $values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- $listen := dig "telemetry" "listen" "0.0.0.0:9464" $config }}
  {{- if not (regexMatch "^(127\\.|localhost|\\[::1\\])" $listen) }}
  ports:
    - {name: outrider, containerPort: {{ regexFind "[0-9]+$" $listen }}, protocol: TCP}
  livenessProbe:
    httpGet: {path: /healthz, port: outrider}
    initialDelaySeconds: 30
    periodSeconds: 30
    timeoutSeconds: 5
  {{- end }}
  resources:
    {{- toYaml $values.resources | nindent 4 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ int64 $values.runAsUser }}
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: {drop: [ALL]}
    seccompProfile: {type: RuntimeDefault}
  volumeMounts:
    - {name: outrider-config, mountPath: /etc/outrider, readOnly: true}
    - {name: outrider-pod, mountPath: /etc/outrider-pod, readOnly: true}
    - {name: outrider-state, mountPath: {{ $config.state | quote }}}
    {{- with $values.logs.directory }}
    - {name: outrider-logs, mountPath: {{ . | quote }}, readOnly: true}
    {{- end }}
    {{- with include "outrider-sidecar.secretMounts" $shared }}
    {{- . | trim | nindent 4 }}
    {{- end }}
    {{- with $values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- /* Items of the pod's `volumes`. */ -}}
{{- define "outrider-sidecar.volumes" -}}
{{- $shared := include "outrider-sidecar.shared" . | fromYaml -}}
- name: outrider-config
  configMap: {name: {{ include "outrider-sidecar.name" . | quote }}}
- name: outrider-pod
  downwardAPI:
    items:
      - {path: labels, fieldRef: {fieldPath: metadata.labels}}
      - {path: annotations, fieldRef: {fieldPath: metadata.annotations}}
- name: outrider-state
  emptyDir: {}
{{- with $shared.values.logs.directory }}
- name: outrider-logs
  emptyDir: {sizeLimit: {{ $shared.values.logs.sizeLimit }}}
{{- end }}
{{- with include "outrider-sidecar.secretVolumes" $shared }}
{{ . | trim }}
{{- end }}
{{- with $shared.values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* An item of the program's `volumeMounts`, if there is `logs.directory`. */ -}}
{{- define "outrider-sidecar.volumeMounts" -}}
{{- $alias := .alias | default "outrider-sidecar" -}}
{{- $directory := (index (.chart | default .).Values $alias).logs.directory -}}
{{- if not $directory -}}
  {{- printf "%s.logs.directory: say which directory the program writes its logs into" $alias | fail -}}
{{- end -}}
- {name: outrider-logs, mountPath: {{ $directory | quote }}}
{{- end -}}
