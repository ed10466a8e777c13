{{/* Names, labels and other parts that several objects share. */}}

{{- define "maildns-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimAll "-" }}
{{- end }}

{{/* 52 characters leave room for the suffixes that Kubernetes and this chart append. */}}
{{- define "maildns-exporter.fullname" -}}
{{- $name := include "maildns-exporter.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimAll "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 52 | trimAll "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimAll "-" }}
{{- end }}
{{- end }}

{{- define "maildns-exporter.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "maildns-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "maildns-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/*
Labels of an object: `commonLabels`, then `extra`, then the chart's own; later ones replace earlier ones.
`application` replaces the name label, so that the exporter's selectors do not match the object.
*/}}
{{- define "maildns-exporter.labels" -}}
{{- $root := .root | default . }}
{{- $own := include "maildns-exporter.selectorLabels" $root | fromYaml }}
{{- $_ := set $own "app.kubernetes.io/version" ($root.Chart.AppVersion | replace "+" "_") }}
{{- $_ := set $own "app.kubernetes.io/managed-by" $root.Release.Service }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimAll "-") }}
{{- $extra := dict }}
{{- if .root }}
{{- $extra = .extra | default dict }}
{{- with .application }}{{ $_ := set $own "app.kubernetes.io/name" . }}{{ end }}
{{- end }}
{{- mergeOverwrite (deepCopy $root.Values.commonLabels) $extra $own | toYaml }}
{{- end }}

{{/* Metadata of an object. Takes `root`, `name`, and optionally `namespace`, `labels`, `annotations`, `application`. */}}
{{- define "maildns-exporter.metadata" -}}
name: {{ .name | quote }}
namespace: {{ .namespace | default (include "maildns-exporter.namespace" .root) | quote }}
labels:
  {{- include "maildns-exporter.labels" (dict "root" .root "extra" .labels "application" .application) | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "maildns-exporter.serviceAccountName" -}}
{{- $made := include "maildns-exporter.fullname" . }}
{{- default (ternary $made "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{/* Reference of an image. Takes `image` and `tag`, the default for an empty tag. */}}
{{- define "maildns-exporter.image" -}}
{{- $repository := .image.repository }}
{{- if .image.registry }}{{ $repository = printf "%s/%s" .image.registry $repository }}{{ end }}
{{- if .image.digest }}
{{- printf "%s@%s" $repository .image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (.image.tag | default .tag) }}
{{- end }}
{{- end }}

{{/* maildns.yml: `config`, with Unbound as the resolver if `config` has none, and with the path of the storage. */}}
{{- define "maildns-exporter.configuration" -}}
{{- $configuration := deepCopy .Values.config }}
{{- if and .Values.unbound.enabled (not (hasKey $configuration "resolvers")) }}
{{- $server := printf "127.0.0.1:%d" (int .Values.unbound.port) }}
{{- $_ := set $configuration "resolvers" (list (dict "name" "unbound" "servers" (list $server))) }}
{{- end }}
{{- if .Values.persistence.enabled }}
{{- $storage := get $configuration "storage" | default dict }}
{{- $_ := set $configuration "storage" (merge (dict) $storage (dict "path" "/var/lib/maildns-exporter/maildns.db")) }}
{{- end }}
{{- toYaml $configuration }}
{{- end }}

{{/* The files in /etc/maildns-exporter, as the data of a ConfigMap or the stringData of a Secret. */}}
{{- define "maildns-exporter.configurationFiles" -}}
{{ .Values.configFrom.key | quote }}: |
  {{- include "maildns-exporter.configuration" . | nindent 2 }}
{{- range $name, $content := .Values.configFiles }}
{{- if eq $name $.Values.configFrom.key }}{{ fail (printf "configFiles.%s: is the name of the configuration file: write the configuration in config" $name) }}{{ end }}
{{ $name | quote }}: {{ $content | toJson }}
{{- end }}
{{- end }}

{{- define "maildns-exporter.configurationName" -}}
{{- default (include "maildns-exporter.fullname" .) .Values.configFrom.name }}
{{- end }}

{{- define "maildns-exporter.webConfigName" -}}
{{- default (printf "%s-web" (include "maildns-exporter.fullname" .)) .Values.webConfig.existingSecret }}
{{- end }}

{{/* web.yml: `webConfig.content`, with the certificate of `tlsSecret` if it has no `tls_server_config`. */}}
{{- define "maildns-exporter.webConfiguration" -}}
{{- $content := deepCopy .Values.webConfig.content }}
{{- if and .Values.webConfig.tlsSecret (not (hasKey $content "tls_server_config")) }}
{{- $folder := "/etc/maildns-exporter-tls" }}
{{- $_ := set $content "tls_server_config" (dict "cert_file" (printf "%s/tls.crt" $folder) "key_file" (printf "%s/tls.key" $folder)) }}
{{- end }}
{{- toYaml $content }}
{{- end }}

{{/* HTTPS or HTTP: `webConfig.tls` decides for an `existingSecret`, else the content of the web configuration. */}}
{{- define "maildns-exporter.scheme" -}}
{{- $tls := .Values.webConfig.tls }}
{{- if not .Values.webConfig.existingSecret }}
{{- $tls = hasKey (include "maildns-exporter.webConfiguration" . | fromYaml) "tls_server_config" }}
{{- end }}
{{- ternary "HTTPS" "HTTP" (and .Values.webConfig.enabled $tls) }}
{{- end }}

{{/* "true" if clients need a certificate. */}}
{{- define "maildns-exporter.clientCertificates" -}}
{{- $required := .Values.webConfig.clientCertificates }}
{{- if not .Values.webConfig.existingSecret }}
{{- $tls := get .Values.webConfig.content "tls_server_config" }}
{{- $required = and (kindIs "map" $tls) (eq (get ($tls | default dict) "client_auth_type" | toString) "RequireAndVerifyClientCert") }}
{{- end }}
{{- if and .Values.webConfig.enabled $required }}true{{ end }}
{{- end }}

{{/* "true" if `webConfig.content` has users. */}}
{{- define "maildns-exporter.hasUsers" -}}
{{- if and .Values.webConfig.enabled (get .Values.webConfig.content "basic_auth_users") }}true{{ end }}
{{- end }}

{{- define "maildns-exporter.testName" -}}
{{- printf "%s-test" (include "maildns-exporter.name" . | trunc 58) }}
{{- end }}

{{/* A path below the route prefix. */}}
{{- define "maildns-exporter.path" -}}
{{- $root := index . 0 }}
{{- printf "/%s/%s" (trimAll "/" $root.Values.web.routePrefix) (index . 1) | replace "//" "/" }}
{{- end }}

{{/* Fail if no file of the chart matches a pattern: a git checkout has no rules and dashboards. Takes root, pattern, key. */}}
{{- define "maildns-exporter.requireFiles" -}}
{{- $root := index . 0 }}
{{- if not ($root.Files.Glob (index . 1)) }}
{{- fail (printf "%s: this chart has no %s, because it comes from a git checkout: run `make chart` there, or install a released chart" (index . 2) (index . 1)) }}
{{- end }}
{{- end }}

{{- define "maildns-exporter.dashboardName" -}}
{{- base . | trimSuffix (ext .) | lower | replace "_" "-" }}
{{- end }}
