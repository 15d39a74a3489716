{{- /* Refuses values that would have no effect, or with which the hubs would not work. values.schema.json refuses what is no value at all. */ -}}
{{- define "tidings.check" -}}
{{- $cluster := gt (int .Values.hubs) 1 }}
{{- $given := dict }}
{{- $settings := dict }}
{{- range .Files.Lines "files/settings.txt" }}
{{- $words := splitList " " . }}
{{- $_ := set $settings (first $words) (has "list" $words) }}
{{- end }}
{{- range $name, $value := .Values.config }}
{{- if kindIs "invalid" $value }}{{ continue }}{{ end }}
{{- $where := printf "config.%s" $name }}
{{- if not (hasKey $settings $name) }}
{{- $like := $name | trimPrefix "--" | lower | replace "_" "-" }}
{{- fail (printf "%s: tidings serve has no such setting; %s" $where (hasKey $settings $like | ternary (printf "write %s" $like) "docs/configuration.md has them all")) }}
{{- else if and (kindIs "slice" $value) (not (get $settings $name)) }}
{{- fail (printf "%s: this setting takes one value, not a list" $where) }}
{{- end }}
{{- $_ := set $given $name $where }}
{{- end }}
{{- $read := list "TIDINGS_HUB" "TIDINGS_TOKEN" "TIDINGS_KEY" (get (.Values.config | default dict) "key-env") }}
{{- range .Values.env }}
{{- if eq .name "TIDINGS_KEY_ENV" }}{{ $read = append $read .value }}{{ end }}
{{- end }}
{{- range .Values.env }}
{{- if hasPrefix "TIDINGS_" .name }}
{{- $name := .name | trimPrefix "TIDINGS_" | lower | replace "_" "-" }}
{{- if has .name $read }}
{{- else if or (ne .name (upper .name)) (not (or (hasKey $settings $name) (eq $name "config"))) }}
{{- fail (printf "%s in env: no command of tidings reads this variable; docs/configuration.md has them all" .name) }}
{{- else }}
{{- $_ := set $given $name (printf "%s in env" .name) }}
{{- end }}
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
{{- if eq .Values.service.type "ClusterIP" }}
{{- range list "nodePort" "externalTrafficPolicy" }}
{{- if get $.Values.service . }}
{{- fail (printf "service.%s: a service of the type ClusterIP has none; set service.type to NodePort or LoadBalancer, or remove it" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- $volumes := list "data" "config" "secrets" }}
{{- range .Values.extraVolumes }}
{{- if has .name $volumes }}
{{- fail (printf "extraVolumes: there is a volume %q already; choose another name" .name) }}
{{- end }}
{{- $volumes = append $volumes .name }}
{{- end }}
{{- $paths := list "/data" "/config" "/secrets" }}
{{- range .Values.extraVolumeMounts }}
{{- if not (has .name $volumes) }}
{{- fail (printf "extraVolumeMounts: there is no volume %q; add it to extraVolumes" .name) }}
{{- else if has (clean .mountPath) $paths }}
{{- fail (printf "extraVolumeMounts: there is a volume at %s already; choose another path" .mountPath) }}
{{- end }}
{{- $paths = append $paths (clean .mountPath) }}
{{- end }}
{{- if and .Chart.IsRoot (eq (toString .Values.enabled) "false") }}
{{- fail "enabled: only a chart that has this one as a dependency can leave it out; remove it, or uninstall the release" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}
{{- fail "ingress.host is empty: set it to the name that browsers use, such as events.example.com or *.example.com" }}
{{- end }}
{{- end }}
