{{- define "triton.labels" -}}
app.kubernetes.io/name: rec-triton
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "triton.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag }}{{ end }}
{{- end }}
{{- define "triton.env" -}}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
- {name: REC_HOME, value: /state}
- {name: REC_STORE_READ_ONLY, value: "true"}
{{- end }}
{{- define "triton.secrets" -}}
{{- range .Values.secrets }}
- secretRef: {name: {{ . }}}
{{- end }}
{{- end }}
{{- define "triton.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}
