{{/* The name that every object of the release begins with; short enough for the longest suffix and 63 characters. */}}
{{- define "warder.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The labels that select the pods of one component: (dict "root" $ "component" "gateway"). They never change. */}}
{{- define "warder.selectorLabels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "warder.labels" -}}
{{ include "warder.selectorLabels" . }}
app.kubernetes.io/part-of: warder
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "warder.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* Names of the Secrets in use, the chart's own or the operator's. */}}
{{- define "warder.grpcTlsSecret" -}}
{{- .Values.grpc.tls.existingSecret | default (printf "%s-grpc-tls" (include "warder.fullname" .)) -}}
{{- end -}}

{{- define "warder.enrollmentSecret" -}}
{{- .Values.enrollment.existingSecret | default (printf "%s-enrollment" (include "warder.fullname" .)) -}}
{{- end -}}

{{/* The host name under which the gateway reaches the control plane, and which its certificate is made for. */}}
{{- define "warder.grpcHost" -}}
{{- printf "%s-control-plane-grpc.%s.svc" (include "warder.fullname" .) .Release.Namespace -}}
{{- end -}}

{{- define "warder.grpcUrl" -}}
{{- if .Values.gateway.controlPlaneGrpcUrl -}}
{{- .Values.gateway.controlPlaneGrpcUrl -}}
{{- else -}}
{{- printf "%s://%s:%v" (ternary "http" "https" .Values.grpc.plaintext) (include "warder.grpcHost" .) .Values.controlPlane.ports.grpc -}}
{{- end -}}
{{- end -}}

{{/* "30s", "2m" or "1h" as a number of seconds. */}}
{{- define "warder.seconds" -}}
{{- $unit := regexFind "[smh]$" . -}}
{{- mul (regexFind "^[0-9]+" . | int) (get (dict "s" 1 "m" 60 "h" 3600) $unit | int) -}}
{{- end -}}

{{/*
How a pod ends. Kubernetes sends SIGTERM and takes the pod out of its services at the same time, but not in the same
moment on every node, and the process stops accepting at once: so it waits before the signal, then drains, and has ten
seconds more to write its last lines.
*/}}
{{- define "warder.terminationGracePeriodSeconds" -}}
{{- add .shutdownDelaySeconds (include "warder.seconds" (.config.WARDER_DRAIN_TIMEOUT | default "30s")) 10 -}}
{{- end -}}

{{- define "warder.shutdownDelay" -}}
{{- with .shutdownDelaySeconds -}}
lifecycle:
  preStop:
    exec: {command: [sleep, {{ . | quote }}]}
{{- end -}}
{{- end -}}

{{/* The `config` map of a plane as environment variables; an empty value is left to the process's default. */}}
{{- define "warder.config" -}}
{{- range $name, $value := . }}
{{- if ne (toString $value) "" }}
- name: {{ $name }}
  value: {{ toString $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "warder.databaseUrl" -}}
- name: WARDER_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.controlPlane.database.existingSecret }}
      key: {{ .Values.controlPlane.database.key }}
{{- end -}}

{{- define "warder.databaseCaMount" -}}
{{- if .Values.controlPlane.database.caSecret -}}
- {name: database-ca, mountPath: /etc/warder/database-ca, readOnly: true}
{{- end -}}
{{- end -}}

{{- define "warder.databaseCaVolume" -}}
{{- with .Values.controlPlane.database -}}
{{- if .caSecret -}}
- name: database-ca
  secret:
    secretName: {{ .caSecret }}
    defaultMode: 0440
    items: [{key: {{ .caKey | quote }}, path: ca.crt}]
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
What every pod has in common: no Kubernetes token, no service links (a release named "warder" would otherwise put
WARDER_… variables of its own into the environment), no root, the runtime's seccomp profile.
*/}}
{{- define "warder.podHardening" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  {{- with .Values.podSecurity.runAsUser }}
  runAsUser: {{ . }}
  {{- end }}
  {{- with .Values.podSecurity.runAsGroup }}
  runAsGroup: {{ . }}
  {{- end }}
  {{- with .Values.podSecurity.fsGroup }}
  fsGroup: {{ . }}
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "warder.containerHardening" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/* Where the pods of one plane may run: (dict "root" $ "component" … "plane" .Values.…). */}}
{{- define "warder.scheduling" -}}
topologySpreadConstraints:
{{- if .plane.topologySpreadConstraints }}
  {{- toYaml .plane.topologySpreadConstraints | nindent 2 }}
{{- else }}
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "warder.selectorLabels" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- with .plane.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .plane.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .plane.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .plane.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/*
Probes on the admin port. Alive is not ready: a gateway without a snapshot, or a draining process, is alive and takes
no traffic, so only /readyz decides about traffic and only /healthz about restarts.
*/}}
{{- define "warder.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 1
  timeoutSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end -}}

{{/* Egress to the cluster's name service, wherever it runs. */}}
{{- define "warder.dnsEgress" -}}
- ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}

{{/* Egress to the database. */}}
{{- define "warder.databaseEgress" -}}
{{- with .Values.controlPlane.networkPolicy.database -}}
- ports:
    - {protocol: TCP, port: {{ .port }}}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/*
Egress to whatever the process itself may dial: (dict "public" true "allow" "CIDR,…"). Public addresses are all but the
networks that the process refuses by itself (shared/src/egress/address.rs), where a fault of the process cannot reach.
*/}}
{{- define "warder.upstreamEgress" -}}
{{- if .public }}
- to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except: [0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.0.0.0/24, 192.0.2.0/24, 192.88.99.0/24, 192.168.0.0/16, 198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24, 224.0.0.0/4, 240.0.0.0/4]
    - ipBlock:
        cidr: ::/0
        except: ["::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"]
  ports:
    - {protocol: TCP}
{{- end }}
{{- with compact (splitList "," .allow) }}
- to:
    {{- range . }}
    - ipBlock: {cidr: {{ include "warder.cidr" . | quote }}}
    {{- end }}
  ports:
    - {protocol: TCP}
{{- end }}
{{- end -}}

{{/* A network as a NetworkPolicy wants it; WARDER_EGRESS_ALLOW takes a single address without its prefix length too. */}}
{{- define "warder.cidr" -}}
{{- if contains "/" . -}}{{ . }}{{- else if contains ":" . -}}{{ . }}/128{{- else -}}{{ . }}/32{{- end -}}
{{- end -}}

{{/* One ingress rule: (dict "port" 7080 "from" …). An empty `from` means anyone. */}}
{{- define "warder.ingressRule" -}}
- ports:
    - {protocol: TCP, port: {{ .port }}}
  {{- with .from }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* What has no default, said in one clear line each. */}}
{{- define "warder.validate" -}}
{{- $_ := required "urls.public is missing: the URL at which people and API clients reach the control plane" .Values.urls.public -}}
{{- $_ := required "urls.gateway is missing: the URL at which MCP clients reach the gateway" .Values.urls.gateway -}}
{{- $_ := required "controlPlane.database.existingSecret is missing: the name of a Secret with a postgres:// URL" .Values.controlPlane.database.existingSecret -}}
{{- $_ := required "controlPlane.rootKey.existingSecret is missing: the name of a Secret with the root key (32 bytes, base64); the chart never makes one" .Values.controlPlane.rootKey.existingSecret -}}
{{- range $key := list "controlPlane" "gateway" -}}
{{- with (index $.Values $key).ingress -}}
{{- if and .enabled (not .hosts) -}}
{{- fail (printf "%s.ingress is enabled, and %s.ingress.hosts is empty" $key $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.gateway.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail "gateway.autoscaling.minReplicas is larger than maxReplicas" -}}
{{- end -}}
{{- end -}}
{{- end -}}
