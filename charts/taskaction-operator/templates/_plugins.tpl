{{/* Folders of plug-ins, as a path of Python: for the components that load executors. */}}
{{- define "taskaction.pluginEnv" -}}
{{- $folders := list }}
{{- range .Values.plugins }}{{ $folders = append $folders (printf "/opt/plugins/%s" .name) }}{{ end }}
{{- with $folders }}
- name: PYTHONPATH
  value: {{ join ":" . | quote }}
{{- end }}
{{- end }}

{{- define "taskaction.pluginMounts" -}}
{{- range .Values.plugins }}
- name: plugin-{{ .name }}
  mountPath: /opt/plugins/{{ .name }}
  readOnly: true
{{- end }}
{{- end }}

{{/* A ConfigMap holds METADATA and entry_points.txt, which Python wants in a folder of its own, and modules next to it. */}}
{{- define "taskaction.pluginVolumes" -}}
{{- range .Values.plugins }}
{{- if eq (empty .configMap) (empty .image) }}
{{- fail (printf "plugins: %s: set either configMap or image" .name) }}
{{- end }}
- name: plugin-{{ .name }}
  {{- with .image }}
  image:
    reference: {{ . | quote }}
    pullPolicy: {{ $.Values.image.pullPolicy }}
  {{- end }}
  {{- if .configMap }}
  {{- $folder := printf "%s-0.dist-info" (replace "-" "_" .name) }}
  configMap:
    name: {{ .configMap }}
    items:
      - {key: METADATA, path: {{ $folder }}/METADATA}
      - {key: entry_points.txt, path: {{ $folder }}/entry_points.txt}
      {{- range .modules }}
      - {key: {{ . | quote }}, path: {{ . | quote }}}
      {{- end }}
  {{- end }}
{{- end }}
{{- end }}
