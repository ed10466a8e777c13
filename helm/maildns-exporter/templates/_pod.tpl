{{/* The pod template, shared by the Deployment (one shard) and the StatefulSet (several). */}}

{{- define "maildns-exporter.arguments" -}}
- --config.file=/etc/maildns-exporter/{{ .Values.configFrom.key }}
- --web.listen-address=:10047
{{- if ne .Values.web.routePrefix "/" }}
- --web.route-prefix={{ .Values.web.routePrefix }}
{{- end }}
- --web.max-requests={{ int .Values.web.maxRequests }}
{{- if .Values.web.enableLifecycle }}
- --web.enable-lifecycle
{{- end }}
{{- if .Values.webConfig.enabled }}
- --web.config.file=/etc/maildns-exporter-web/{{ .Values.webConfig.key }}
{{- end }}
{{- if .Values.configReload.enabled }}
- --config.auto-reload-interval={{ .Values.configReload.interval }}
{{- end }}
- --log.level={{ .Values.log.level }}
- --log.format={{ .Values.log.format }}
{{- if gt (int .Values.shards) 1 }}
- --shard.index=$(SHARD_INDEX)
- --shard.count={{ int .Values.shards }}
{{- end }}
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "maildns-exporter.podAnnotations" -}}
{{- $annotations := dict }}
{{/* Live reload covers the configuration only. The exporter reads other files when it starts. */}}
{{- if .Values.configFrom.name }}
{{- else if not .Values.configReload.enabled }}
{{- $_ := set $annotations "checksum/config" (include "maildns-exporter.configurationFiles" . | sha256sum) }}
{{- else if .Values.configFiles }}
{{- $_ := set $annotations "checksum/files" (toJson .Values.configFiles | sha256sum) }}
{{- end }}
{{- if .Values.unbound.enabled }}
{{- $_ := set $annotations "checksum/unbound" (include "maildns-exporter.unboundConf" . | sha256sum) }}
{{- end }}
{{- if or $annotations .Values.podAnnotations }}
{{- mergeOverwrite (deepCopy .Values.podAnnotations) $annotations | toYaml }}
{{- end }}
{{- end }}

{{- define "maildns-exporter.podTemplate" -}}
metadata:
  labels:
    {{- include "maildns-exporter.labels" (dict "root" . "extra" .Values.podLabels) | nindent 4 }}
  {{- with include "maildns-exporter.podAnnotations" . | trim }}
  annotations:
    {{- . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "maildns-exporter.serviceAccountName" . | quote }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  terminationGracePeriodSeconds: {{ int .Values.terminationGracePeriodSeconds }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  dnsPolicy: {{ .Values.dnsPolicy }}
  {{- with .Values.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- $selector := dict "labelSelector" (dict "matchLabels" (include "maildns-exporter.selectorLabels" $ | fromYaml)) }}
    {{- range . }}
    - {{- merge (deepCopy .) $selector | toYaml | nindent 6 }}
    {{- end }}
  {{- end }}
  {{- if .Values.unbound.enabled }}
  initContainers:
    {{- include "maildns-exporter.unboundContainer" . | nindent 4 }}
  {{- end }}
  containers:
    {{- include "maildns-exporter.container" . | nindent 4 }}
  volumes:
    - name: configuration
      {{- if eq .Values.configFrom.kind "Secret" }}
      secret:
        secretName: {{ include "maildns-exporter.configurationName" . | quote }}
      {{- else }}
      configMap:
        name: {{ include "maildns-exporter.configurationName" . | quote }}
      {{- end }}
    {{- if .Values.webConfig.enabled }}
    - name: web-configuration
      secret:
        secretName: {{ include "maildns-exporter.webConfigName" . | quote }}
    {{- with .Values.webConfig.tlsSecret }}
    - name: web-certificate
      secret:
        secretName: {{ . | quote }}
    {{- end }}
    {{- end }}
    {{- if .Values.unbound.enabled }}
    - name: unbound
      configMap:
        name: {{ printf "%s-unbound" (include "maildns-exporter.fullname" .) | quote }}
    {{- end }}
    {{- if .Values.persistence.enabled }}
    {{- if eq .Values.persistence.type "emptyDir" }}
    - name: data
      emptyDir:
        sizeLimit: {{ .Values.persistence.size }}
    {{- else if le (int .Values.shards) 1 }}
    - name: data
      persistentVolumeClaim:
        claimName: {{ .Values.persistence.existingClaim | default (include "maildns-exporter.fullname" .) | quote }}
    {{- end }}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "maildns-exporter.container" -}}
- name: maildns-exporter
  image: {{ include "maildns-exporter.image" (dict "image" .Values.image "tag" .Chart.AppVersion) | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    {{- include "maildns-exporter.arguments" . | nindent 4 }}
  {{- if or (gt (int .Values.shards) 1) .Values.extraEnv }}
  env:
    {{- if gt (int .Values.shards) 1 }}
    - name: SHARD_INDEX
      valueFrom:
        fieldRef:
          fieldPath: metadata.labels['apps.kubernetes.io/pod-index']
    {{- end }}
    {{- with .Values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  ports:
    - name: http
      containerPort: 10047
      protocol: TCP
  {{- if .Values.livenessProbe.enabled }}
  livenessProbe:
    {{- include "maildns-exporter.probe" (list . "-/healthy" .Values.livenessProbe) | nindent 4 }}
  {{- end }}
  {{- if .Values.readinessProbe.enabled }}
  readinessProbe:
    {{- include "maildns-exporter.probe" (list . "-/ready" .Values.readinessProbe) | nindent 4 }}
  {{- end }}
  {{- with .Values.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.securityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - name: configuration
      mountPath: /etc/maildns-exporter
      readOnly: true
    {{- if .Values.webConfig.enabled }}
    - name: web-configuration
      mountPath: /etc/maildns-exporter-web
      readOnly: true
    {{- if .Values.webConfig.tlsSecret }}
    - name: web-certificate
      mountPath: /etc/maildns-exporter-tls
      readOnly: true
    {{- end }}
    {{- end }}
    {{- if .Values.persistence.enabled }}
    - name: data
      mountPath: /var/lib/maildns-exporter
    {{- end }}
    {{- with .Values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "maildns-exporter.probe" -}}
{{- $root := index . 0 }}
{{- $probe := index . 2 -}}
{{- if include "maildns-exporter.clientCertificates" $root -}}
# The kubelet has no client certificate, so it can only check that the port is open.
tcpSocket:
  port: http
{{- else -}}
httpGet:
  path: {{ include "maildns-exporter.path" (list $root (index . 1)) }}
  port: http
  scheme: {{ include "maildns-exporter.scheme" $root }}
{{- end }}
periodSeconds: {{ int $probe.periodSeconds }}
timeoutSeconds: {{ int $probe.timeoutSeconds }}
failureThreshold: {{ int $probe.failureThreshold }}
{{- end }}
