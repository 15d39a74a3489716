{{- /* The name of every object: that of the release, with the chart's name unless it has it already. Names of services begin with a letter, and have
no dots; pods add to them. A name that cannot be used gets a checksum of the release's name, so that two releases never share one. */ -}}
{{- define "tidings.name" -}}
{{- $name := .Release.Name }}
{{- if not (contains .Chart.Name $name) }}{{ $name = printf "%s-%s" $name .Chart.Name }}{{ end }}
{{- if not (regexMatch "^[a-z][-a-z0-9]{0,49}$" $name) }}
{{- $name = printf "%s-%s-%s" .Chart.Name (.Release.Name | replace "." "-" | trunc 32 | trimSuffix "-") (sha256sum .Release.Name | trunc 8) }}
{{- end }}
{{- $name }}
{{- end }}

{{- /* The labels that select the pods. They never change, because a StatefulSet does not allow it. */ -}}
{{- define "tidings.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
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
