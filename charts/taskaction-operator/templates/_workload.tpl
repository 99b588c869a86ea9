{{/* Where pods of the release go, and as what: the same for all of them. */}}
{{- define "taskaction.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A value as text. Helm reads whole numbers of values files as floats, and would write a million as 1e+06. */}}
{{- define "taskaction.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) (lt . 9e15) (gt . -9e15) }}{{ int64 . }}{{ else }}{{ toString . }}{{ end }}
{{- end }}

{{/* A setting of people's as an environment variable. */}}
{{- define "taskaction.settings" -}}
{{- $prefix := .prefix }}
{{- range $name, $value := .settings }}
- name: {{ $prefix }}{{ $name }}
  value: {{ include "taskaction.text" $value | quote }}
{{- end }}
{{- end }}

{{/* The account of a component other than the operator. */}}
{{- define "taskaction.ownAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "taskaction.componentAccount" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "taskaction.labels" .root | nindent 4 }}
  {{- with (.values.serviceAccount | default dict).annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}

{{/* The Service of a component that is called from outside. Takes root, component, service and scheme. */}}
{{- define "taskaction.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "taskaction.componentName" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "taskaction.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  {{- with .service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .service.type }}
  {{- with .service.extraSpec }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  selector:
    {{- include "taskaction.selector" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  ports:
    - name: {{ .scheme }}
      port: {{ .service.port | int64 }}
      targetPort: serve
{{- end }}

{{/* The way from outside to the Service of a component: an Ingress, an HTTPRoute, or none. Takes root, component, values. */}}
{{- define "taskaction.routes" -}}
{{- $name := include "taskaction.componentName" . }}
{{- $root := .root }}
{{- $port := .values.service.port | int64 }}
{{- $ingress := .values.ingress | default dict }}
{{- $route := .values.httpRoute | default dict }}
{{- if $ingress.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "taskaction.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  {{- with $ingress.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- with $ingress.tls }}
  tls:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- range $ingress.hosts }}
    - host: {{ . | quote }}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: {{ $name }}
                port: {number: {{ $port }}}
    {{- end }}
{{- end }}
{{- if $route.enabled }}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "taskaction.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  {{- with $route.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  parentRefs:
    {{- toYaml $route.parentRefs | nindent 4 }}
  {{- with $route.hostnames }}
  hostnames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    - backendRefs:
        - name: {{ $name }}
          port: {{ $port }}
{{- end }}
{{- end }}

{{/* The Deployment of a component. Takes root, component, values (its own ones), args, env, ports, probes, mounts and
volumes; the last five as YAML. Metrics and probes are at the port `metrics`. */}}
{{- define "taskaction.deployment" -}}
{{- $root := .root }}
{{- $global := .root.Values }}
{{- $loads := has .component (list "operator" "webhooks") }}
{{- $pluginEnv := ternary (include "taskaction.pluginEnv" .root | trim) "" $loads }}
{{- $mounts := ternary (list .mounts (include "taskaction.pluginMounts" .root)) (list .mounts) $loads | join "\n" | trim }}
{{- $volumes := ternary (list .volumes (include "taskaction.pluginVolumes" .root)) (list .volumes) $loads | join "\n" | trim }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "taskaction.componentName" . }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "taskaction.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  {{- with $global.deploymentAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- if not (kindIs "invalid" .values.replicaCount) }}
  replicas: {{ .values.replicaCount | int64 }}
  {{- end }}
  {{- if not (kindIs "invalid" $global.revisionHistoryLimit) }}
  revisionHistoryLimit: {{ $global.revisionHistoryLimit | int64 }}
  {{- end }}
  {{- with $global.strategy }}
  strategy:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "taskaction.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
  template:
    metadata:
      labels:
        {{- include "taskaction.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
        {{- with $global.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $global.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "taskaction.componentAccount" . }}
      automountServiceAccountToken: true
      terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds | int64 }}
      {{- include "taskaction.podSecurity" $root | nindent 6 }}
      {{- with include "taskaction.placement" $root }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- if $global.topologySpread.topologyKeys }}
      topologySpreadConstraints:
        {{- range $global.topologySpread.topologyKeys }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: {{ $global.topologySpread.whenUnsatisfiable }}
          labelSelector:
            matchLabels:
              {{- include "taskaction.selector" $root | nindent 14 }}
              app.kubernetes.io/component: {{ $.component }}
        {{- end }}
      {{- end }}
      {{- with $global.initContainers }}
      initContainers:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .component }}
          image: {{ include "taskaction.image" $root | quote }}
          imagePullPolicy: {{ $global.image.pullPolicy }}
          args: {{ toJson .args }}
          {{- include "taskaction.containerSecurity" $root | nindent 10 }}
          env:
            {{- .env | trim | nindent 12 }}
            {{- with $pluginEnv }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- with .values.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            {{- .ports | trim | nindent 12 }}
          {{- .probes | trim | nindent 10 }}
          {{- with .values.resources }}
          resources:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- if or $mounts $global.extraVolumeMounts }}
          volumeMounts:
            {{- with $mounts }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- with $global.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          {{- end }}
      {{- with $global.extraContainers }}
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if or $volumes $global.extraVolumes }}
      volumes:
        {{- with $volumes }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $global.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
{{- end }}
