{{- /* Shared by both charts (`make charts` copies it): where exporters get what proves who they are.

Each takes a dict: `values` of the chart, and `config`. The value of `secrets.<exporter>` becomes a file, and the
exporter is told where it is. Nothing secret passes through a ConfigMap. */ -}}

{{- define "outrider-sidecar.image" -}}
{{- $image := .values.image -}}
{{- $repository := required "image.repository: say where your image is; the Dockerfile builds it, and no public one is known to this chart" $image.repository -}}
{{- $registry := dig "imageRegistry" "" (.values.global | default dict) | default $image.registry -}}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .version }}{{ end -}}
{{- end -}}

{{- /* YAML of the exporters, with credentials filled in where they are not given. */ -}}
{{- define "outrider-sidecar.exporters" -}}
{{- $exporters := .config.exporters | default (dict "google" (dict "kind" "stackdriver")) -}}
{{- $secrets := .values.secrets -}}
{{- $federation := .values.federation.provider -}}
{{- range $name := keys $secrets | sortAlpha -}}
  {{- if not (hasKey $exporters $name) -}}
    {{- printf "secrets.%s: there is no exporter of this name; config.exporters has %s" $name (keys $exporters | sortAlpha | join ", ") | fail -}}
  {{- end -}}
{{- end -}}
{{- $filled := dict -}}
{{- range $name, $exporter := $exporters -}}
  {{- $path := dig $name "key" "" $secrets | printf "/etc/outrider-secrets/%s/%s" $name -}}
  {{- $kind := $exporter.kind | default "stackdriver" -}}
  {{- $given := dict -}}
  {{- if eq $kind "datadog" -}}
    {{- if and (kindIs "string" $exporter.api_key) (not (contains "${" $exporter.api_key)) -}}
      {{- printf "config.exporters.%s.api_key: it would stand in a ConfigMap for everybody to read; put it into a Secret, and name that in secrets.%s" $name $name | fail -}}
    {{- else if hasKey $secrets $name -}}
      {{- $given = dict "api_key" (dict "file" $path) -}}
    {{- else if not $exporter.api_key -}}
      {{- printf "config.exporters.%s: Datadog needs an API key; put it into a Secret, and name that in secrets.%s: {existingSecret: NAME, key: KEY}" $name $name | fail -}}
    {{- end -}}
  {{- else if eq $kind "stackdriver" -}}
    {{- if hasKey $secrets $name -}}
      {{- $given = dict "credentials" (dict "file" $path) -}}
    {{- else if $federation -}}
      {{- $given = dict "credentials" (dict "file" "/etc/outrider/federation.json") -}}
    {{- end -}}
  {{- else if hasKey $secrets $name -}}
    {{- printf "secrets.%s: an exporter of kind %s has no use for it" $name $kind | fail -}}
  {{- end -}}
  {{- $_ := set $filled $name (mergeOverwrite $given (deepCopy $exporter)) -}}
{{- end -}}
{{- toYaml $filled -}}
{{- end -}}

{{- /* What says how the projected token is exchanged (google.auth, external_account); nothing in it is secret. */ -}}
{{- define "outrider-sidecar.federation" -}}
{{- $account := .values.federation.serviceAccount -}}
{{- $credentials := dict
  "type" "external_account"
  "audience" (printf "//iam.googleapis.com/%s" .values.federation.provider)
  "subject_token_type" "urn:ietf:params:oauth:token-type:jwt"
  "token_url" "https://sts.googleapis.com/v1/token"
  "credential_source" (dict "file" "/var/run/outrider/federation/token") -}}
{{- if $account -}}
  {{- $_ := set $credentials "service_account_impersonation_url" (printf "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/%s:generateAccessToken" $account) -}}
{{- end -}}
{{- toPrettyJson $credentials -}}
{{- end -}}

{{- /* A Secret that is missing holds up its own exporter, and neither the pod nor the others: programs read the file as soon
as it is there. */ -}}
{{- define "outrider-sidecar.secretVolumes" -}}
{{- range $name, $secret := .values.secrets }}
- name: secret-{{ $name }}
  secret:
    secretName: {{ $secret.existingSecret | quote }}
    items:
      - {key: {{ $secret.key | quote }}, path: {{ $secret.key | quote }}}
    optional: true
{{- end }}
{{- with .values.federation.provider }}
- name: federation
  projected:
    sources:
      - serviceAccountToken:
          audience: https://iam.googleapis.com/{{ . }}
          expirationSeconds: 3600
          path: token
{{- end }}
{{- end -}}

{{- define "outrider-sidecar.secretMounts" -}}
{{- range $name, $secret := .values.secrets }}
- {name: secret-{{ $name }}, mountPath: {{ printf "/etc/outrider-secrets/%s" $name | quote }}, readOnly: true}
{{- end }}
{{- if .values.federation.provider }}
- {name: federation, mountPath: /var/run/outrider/federation, readOnly: true}
{{- end }}
{{- end -}}
