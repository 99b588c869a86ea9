{{/* Roles and bindings for one scope of files/rights. Takes root, scope, name, account and namespaces: with namespaces
a Role and a RoleBinding in each of them, without any a ClusterRole for all. `annotations` are for hooks. */}}
{{- define "taskaction.api.rbac" -}}
{{- $rules := .root.Files.Get (printf "files/rights/%s.yaml" .scope) | fromYamlArray | toYaml }}
{{- $labels := include "taskaction.labels" .root }}
{{- $annotations := .annotations }}
{{- $account := .account }}
{{- $name := .name }}
{{- $home := .root.Release.Namespace }}
{{- $places := .namespaces | default (list "") }}
{{- range $places }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "Role" "ClusterRole" (ne . "") }}
metadata:
  name: {{ $name }}
  {{- with . }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- $labels | nindent 4 }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
rules:
  {{- $rules | nindent 2 }}
---
{{ include "taskaction.binding" (dict "labels" $labels "annotations" $annotations "name" $name "kind" (ternary "Role" "ClusterRole" (ne . "")) "role" $name "namespace" . "account" $account "home" $home) }}
{{- end }}
{{- end }}

{{/* A binding of a role to an account of the release's namespace; of the whole cluster, where no namespace is named. */}}
{{- define "taskaction.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "RoleBinding" "ClusterRoleBinding" (ne .namespace "") }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- .labels | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .role }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ .home }}
{{- end }}

{{/* The rights of a component's own account to act by the accounts that are open to it: by the one ClusterRole, or by a
Role in each namespace where the release may have nothing else. */}}
{{- define "taskaction.accountBindings" -}}
{{- $root := .root }}
{{- $suffix := .suffix }}
{{- $clusterName := include "taskaction.clusterName" $root }}
{{- $places := list }}
{{- if and $root.Values.namespacedOnly $root.Values.accounts.namespaces }}
{{- include "taskaction.api.rbac" (dict "root" $root "scope" "accounts" "name" (printf "%s-%s" $clusterName $suffix) "account" (include "taskaction.componentAccount" $) "namespaces" $root.Values.accounts.namespaces) }}
{{- else if $root.Values.accounts.everywhere }}{{ $places = list "" }}{{ else }}{{ $places = $root.Values.accounts.namespaces }}{{ end }}
{{- range $places }}
---
{{ include "taskaction.binding" (dict "labels" (include "taskaction.labels" $root) "name" (printf "%s-%s" $clusterName $suffix) "kind" "ClusterRole" "role" (printf "%s-accounts" $clusterName) "namespace" . "account" (include "taskaction.componentAccount" $) "home" $root.Release.Namespace) }}
{{- end }}
{{- end }}
