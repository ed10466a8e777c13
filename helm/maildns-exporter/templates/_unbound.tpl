{{/* Unbound in the exporter's pod: a sidecar container that starts before the exporter and stops after it. */}}

{{- define "maildns-exporter.unboundContainer" -}}
- name: unbound
  # No probes: the kubelet cannot reach the loopback address. The exporter's canary checks that Unbound works.
  image: {{ include "maildns-exporter.image" (dict "image" .Values.unbound.image "tag" .Values.unbound.image.tag) | quote }}
  imagePullPolicy: {{ .Values.unbound.image.pullPolicy }}
  restartPolicy: Always
  command:
    {{- toYaml .Values.unbound.command | nindent 4 }}
    - -c
    - /etc/maildns-exporter-unbound/unbound.conf
  {{- with .Values.unbound.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.securityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - name: unbound
      mountPath: /etc/maildns-exporter-unbound
      readOnly: true
{{- end }}

{{- define "maildns-exporter.unboundConf" -}}
server:
  interface: 127.0.0.1
  port: {{ int .Values.unbound.port }}
  access-control: 127.0.0.0/8 allow
  # The container is unprivileged and its root is read-only: Unbound cannot write files or change its user.
  username: ""
  chroot: ""
  directory: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 1
  num-threads: 1
  so-reuseport: no
  # Validation turns a forged answer into SERVFAIL, which gives no verdict. The keys are the root zone's of 2017 and 2024.
  module-config: "validator iterator"
  trust-anchor: ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"
  trust-anchor: ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16"
  val-log-level: 1
  ede: yes
  harden-glue: yes
  harden-dnssec-stripped: yes
  harden-below-nxdomain: yes
  harden-algo-downgrade: no
  unwanted-reply-threshold: 1000000
  # Random case in query names (0x20), and QNAME minimisation (RFC 9156).
  use-caps-for-id: yes
  qname-minimisation: yes
  aggressive-nsec: no
  # The exporter must see what is published now.
  cache-max-ttl: {{ int .Values.unbound.cacheMaxTTL }}
  cache-max-negative-ttl: {{ int .Values.unbound.cacheMaxTTL }}
  serve-expired: no
  prefetch: no
  rrset-roundrobin: no
  minimal-responses: yes
  hide-identity: yes
  hide-version: yes
  msg-cache-size: 16m
  rrset-cache-size: 32m
  {{- with .Values.unbound.extraServerConfig }}
  {{- . | nindent 2 }}
  {{- end }}
remote-control:
  control-enable: no
{{- with .Values.unbound.extraConfig }}
{{ . }}
{{- end }}
{{- end }}
