{{- /* Refuses values that would have no effect, or with which the hubs would not work. values.schema.json refuses what is no value at all. */ -}}
{{- define "tidings.check" -}}
{{- $cluster := gt (int .Values.hubs) 1 }}
{{- $given := dict }}
{{- range $name, $_ := .Values.config }}
{{- $_ := set $given $name (printf "config.%s" $name) }}
{{- end }}
{{- range .Values.env }}
{{- if hasPrefix "TIDINGS_" .name }}
{{- $_ := set $given (.name | trimPrefix "TIDINGS_" | lower | replace "_" "-") (printf "%s in env" .name) }}
{{- else if has .name (list "POD" "GOMEMLIMIT") }}
{{- fail (printf "%s in env: the chart sets it%s" .name (ternary " from goMemoryLimit" "" (eq .name "GOMEMLIMIT"))) }}
{{- end }}
{{- end }}
{{- range $name, $where := $given }}
{{- if has $name (list "config" "addr" "data" "memory" "key-file" "drain-delay" "cluster-peers" "cluster-listen") }}
{{- fail (printf "%s: the chart sets %s itself, because its probes, services and volumes need it; remove it" $where $name) }}
{{- else if and $cluster (has $name (list "cluster-name" "cluster-key-file" "cluster-url" "nats" "redis")) }}
{{- fail (printf "%s: with more than one hub the chart makes a cluster that keeps the log on the hubs, and sets %s itself; remove it" $where $name) }}
{{- else if or (has $name (list "tls-cert" "tls-key" "http-addr")) (hasPrefix "acme-" $name) }}
{{- fail (printf "%s: the hubs of this chart speak HTTP, and so do its probes and services; for TLS set ingress.tlsSecret, or put a proxy in front" $where) }}
{{- else if and (eq $name "admin-addr") $.Values.serviceMonitor.enabled }}
{{- fail (printf "%s: the service monitor reads /metrics at the address of the hub, which has no administration with admin-addr; remove it, or serviceMonitor.enabled" $where) }}
{{- end }}
{{- end }}
{{- $labels := dict "podLabels" .Values.podLabels "serviceMonitor.labels" .Values.serviceMonitor.labels "prometheusRule.labels" .Values.prometheusRule.labels }}
{{- range $value, $own := $labels }}
{{- range $name, $_ := $own }}
{{- if hasKey (include "tidings.labels" $ | fromYaml) $name }}
{{- fail (printf "%s: the chart sets the label %s itself; remove it" $value $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- if hasKey (.Values.podAnnotations | default dict) "checksum/config" }}
{{- fail "podAnnotations: the chart sets the annotation checksum/config itself; remove it" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}
{{- fail "ingress.host is empty: set it to the name that browsers use, such as events.example.com or *.example.com" }}
{{- end }}
{{- end }}
