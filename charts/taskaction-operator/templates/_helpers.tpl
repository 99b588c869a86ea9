{{- define "taskaction.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Components add up to eleven letters to it, and names of Services have at most 63. */}}
{{- define "taskaction.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "taskaction.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "taskaction.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What belongs to no namespace bears the release's namespace in its name, so that two releases do not collide. */}}
{{- define "taskaction.clusterName" -}}
{{- printf "%s-%s" (include "taskaction.fullname" .) .Release.Namespace }}
{{- end }}

{{- define "taskaction.selector" -}}
app.kubernetes.io/name: {{ include "taskaction.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "taskaction.labels" -}}
{{ include "taskaction.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | replace "+" "_" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "taskaction.account" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "taskaction.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "taskaction.image" -}}
{{- $tagged := printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- with .Values.image.digest }}{{ printf "%s@%s" $.Values.image.repository . }}{{ else }}{{ $tagged }}{{ end }}
{{- end }}

{{/* The name of a component: the operator bears the release's, the others add theirs. */}}
{{- define "taskaction.componentName" -}}
{{- $fullname := include "taskaction.fullname" .root }}
{{- if eq .component "operator" }}{{ $fullname }}{{ else }}{{ printf "%s-%s" $fullname .component }}{{ end }}
{{- end }}

{{/* The ServiceAccount of a component; only the operator's has a name of one's own choice. */}}
{{- define "taskaction.componentAccount" -}}
{{- if eq .component "operator" }}{{ include "taskaction.account" .root }}{{ else }}{{ include "taskaction.componentName" . }}{{ end }}
{{- end }}

{{/* The components that are installed, as JSON: their names, and their values. */}}
{{- define "taskaction.components" -}}
{{- $found := dict }}
{{- if .Values.operator.enabled }}{{- $_ := set $found "operator" .Values }}{{- end }}
{{- if .Values.webhooks.enabled }}{{- $_ := set $found "webhooks" .Values.webhooks }}{{- end }}
{{- if .Values.actions.enabled }}{{- $_ := set $found "actions" .Values.actions }}{{- end }}
{{- if .Values.history.serve.enabled }}{{- $_ := set $found "history" .Values.history.serve }}{{- end }}
{{- if .Values.console.enabled }}{{- $_ := set $found "console" .Values.console }}{{- end }}
{{- if .Values.portAgent.enabled }}{{- $_ := set $found "port-agent" .Values.portAgent }}{{- end }}
{{- range $component, $values := $found }}
{{- $_ := set $found $component (pick $values "replicaCount") }}
{{- end }}
{{- toJson $found }}
{{- end }}

{{/* The restricted level of Pod Security, with what people change of it. */}}
{{- define "taskaction.podSecurity" -}}
{{- $own := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") }}
securityContext:
  {{- range $field, $value := .Values.podSecurityContext }}{{- $_ := set $own $field $value }}{{- end }}
  {{- toYaml $own | nindent 2 }}
{{- end }}

{{- define "taskaction.containerSecurity" -}}
{{- $own := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) }}
securityContext:
  {{- range $field, $value := .Values.securityContext }}{{- $_ := set $own $field $value }}{{- end }}
  {{- toYaml $own | nindent 2 }}
{{- end }}

{{/* Refuses what cannot be had without anything that belongs to no namespace. */}}
{{- define "taskaction.withinNamespaces" -}}
{{- if .Values.namespacedOnly }}
{{- if not .Values.watchNamespaces }}
{{- fail "namespacedOnly: name the namespaces whose actions are run: watchNamespaces" }}
{{- end }}
{{- if .Values.accounts.everywhere }}
{{- fail "accounts.everywhere: it is a right of the cluster, which namespacedOnly rules out: name accounts.namespaces" }}
{{- end }}
{{- if .Values.flowControl.enabled }}
{{- fail "flowControl.enabled: a priority level belongs to the cluster, which namespacedOnly rules out" }}
{{- end }}
{{- if .Values.actions.enabled }}
{{- fail "actions.enabled: to ask whose a token is, is a right of the cluster, which namespacedOnly rules out" }}
{{- end }}
{{- if .Values.history.serve.enabled }}
{{- fail "history.serve.enabled: reviewing tokens is a right of the cluster, which namespacedOnly rules out" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "taskaction.env" -}}
- name: TASKACTION_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- with .Values.watchNamespaces }}
- name: TASKACTION_WATCH_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
{{- if .Values.namespacedOnly }}
- name: TASKACTION_CLUSTER_PROVIDERS
  value: "false"
{{- end }}
{{- end }}

{{/* The storage of the operator, for the other components: by each of the names that the setting has. */}}
{{- define "taskaction.storageEnv" -}}
{{- include "taskaction.settings" (dict "prefix" "TASKACTION_" "settings" (pick .Values.settings "STORAGE" "FLOWS_STORAGE" "FLYTE_STORAGE")) }}
{{- end }}

{{/* The database of the history, for the operator, for the service that reads it and for the hook that migrates it. */}}
{{- define "taskaction.historyEnv" -}}
{{- with .Values.history }}
{{- if .url }}
- name: TASKACTION_HISTORY
  value: {{ .url | quote }}
{{- if .passwordSecret }}
- name: TASKACTION_HISTORY_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .passwordSecret }}
      key: {{ .passwordKey }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* What operator and inbox share to make and read the one-time addresses of callbacks. */}}
{{- define "taskaction.webhookEnv" -}}
{{- if and .Values.webhooks.enabled .Values.webhooks.keySecret }}
- name: TASKACTION_WEBHOOKS_URL
  value: {{ .Values.webhooks.url | quote }}
- name: TASKACTION_WEBHOOKS_KEY_FILE
  value: /etc/taskaction/webhooks/key
{{- end }}
{{- end }}

{{- define "taskaction.webhookMounts" -}}
{{- if and .Values.webhooks.enabled .Values.webhooks.keySecret }}
- name: webhook-key
  mountPath: /etc/taskaction/webhooks
  readOnly: true
{{- end }}
{{- end }}

{{- define "taskaction.webhookVolumes" -}}
{{- if and .Values.webhooks.enabled .Values.webhooks.keySecret }}
- name: webhook-key
  secret:
    secretName: {{ .Values.webhooks.keySecret }}
    items: [{key: key, path: key}]
{{- end }}
{{- end }}
