{{- /* The name of every object: that of the release, with the chart's name unless it has it already. Names of services begin with a letter, and have
no dots; pods add to them. A name that cannot be used gets a checksum of the release's name, so that two releases never share one. The chart's name is
its alias where another chart has it as a dependency with one. */ -}}
{{- define "tidings.name" -}}
{{- $name := .Release.Name }}
{{- if not (contains .Chart.Name $name) }}{{ $name = printf "%s-%s" $name .Chart.Name }}{{ end }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$" $name) }}
{{- $whole := ternary .Release.Name (printf "%s/%s" .Release.Name .Chart.Name) (eq .Chart.Name "tidings") }}
{{- $name = printf "tidings-%s-%s" (.Release.Name | replace "." "-" | trunc 32 | trimSuffix "-") (sha256sum $whole | trunc 8) }}
{{- end }}
{{- $name }}
{{- end }}

{{- /* The labels that select the pods. They never change, because a StatefulSet does not allow it. */ -}}
{{- define "tidings.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "tidings.labels" -}}
{{ include "tidings.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end }}

{{- /* The image: by its tag, or by its digest, which may have a tag beside it. */ -}}
{{- define "tidings.image" -}}
{{- with .Values.image }}
{{- .repository }}
{{- if or .tag (not .digest) }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- with .digest }}@{{ . }}{{ end }}
{{- end }}
{{- end }}

{{- /* A map of values as YAML without its nulls, "" if nothing is left: Helm leaves a null where a value removes one of another file. */ -}}
{{- define "tidings.given" -}}
{{- $given := dict }}
{{- range $name, $value := . }}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $given $name $value }}{{ end }}
{{- end }}
{{- with $given }}{{ toYaml . }}{{ end }}
{{- end }}

{{- /* The configuration file. */ -}}
{{- define "tidings.config" -}}
{{- include "tidings.given" .Values.config | default "{}" }}
{{- end }}
