{{- define "user-directory.fullname" -}}
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

{{/* What pods are selected by: it never changes, so it holds no version. */}}
{{- define "user-directory.releaseSelector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Arguments: root, name of the component. */}}
{{- define "user-directory.selector" -}}
{{- include "user-directory.releaseSelector" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Arguments: root, name of the component. */}}
{{- define "user-directory.labels" -}}
{{- $root := index . 0 -}}
{{- include "user-directory.selector" . }}
app.kubernetes.io/part-of: user-directory
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The enabled components with their defaults, as YAML. */}}
{{- define "user-directory.components" -}}
{{- $all := dict -}}
{{- range $name, $own := .Values.components -}}
{{- $component := mergeOverwrite (deepCopy $.Values.componentDefaults) (deepCopy $own) -}}
{{- if $component.enabled -}}
{{- $_ := set $all $name $component -}}
{{- end -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}

{{- define "user-directory.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "user-directory.strimziCluster" -}}
{{- default (include "user-directory.fullname" .) .Values.strimzi.clusterName -}}
{{- end -}}

{{- define "user-directory.kafka" -}}
{{- if .Values.kafka.bootstrapServers -}}
{{- .Values.kafka.bootstrapServers -}}
{{- else if .Values.dev.kafka.enabled -}}
{{- printf "%s-kafka:9092" (include "user-directory.fullname" .) -}}
{{- else if .Values.strimzi.enabled -}}
{{- printf "%s-kafka-bootstrap:9092" (include "user-directory.strimziCluster" .) -}}
{{- else -}}
{{- fail "Kafka is not named: set kafka.bootstrapServers, or enable strimzi or dev.kafka" -}}
{{- end -}}
{{- end -}}

{{/* Whether a setting comes from a secret. Arguments: root, name of the variable. */}}
{{- define "user-directory.isSecret" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- if or (hasKey $root.Values.secretSettings $name) (and $root.Values.externalSecret.enabled (hasKey $root.Values.externalSecret.data $name)) (and (eq $name "REDIS_URL") $root.Values.redis.existingSecret.name) -}}
true
{{- end -}}
{{- end -}}

{{- define "user-directory.redis" -}}
{{- if .Values.redis.url -}}
{{- .Values.redis.url -}}
{{- else if .Values.dev.redis.enabled -}}
{{- printf "redis://%s-redis:6379/0" (include "user-directory.fullname" .) -}}
{{- else -}}
{{- fail "Redis is not named: set redis.url, redis.existingSecret.name, secretSettings.REDIS_URL or externalSecret.data.REDIS_URL, or enable dev.redis" -}}
{{- end -}}
{{- end -}}

{{/* Who is let in, as settings. */}}
{{- define "user-directory.auth" -}}
{{- with .Values.auth -}}
{{- if not .enabled -}}
AUTH: "off"
AUTH_OFF_ON_ANY_ADDRESS: "true"
{{- else if or (not .issuer) (and (not .jwksUrl) (not .jwksSecret.name)) -}}
{{- fail "Nobody could be let in: set auth.issuer and auth.jwksUrl or auth.jwksSecret.name to those of the tokens' issuer, or auth.enabled=false to let everybody in" -}}
{{- else -}}
AUTH: "on"
AUTH_ISSUER: {{ .issuer | quote }}
AUTH_AUDIENCE: {{ .audience | quote }}
{{- if .jwksSecret.name }}
AUTH_JWKS_FILE: /etc/user-directory/keys/{{ .jwksSecret.key }}
{{- else }}
AUTH_JWKS_URL: {{ .jwksUrl | quote }}
{{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The settings that are no secrets, as YAML; `settings` wins over what the chart works out. */}}
{{- define "user-directory.settings" -}}
{{- $settings := dict
  "KAFKA_BOOTSTRAP_SERVERS" (include "user-directory.kafka" .)
  "KAFKA_PARTITIONS" (.Values.kafka.partitions | toString)
  "KAFKA_REPLICATION_FACTOR" (.Values.kafka.replicationFactor | toString)
  "KAFKA_MIN_INSYNC_REPLICAS" (.Values.kafka.minInsyncReplicas | toString)
  "DRAIN_SECONDS" (.Values.drainSeconds | toString)
-}}
{{- if not (include "user-directory.isSecret" (list . "REDIS_URL")) -}}
{{- $_ := set $settings "REDIS_URL" (include "user-directory.redis" .) -}}
{{- end -}}
{{- with .Values.tracing -}}
{{- if .endpoint -}}
{{- $_ := set $settings "OTEL_EXPORTER_OTLP_ENDPOINT" .endpoint -}}
{{- $_ := set $settings "OTEL_TRACES_SAMPLER_ARG" (.ratio | toString) -}}
{{- end -}}
{{- end -}}
{{- $settings = mergeOverwrite $settings (include "user-directory.auth" . | fromYaml) -}}
{{- range $name, $value := .Values.settings -}}
{{- $_ := set $settings $name ($value | toString) -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end -}}

{{/* The settings that come from secrets, as entries of `env`. */}}
{{- define "user-directory.secretEnv" -}}
{{- $secrets := dict -}}
{{- if .Values.externalSecret.enabled -}}
{{- range $name, $_ := .Values.externalSecret.data -}}
{{- $_ := set $secrets $name (dict "secret" (printf "%s-settings" (include "user-directory.fullname" $)) "key" $name) -}}
{{- end -}}
{{- end -}}
{{- with .Values.redis.existingSecret -}}
{{- if .name -}}
{{- $_ := set $secrets "REDIS_URL" (dict "secret" .name "key" .key) -}}
{{- end -}}
{{- end -}}
{{- range $name, $from := .Values.secretSettings -}}
{{- $_ := set $secrets $name $from -}}
{{- end -}}
{{- range $name, $from := $secrets }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $from.secret }}
      key: {{ $from.key }}
{{- end -}}
{{- end -}}

{{/* The settings that name a file from a secret: the variable's name, the secret and its key. */}}
{{- define "user-directory.secretFiles" -}}
{{- $files := dict -}}
{{- if .Values.externalSecret.enabled -}}
{{- range $name, $_ := .Values.externalSecret.files -}}
{{- $_ := set $files $name (dict "secret" (printf "%s-settings" (include "user-directory.fullname" $)) "key" $name) -}}
{{- end -}}
{{- end -}}
{{- toYaml (mergeOverwrite $files .Values.secretFiles) -}}
{{- end -}}

{{- define "user-directory.fileEnv" -}}
{{- range $name, $_ := include "user-directory.secretFiles" . | fromYaml }}
- name: {{ $name }}
  value: /etc/user-directory/files/{{ $name }}
{{- end -}}
{{- if .Values.kafka.token.audience }}
- name: KAFKA_SASL_TOKEN_FILE
  value: /etc/user-directory/files/KAFKA_SASL_TOKEN_FILE
{{- end -}}
{{- end -}}

{{- define "user-directory.fileMounts" -}}
{{- if or .Values.kafka.token.audience (include "user-directory.secretFiles" . | fromYaml) }}
- name: files
  mountPath: /etc/user-directory/files
  readOnly: true
{{- end -}}
{{- end -}}

{{- define "user-directory.fileVolumes" -}}
{{- $files := include "user-directory.secretFiles" . | fromYaml -}}
{{- if or .Values.kafka.token.audience $files }}
- name: files
  projected:
    sources:
      {{- range $name, $from := $files }}
      - secret:
          name: {{ $from.secret }}
          items:
            - key: {{ $from.key }}
              path: {{ $name }}
      {{- end }}
      {{- with .Values.kafka.token }}
      {{- if .audience }}
      # The kubelet replaces it before it expires.
      - serviceAccountToken:
          audience: {{ .audience }}
          expirationSeconds: {{ .expirationSeconds }}
          path: KAFKA_SASL_TOKEN_FILE
      {{- end }}
      {{- end }}
{{- end -}}
{{- end -}}

{{- define "user-directory.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "user-directory.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "user-directory.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The most copies that autoscaling may start. Arguments: root, component. */}}
{{- define "user-directory.maxReplicas" -}}
{{- $root := index . 0 -}}
{{- $scaling := (index . 1).autoscaling -}}
{{- if $scaling.lag.records -}}
{{- min $scaling.maxReplicas $root.Values.kafka.partitions -}}
{{- else -}}
{{- $scaling.maxReplicas -}}
{{- end -}}
{{- end -}}
