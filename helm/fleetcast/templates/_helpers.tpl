{{- define "fleetcast.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "fleetcast.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "fleetcast.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that never change: what Services and Deployments select by. Takes root and component. */}}
{{- define "fleetcast.selectorLabels" -}}
app.kubernetes.io/name: {{ include "fleetcast.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component | quote }}
{{- end -}}

{{- define "fleetcast.labels" -}}
{{ include "fleetcast.selectorLabels" . }}
app.kubernetes.io/part-of: "fleetcast"
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | quote }}
{{- range $key, $value := .root.Values.commonLabels }}
{{ $key }}: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "fleetcast.image" -}}
{{- $image := .root.Values.image -}}
{{- $tag := default .root.Chart.AppVersion $image.tag -}}
{{- if $image.registry -}}{{ $image.registry }}/{{ end -}}{{ $image.repository }}/{{ .component }}:{{ $tag }}
{{- end -}}

{{/*
Addresses of a process for the others, separated by commas. Streams are held to every replica of these processes (an edge
attaches to each device-connection), so they are StatefulSets whose pods have names, and the list follows replicaCount.
Takes root, component, settings.
*/}}
{{- define "fleetcast.addresses" -}}
{{- $settings := mergeOverwrite (deepCopy .root.Values.defaults) (deepCopy (default (dict) .settings)) -}}
{{- $name := printf "%s-%s" (include "fleetcast.fullname" .root) .component -}}
{{- $all := list -}}
{{- range $i := until (int $settings.replicaCount) -}}
{{- $all = append $all (printf "%s-%d.%s:7000" $name $i $name) -}}
{{- end -}}
{{- join "," $all -}}
{{- end -}}

{{/* One name for all replicas of a process, for calls that any of them can answer. Takes root and component. */}}
{{- define "fleetcast.anyAddress" -}}
{{ include "fleetcast.fullname" .root }}-{{ .component }}:7000
{{- end -}}

{{- define "fleetcast.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "fleetcast.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* The connection string, for processes that own tables. */}}
{{- define "fleetcast.postgresEnv" -}}
- name: FLEETCAST_POSTGRES
  valueFrom:
    secretKeyRef:
      name: {{ .Values.postgres.existingSecret | quote }}
      key: {{ .Values.postgres.key | quote }}
{{- end -}}

{{- define "fleetcast.telemetryEnv" -}}
- name: FLEETCAST_LOG_LEVEL
  value: {{ .Values.telemetry.logLevel | quote }}
{{- if .Values.telemetry.otlpEndpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .Values.telemetry.otlpEndpoint | quote }}
- name: OTEL_TRACES_SAMPLER
  value: {{ .Values.telemetry.sampler | quote }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ .Values.telemetry.samplerArgument | quote }}
{{- end }}
{{- end -}}

{{/* A duration such as 1m30s in seconds, each part rounded up. Takes the text. */}}
{{- define "fleetcast.seconds" -}}
{{- $seconds := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h)" . -1 -}}
{{- $number := regexFind "^[0-9]+" . | int64 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- if eq $unit "ms" }}{{ $seconds = add $seconds (div (add $number 999) 1000) }}
{{- else if eq $unit "s" }}{{ $seconds = add $seconds $number }}
{{- else if eq $unit "m" }}{{ $seconds = add $seconds (mul $number 60) }}
{{- else }}{{ $seconds = add $seconds (mul $number 3600) }}{{ end -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}

{{/*
How long an edge may need to end, in seconds: health says no, connections go evenly, the last one waits for its calls, open RPCs end;
and 15 s for what is late. Takes the section of the edge over the defaults.
*/}}
{{- define "fleetcast.edgeGrace" -}}
{{- $needed := 15 -}}
{{- range list .drainDelay .closeOver .callDrain .drainTimeout -}}
{{- $needed = add $needed (include "fleetcast.seconds" . | trim | int64) -}}
{{- end -}}
{{- $needed -}}
{{- end -}}

{{/*
One process: a Deployment, or a StatefulSet where others hold streams to each replica, and its headless Service. A dict of
  root       the root context
  component  its name in the cluster, for instance job-api
  settings   its section of the values, over .Values.defaults
  env        a list of further environment entries
  ports      a list of further container ports, {name, containerPort}
  mounts     which Secrets and ConfigMaps it reads: a list of "policies", "key-encryption", "ticket-keys", "telemetry-sink", "tls",
             "client-authorities"
  stateful   whether the pods need names of their own
*/}}
{{- define "fleetcast.process" -}}
{{- $root := .root -}}
{{- $settings := mergeOverwrite (deepCopy $root.Values.defaults) (deepCopy (default (dict) .settings)) -}}
{{- $fullname := printf "%s-%s" (include "fleetcast.fullname" $root) .component -}}
apiVersion: apps/v1
kind: {{ if .stateful }}StatefulSet{{ else }}Deployment{{ end }}
metadata:
  name: {{ $fullname }}
  labels:
    {{- include "fleetcast.labels" . | nindent 4 }}
spec:
  replicas: {{ $settings.replicaCount }}
  selector:
    matchLabels:
      {{- include "fleetcast.selectorLabels" . | nindent 6 }}
  {{- if .stateful }}
  serviceName: {{ $fullname }}
  podManagementPolicy: Parallel
  {{- else }}
  strategy:
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
  {{- end }}
  template:
    metadata:
      labels:
        {{- include "fleetcast.labels" . | nindent 8 }}
      annotations:
        {{- if $root.Values.metrics.podAnnotations }}
        prometheus.io/scrape: "true"
        prometheus.io/port: {{ $root.Values.metrics.port | quote }}
        prometheus.io/path: "/metrics"
        {{- end }}
        {{- range $key, $value := $settings.podAnnotations }}
        {{ $key }}: {{ $value | quote }}
        {{- end }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ $settings.terminationGracePeriodSeconds }}
      {{- with $root.Values.image.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . | quote }}
        {{- end }}
      {{- end }}
      {{- with $settings.priorityClassName }}
      priorityClassName: {{ . | quote }}
      {{- end }}
      securityContext:
        {{- include "fleetcast.podSecurityContext" $root | nindent 8 }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "fleetcast.selectorLabels" . | nindent 14 }}
      containers:
        - name: {{ .component }}
          image: {{ include "fleetcast.image" . | quote }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          securityContext:
            {{- include "fleetcast.containerSecurityContext" $root | nindent 12 }}
          env:
            - name: FLEETCAST_LISTEN
              value: "0.0.0.0:7000"
            - name: FLEETCAST_METRICS_LISTEN
              value: {{ printf "0.0.0.0:%v" $root.Values.metrics.port | quote }}
            - name: FLEETCAST_DRAIN_DELAY
              value: {{ $settings.drainDelay | quote }}
            - name: FLEETCAST_DRAIN_TIMEOUT
              value: {{ $settings.drainTimeout | quote }}
            {{- include "fleetcast.telemetryEnv" $root | nindent 12 }}
            {{- with .env }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- with $settings.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            - name: grpc
              containerPort: 7000
            - name: metrics
              containerPort: {{ $root.Values.metrics.port }}
            {{- range .ports }}
            - name: {{ .name }}
              containerPort: {{ .containerPort }}
            {{- end }}
          startupProbe:
            grpc: { port: 7000 }
            periodSeconds: 2
            failureThreshold: 150
          readinessProbe:
            grpc: { port: 7000 }
            periodSeconds: 5
          livenessProbe:
            tcpSocket: { port: grpc }
            periodSeconds: 20
            failureThreshold: 6
          resources:
            {{- toYaml $settings.resources | nindent 12 }}
          {{- if .mounts }}
          volumeMounts:
            {{- range .mounts }}
            - name: {{ . }}
              mountPath: /etc/fleetcast/{{ . }}
              readOnly: true
            {{- end }}
          {{- end }}
      {{- if .mounts }}
      volumes:
        {{- if has "policies" .mounts }}
        - name: policies
          secret:
            secretName: {{ $root.Values.hub.policies.existingSecret | quote }}
            defaultMode: 0440
        {{- end }}
        {{- if has "key-encryption" .mounts }}
        - name: key-encryption
          secret:
            secretName: {{ $root.Values.hub.keyEncryption.existingSecret | quote }}
            defaultMode: 0440
        {{- end }}
        {{- if has "ticket-keys" .mounts }}
        - name: ticket-keys
          secret:
            secretName: {{ $root.Values.mqttEdge.ticketKeys.existingSecret | quote }}
            defaultMode: 0440
        {{- end }}
        {{- if has "telemetry-sink" .mounts }}
        - name: telemetry-sink
          secret:
            secretName: {{ $root.Values.mqttEdge.telemetrySink.existingSecret | quote }}
            defaultMode: 0440
        {{- end }}
        {{- if has "tls" .mounts }}
        - name: tls
          secret:
            secretName: {{ $root.Values.tls.existingSecret | quote }}
            defaultMode: 0440
        {{- end }}
        {{- if has "client-authorities" .mounts }}
        - name: client-authorities
          configMap:
            name: {{ $root.Values.hub.clientAuthorities.existingConfigMap | quote }}
        {{- end }}
      {{- end }}
      {{- with $settings.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $settings.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $settings.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $fullname }}
  labels:
    {{- include "fleetcast.labels" . | nindent 4 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: {{ if .stateful }}true{{ else }}false{{ end }}
  selector:
    {{- include "fleetcast.selectorLabels" . | nindent 4 }}
  ports:
    - name: grpc
      port: 7000
      targetPort: grpc
      appProtocol: grpc
    - name: metrics
      port: {{ $root.Values.metrics.port }}
      targetPort: metrics
{{- if gt (int $settings.replicaCount) 1 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $fullname }}
  labels:
    {{- include "fleetcast.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "fleetcast.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end -}}

{{/* The public Service of a door. Takes root, component, settings (its `service` section), port, targetPort. */}}
{{- define "fleetcast.publicService" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "fleetcast.fullname" .root }}-{{ .component }}-public
  labels:
    {{- include "fleetcast.labels" . | nindent 4 }}
  {{- with .settings.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .settings.type }}
  {{- if ne .settings.type "ClusterIP" }}
  externalTrafficPolicy: Local
  {{- end }}
  selector:
    {{- include "fleetcast.selectorLabels" . | nindent 4 }}
  ports:
    - name: {{ .targetPort }}
      port: {{ .port }}
      targetPort: {{ .targetPort }}
{{- end -}}

{{/* An Ingress for all names of the hub. Takes root, name, annotations (besides the common ones), paths, service, port. */}}
{{- define "fleetcast.ingress" -}}
{{- $root := .root -}}
{{- $fullname := include "fleetcast.fullname" $root -}}
{{- $call := . -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ $fullname }}-{{ .name }}
  labels:
    {{- include "fleetcast.labels" (dict "root" $root "component" .name) | nindent 4 }}
  {{- with mergeOverwrite (deepCopy .annotations) (deepCopy $root.Values.ingress.annotations) }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $root.Values.ingress.className }}
  ingressClassName: {{ . | quote }}
  {{- end }}
  tls:
    - hosts:
        {{- toYaml $root.Values.hub.hostNames | nindent 8 }}
      secretName: {{ $root.Values.tls.existingSecret | quote }}
  rules:
    {{- range $host := $root.Values.hub.hostNames }}
    - host: {{ $host | quote }}
      http:
        paths:
          {{- range $path := $call.paths }}
          - path: {{ $path | quote }}
            pathType: {{ if eq $path "/" }}Prefix{{ else }}Exact{{ end }}
            backend:
              service:
                name: {{ $fullname }}-{{ $call.service }}
                port:
                  name: {{ $call.port }}
          {{- end }}
    {{- end }}
{{- end -}}
