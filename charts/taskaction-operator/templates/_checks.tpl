{{/* Refuses namespaces that do not exist before anything is changed: half of a release would be installed. Without a
cluster (`helm template`), and without the right to read namespaces (`namespacedOnly`), nothing is known of them. */}}
{{- define "taskaction.existingNamespaces" -}}
{{- if and (not .Values.namespacedOnly) (lookup "v1" "Namespace" "" "kube-system") }}
{{- $wanted := dict "watchNamespaces" .Values.watchNamespaces "accounts.namespaces" .Values.accounts.namespaces }}
{{- if .Values.portAgent.enabled }}{{- $_ := set $wanted "portAgent.namespace" (list .Values.portAgent.namespace) }}{{- end }}
{{- if .Values.actions.enabled }}{{- $_ := set $wanted "actions.namespaces" (concat (list .Values.actions.namespace) (values .Values.actions.namespaces) | uniq) }}{{- end }}
{{- $missing := dict }}
{{- range $value, $names := $wanted }}
{{- range $names }}
{{- if and (ne . $.Release.Namespace) (not (lookup "v1" "Namespace" "" .)) }}{{- $_ := set $missing . $value }}{{- end }}
{{- end }}
{{- end }}
{{- if $missing }}
{{- $lines := list }}
{{- range $name, $value := $missing }}{{ $lines = append $lines (printf "%s: namespace %q does not exist: kubectl create namespace %s" $value $name $name) }}{{ end }}
{{- fail (printf "\n%s" (join "\n" $lines)) }}
{{- end }}
{{- end }}
{{- end }}
