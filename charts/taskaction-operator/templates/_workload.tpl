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
{{- end }}

{{/* A setting of people's as an environment variable. */}}
{{- define "taskaction.settings" -}}
{{- $prefix := .prefix }}
{{- range $name, $value := .settings }}
- name: {{ $prefix }}{{ $name }}
  value: {{ $value | toString | quote }}
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
  selector:
    {{- include "taskaction.selector" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  ports:
    - name: {{ .scheme }}
      port: {{ .service.port }}
      targetPort: serve
{{- end }}

{{/* The Deployment of a component. Takes root, component, values (its own ones), args, env, ports, probes, mounts and
volumes; the last five as YAML. Metrics and probes are at the port `metrics`. */}}
{{- define "taskaction.deployment" -}}
{{- $root := .root }}
{{- $global := .root.Values }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "taskaction.componentName" . }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "taskaction.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  replicas: {{ .values.replicaCount }}
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
      terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
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
      containers:
        - name: {{ .component }}
          image: {{ include "taskaction.image" $root | quote }}
          imagePullPolicy: {{ $global.image.pullPolicy }}
          args: {{ toJson .args }}
          {{- include "taskaction.containerSecurity" $root | nindent 10 }}
          env:
            {{- .env | trim | nindent 12 }}
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
          {{- if or (trim .mounts) $global.extraVolumeMounts }}
          volumeMounts:
            {{- with trim .mounts }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- with $global.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          {{- end }}
      {{- if or (trim .volumes) $global.extraVolumes }}
      volumes:
        {{- with trim .volumes }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $global.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
{{- end }}
