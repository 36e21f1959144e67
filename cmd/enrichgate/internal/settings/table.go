package settings

import (
	"slices"
	"time"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/quota"
)

// Need says what a command is going to do, and so which settings it cannot do
// without. The zero value needs everything.
type Need int

const (
	// NeedRun is the daemon: OpenCTI, the provider and the data directory.
	NeedRun Need = iota
	// NeedLookup asks the provider, without OpenCTI.
	NeedLookup
	// NeedData reads or changes the data directory only.
	NeedData
)

// Kind is the kind of a setting's value, in words for documentation.
type Kind string

// The kinds. A new one needs a parser in parse.go and a case in yamlSample.
const (
	KindText      Kind = "text"
	KindSecret    Kind = "secret"
	KindBool      Kind = "boolean"
	KindInt       Kind = "integer"
	KindDuration  Kind = "duration"
	KindList      Kind = "list"
	KindURL       Kind = "URL"
	KindTLP       Kind = "TLP"
	KindUUID      Kind = "UUID"
	KindEnum      Kind = "one of"
	KindPath      Kind = "path"
	KindPEM       Kind = "PEM or path"
	KindListen    Kind = "host:port"
	KindQuota     Kind = "limits"
	KindSize      Kind = "size"
	KindBoolOrPEM Kind = "boolean or path"
)

// Setting is one row of the table, for documentation and tests.
type Setting struct {
	// Name is the environment variable.
	Name string
	// YAML is section.key of config.yml; empty for what only the environment has.
	YAML string
	// Title is the setting's name in prose.
	Title string
	// Group is the heading that it stands under.
	Group string
	// Kind is the kind of value.
	Kind Kind
	// Default is the value when none is given; empty when there is none.
	Default string
	// DefaultNote says what holds when there is no default value.
	DefaultNote string
	// Example is a value for samples when there is no default.
	Example string
	// Values are the possible values of KindEnum.
	Values []string
	// Secret says that it is never printed and may come from NAME_FILE.
	Secret bool
	// Required says that the commands it is for do not start without it.
	Required bool
	// For is the least demanding Need that it matters to.
	For Need
	// Help is one sentence.
	Help string

	// Source is the source whose setting it is; empty for all that are not one's.
	Source string
	// Common is the title without the source's, the same for every source.
	Common string
	// Own says that not every source has it.
	Own bool
	// Endpoint is the call that it is about; empty for most.
	Endpoint string
	// Live says that it is taken up when the settings are read again; others hold
	// from the next start.
	Live bool
	// Optional says that the source works without this secret.
	Optional bool
	// Aliases are its other environment names, those of public connectors.
	Aliases []string
}

// row is a setting with the way into its field.
type row struct {
	Setting
	parse parser
	// also are other environment names that are read, and alsoYAML another key.
	also     []string
	alsoYAML string
	// each says that every entry of the list connectors has it.
	each bool
}

// isList says whether config.yml may hold a list for it.
func (r row) isList() bool { return r.Kind == KindList || r.Kind == KindQuota }

// Table lists every setting, in the order of the documentation.
func Table(sources []SourceSpec) []Setting {
	var all []Setting
	for _, r := range table(sources) {
		all = append(all, r.Setting)
	}
	return all
}

// table is the one list of settings.
func table(sources []SourceSpec) []row {
	rows := slices.Concat(
		grouped("OpenCTI", openctiRows()),
		grouped("Connector", connectorRows()),
		grouped("Connector", transportRows()),
		grouped("Connector", outputRows()),
		grouped("Connector", metricRows()),
		grouped("RabbitMQ", mqRows()),
		grouped("S3", s3Rows()),
	)
	for _, spec := range sources {
		rows = append(rows, grouped(spec.Title, sourceRows(spec))...)
	}
	return append(rows, grouped("enrichgate", gatewayRows())...)
}

// grouped puts rows under a heading.
func grouped(name string, rows []row) []row {
	for i := range rows {
		rows[i].Group = name
	}
	return rows
}

func openctiRows() []row {
	return []row{
		{Setting: Setting{Name: "OPENCTI_URL", YAML: "opencti.url", Title: "OpenCTI URL", Kind: KindURL, Required: true, Example: "http://localhost",
			Help: "Address of the OpenCTI platform."},
			parse: address("", func(s *Settings) *string { return &s.OpenCTIURL })},
		{Setting: Setting{Name: "OPENCTI_TOKEN", YAML: "opencti.token", Title: "OpenCTI token", Kind: KindSecret, Secret: true, Required: true,
			Help: "Token of the user that the connector works as; the role Connector has all it needs."},
			parse: headerSecret(func(s *Settings) *Secret { return &s.OpenCTIToken })},
		{Setting: Setting{Name: "OPENCTI_SSL_VERIFY", YAML: "opencti.ssl_verify", Title: "Verify OpenCTI's certificate", Kind: KindBoolOrPEM, Default: "true",
			Help: "Whether the platform's certificate is checked, or the path of the CA bundle to check it with (the Python client does not check unless told to)."},
			parse: verify},
		{Setting: Setting{Name: "OPENCTI_JSON_LOGGING", YAML: "opencti.json_logging", Title: "JSON log", Kind: KindBool, Default: "true", For: NeedData,
			Help: "Whether log lines are JSON objects or plain text."},
			parse: boolean(func(s *Settings) *bool { return &s.OpenCTIJSONLogging })},
		{Setting: Setting{Name: "OPENCTI_CUSTOM_HEADERS", YAML: "opencti.custom_headers", Title: "Custom headers", Kind: KindSecret, Secret: true, DefaultNote: "none", Example: "X-Proxy-Auth:ChangeMe",
			Help: "Headers that go with every request to OpenCTI, as name:value;name2:value2."},
			parse: headers},
	}
}

// transportRows are what all connectors of the process share: how messages come
// and bundles go, and the log.
func transportRows() []row {
	return []row{
		{Setting: Setting{Name: "CONNECTOR_TYPE", YAML: "connector.type", Title: "Connector type", Kind: KindEnum, Default: "INTERNAL_ENRICHMENT", Values: []string{"INTERNAL_ENRICHMENT"},
			Help: "Always INTERNAL_ENRICHMENT."},
			parse: oneOf(func(s *Settings) *string { return &s.ConnectorType }, "INTERNAL_ENRICHMENT")},
		{Setting: Setting{Name: "CONNECTOR_LOG_LEVEL", YAML: "connector.log_level", Title: "Log level", Kind: KindEnum, Default: "error", For: NeedData, Live: true,
			Values: []string{"debug", "info", "warn", "warning", "error", "critical"},
			Help:   "Least level that is logged."},
			parse: logLevel},
		{Setting: Setting{Name: "CONNECTOR_LISTEN_PROTOCOL", YAML: "connector.listen_protocol", Title: "Listen protocol", Kind: KindEnum, Default: "AMQP", Values: []string{"AMQP", "API"},
			Help: "Whether messages are fetched from RabbitMQ or posted to this daemon by the OpenCTI worker."},
			parse: oneOf(func(s *Settings) *string { return &s.ListenProtocol }, "AMQP", "API")},
		{Setting: Setting{Name: "CONNECTOR_LISTEN_PROTOCOL_API_SSL", YAML: "connector.listen_protocol_api_ssl", Title: "Callback TLS", Kind: KindBool, Default: "false",
			Help: "Whether the callback server speaks TLS, with the key and certificate below."},
			parse: boolean(func(s *Settings) *bool { return &s.ListenAPISSL })},
		{Setting: Setting{Name: "LISTEN_PROTOCOL_API_SSL_KEY", YAML: "connector.listen_protocol_api_ssl_key", Title: "Callback TLS key", Kind: KindPEM, Secret: true, DefaultNote: "none", Example: "/etc/enrichgate/callback.key",
			Help: "Private key as a path or as PEM text."},
			parse: pemKey(func(s *Settings) *Secret { return &s.ListenAPISSLKey })},
		{Setting: Setting{Name: "LISTEN_PROTOCOL_API_SSL_CERT", YAML: "connector.listen_protocol_api_ssl_cert", Title: "Callback TLS certificate", Kind: KindPEM, DefaultNote: "none", Example: "/etc/enrichgate/callback.crt",
			Help: "Certificate chain as a path or as PEM text."},
			parse: pemText("CERTIFICATE", func(s *Settings) *string { return &s.ListenAPISSLCert })},
		{Setting: Setting{Name: "LISTEN_PROTOCOL_API_SSL_PASSPHRASE", YAML: "connector.listen_protocol_api_ssl_passphrase", Title: "Callback key passphrase", Kind: KindSecret, Secret: true, DefaultNote: "none",
			Help: "Passphrase of that key."},
			parse: secret(func(s *Settings) *Secret { return &s.ListenAPISSLPassphrase })},
		{Setting: Setting{Name: "CONNECTOR_QUEUE_PROTOCOL", YAML: "connector.queue_protocol", Title: "Queue protocol", Kind: KindEnum, Default: "amqp", Values: []string{"amqp", "api"},
			Help: "Whether bundles go to RabbitMQ or through OpenCTI's API."},
			also:  []string{"QUEUE_PROTOCOL"},
			parse: oneOf(func(s *Settings) *string { return &s.QueueProtocol }, "amqp", "api")},
	}
}

// metricRows are the metrics that the Python client serves.
func metricRows() []row {
	const word, otherwise = `^[a-zA-Z_][a-zA-Z0-9_]*$`, "a metric's name has letters, digits and underscores, and no digit first"
	return []row{
		{Setting: Setting{Name: "CONNECTOR_EXPOSE_METRICS", YAML: "connector.expose_metrics", Title: "Python client's metrics", Kind: KindBool, Default: "false",
			Help: "Whether the metrics of the Python client are served too, under its names and on a port of their own; enrichgate's are at ENRICHGATE_HTTP_LISTEN."},
			parse: boolean(func(s *Settings) *bool { return &s.ExposeMetrics })},
		{Setting: Setting{Name: "CONNECTOR_METRICS_PORT", YAML: "connector.metrics_port", Title: "Their port", Kind: KindInt, Default: "9095",
			Help: "Port of these metrics, on every address and without a token."},
			parse: integer(1, 65535, func(s *Settings) *int { return &s.MetricsPort })},
		{Setting: Setting{Name: "CONNECTOR_METRICS_NAMESPACE", YAML: "connector.metrics_namespace", Title: "Their namespace", Kind: KindText, DefaultNote: "none", Example: "opencti",
			Help: "First part of the names of these metrics."},
			parse: matching(word, otherwise, func(s *Settings) *string { return &s.MetricsNamespace })},
		{Setting: Setting{Name: "CONNECTOR_METRICS_SUBSYSTEM", YAML: "connector.metrics_subsystem", Title: "Their subsystem", Kind: KindText, DefaultNote: "none", Example: "enrichgate",
			Help: "Second part of the names of these metrics."},
			parse: matching(word, otherwise, func(s *Settings) *string { return &s.MetricsSubsystem })},
	}
}

// mqRows override what the registration says about RabbitMQ.
func mqRows() []row {
	const platform = "as OpenCTI says"
	return []row{
		{Setting: Setting{Name: "MQ_HOST", YAML: "mq.host", Title: "RabbitMQ host", Kind: KindText, DefaultNote: platform, Example: "rabbitmq",
			Help: "Host of RabbitMQ as this daemon reaches it."},
			parse: hostName(func(s *Settings) *string { return &s.MQHost })},
		{Setting: Setting{Name: "MQ_PORT", YAML: "mq.port", Title: "RabbitMQ port", Kind: KindInt, DefaultNote: platform, Example: "5672",
			Help: "Port of RabbitMQ."},
			parse: integer(1, 65535, func(s *Settings) *int { return &s.MQPort })},
		{Setting: Setting{Name: "MQ_VHOST", YAML: "mq.vhost", Title: "RabbitMQ virtual host", Kind: KindText, DefaultNote: platform, Example: "/",
			Help: "Virtual host at RabbitMQ."},
			parse: text(func(s *Settings) *string { return &s.MQVHost })},
		{Setting: Setting{Name: "MQ_USER", YAML: "mq.user", Title: "RabbitMQ user", Kind: KindText, DefaultNote: platform, Example: "opencti",
			Help: "User at RabbitMQ."},
			parse: text(func(s *Settings) *string { return &s.MQUser })},
		{Setting: Setting{Name: "MQ_PASS", YAML: "mq.pass", Title: "RabbitMQ password", Kind: KindSecret, Secret: true, DefaultNote: platform,
			Help: "Password at RabbitMQ."},
			parse: secret(func(s *Settings) *Secret { return &s.MQPass })},
		{Setting: Setting{Name: "MQ_USE_SSL", YAML: "mq.use_ssl", Title: "RabbitMQ TLS", Kind: KindBool, DefaultNote: platform, Example: "true",
			Help: "Whether RabbitMQ is spoken to by TLS."},
			parse: maybe(func(s *Settings) **bool { return &s.MQUseSSL })},
		{Setting: Setting{Name: "MQ_USE_SSL_CA", YAML: "mq.use_ssl_ca", Title: "RabbitMQ CA", Kind: KindPEM, DefaultNote: "the system's", Example: "/etc/enrichgate/rabbitmq-ca.crt",
			Help: "CA bundle to check RabbitMQ's certificate with, as a path or as PEM text."},
			parse: pemText("CERTIFICATE", func(s *Settings) *string { return &s.MQUseSSLCA })},
		{Setting: Setting{Name: "MQ_USE_SSL_CERT", YAML: "mq.use_ssl_cert", Title: "RabbitMQ client certificate", Kind: KindPEM, DefaultNote: "none", Example: "/etc/enrichgate/rabbitmq.crt",
			Help: "Client certificate for RabbitMQ, as a path or as PEM text."},
			parse: pemText("CERTIFICATE", func(s *Settings) *string { return &s.MQUseSSLCert })},
		{Setting: Setting{Name: "MQ_USE_SSL_KEY", YAML: "mq.use_ssl_key", Title: "RabbitMQ client key", Kind: KindPEM, Secret: true, DefaultNote: "none", Example: "/etc/enrichgate/rabbitmq.key",
			Help: "Key of the client certificate, as a path or as PEM text."},
			parse: pemKey(func(s *Settings) *Secret { return &s.MQUseSSLKey })},
		{Setting: Setting{Name: "MQ_USE_SSL_PASSPHRASE", YAML: "mq.use_ssl_passphrase", Title: "RabbitMQ key passphrase", Kind: KindSecret, Secret: true, DefaultNote: "none",
			Help: "Passphrase of that key."},
			parse: secret(func(s *Settings) *Secret { return &s.MQUseSSLPassphrase })},
		{Setting: Setting{Name: "MQ_USE_SSL_REJECT_UNAUTHORIZED", YAML: "mq.use_ssl_reject_unauthorized", Title: "Verify RabbitMQ's certificate", Kind: KindBool, Default: "true",
			Help: "Whether RabbitMQ's certificate is checked (the Python client does not check unless told to)."},
			parse: boolean(func(s *Settings) *bool { return &s.MQUseSSLRejectUnauthorized })},
		{Setting: Setting{Name: "MQ_HEARTBEAT", YAML: "mq.heartbeat", Title: "RabbitMQ heartbeat", Kind: KindDuration, Default: "PT10S",
			Help: "How often both sides say that they are there, in whole seconds, unless RabbitMQ wants it oftener; a connection that is silent for twice as long is given up."},
			parse: duration(time.Second, 5*time.Minute, func(s *Settings) *time.Duration { return &s.MQHeartbeat })},
	}
}

func gatewayRows() []row {
	return []row{
		{Setting: Setting{Name: "ENRICHGATE_CONFIG", Title: "Configuration file", Kind: KindPath, DefaultNote: "config.yml, else /etc/enrichgate/config.yml", Example: "/etc/enrichgate/config.yml", For: NeedData,
			Help: "The configuration file; given so, it must exist."},
			parse: discard},
		{Setting: Setting{Name: "ENRICHGATE_DATA_DIR", YAML: "enrichgate.data_dir", Title: "Data directory", Kind: KindPath, Default: "data", For: NeedData,
			Help: "Directory of the ledger and the cache, to be kept across upgrades; relative to the working directory (the container image sets /data)."},
			parse: folder(func(s *Settings) *string { return &s.DataDir })},
		{Setting: Setting{Name: "ENRICHGATE_SOURCES_DIR", YAML: "enrichgate.sources_dir", Title: "Own sources", Kind: KindPath, DefaultNote: "none", Example: "/etc/enrichgate/sources", For: NeedData,
			Help: "Directory of your own source definitions, one a directory in it; they replace those that ship under the same name."},
			parse: directory(func(s *Settings) *string { return &s.SourcesDir })},
		{Setting: Setting{Name: "ENRICHGATE_HTTP_LISTEN", YAML: "enrichgate.http_listen", Title: "HTTP address", Kind: KindListen, Default: "127.0.0.1:8080", For: NeedData,
			Help: "host:port of the page, the API and the metrics, or off; beyond this host only with a token."},
			parse: httpListen},
		{Setting: Setting{Name: "ENRICHGATE_ADMIN_TOKEN", YAML: "enrichgate.admin_token", Title: "Admin token", Kind: KindSecret, Secret: true, DefaultNote: "none", Aliases: []string{"ENRICHGATE_HTTP_TOKEN"},
			Help: "Token of those who may spend and change things over HTTP and on the page, of at least 32 characters; ENRICHGATE_HTTP_TOKEN is read too."},
			also: []string{"ENRICHGATE_HTTP_TOKEN"}, alsoYAML: "enrichgate.http_token",
			parse: headerSecret(func(s *Settings) *Secret { return &s.AdminToken })},
		{Setting: Setting{Name: "ENRICHGATE_READ_TOKEN", YAML: "enrichgate.read_token", Title: "Read token", Kind: KindSecret, Secret: true, DefaultNote: "none on this host, the admin's beyond",
			Help: "Token of those who may look, metrics included; at least 32 characters, and not the admin's."},
			parse: headerSecret(func(s *Settings) *Secret { return &s.ReadToken })},
		{Setting: Setting{Name: "ENRICHGATE_HTTP_TLS_CERT", YAML: "enrichgate.http_tls_cert", Title: "HTTP certificate", Kind: KindPEM, DefaultNote: "none", Example: "/etc/enrichgate/http.crt",
			Help: "Certificate chain of the HTTP address, as a path or as PEM text; it then speaks TLS."},
			parse: pemText("CERTIFICATE", func(s *Settings) *string { return &s.HTTPTLSCert })},
		{Setting: Setting{Name: "ENRICHGATE_HTTP_TLS_KEY", YAML: "enrichgate.http_tls_key", Title: "HTTP key", Kind: KindPEM, Secret: true, DefaultNote: "none", Example: "/etc/enrichgate/http.key",
			Help: "Private key of that certificate, without a passphrase, as a path or as PEM text."},
			parse: pemKey(func(s *Settings) *Secret { return &s.HTTPTLSKey })},
		{Setting: Setting{Name: "ENRICHGATE_PROXY", YAML: "enrichgate.proxy", Title: "Proxy", Kind: KindEnum, Default: "reverse", Values: []string{"off", "reverse"},
			Help: "reverse mirrors the providers' APIs at /proxy/<source>/ for clients with a token; off does not."},
			parse: oneOf(func(s *Settings) *string { return &s.Proxy }, "off", "reverse")},
		{Setting: Setting{Name: "ENRICHGATE_CLIENTS_FILE", YAML: "enrichgate.clients_file", Title: "Clients file", Kind: KindPath, DefaultNote: "clients.json in the data directory", Example: "/etc/enrichgate/clients.json", For: NeedData,
			Help: "File of the clients, with hashes of their tokens; it is written when clients change."},
			parse: folder(func(s *Settings) *string { return &s.ClientsFile })},
		{Setting: Setting{Name: "ENRICHGATE_CACHE_MAX_SIZE", YAML: "enrichgate.cache_max_size", Title: "Cache on disk", Kind: KindSize, Default: "1GiB", For: NeedData,
			Help: "How much disk kept answers may take, compressed, at least 16MiB; over it the expired go first, then the least recently used."},
			parse: size(cache.MinDisk, 1<<50, func(s *Settings) *int64 { return &s.CacheMaxSize })},
		{Setting: Setting{Name: "ENRICHGATE_CACHE_ENCRYPTION_KEY_FILE", YAML: "enrichgate.cache_encryption_key_file", Title: "Cache encryption key", Kind: KindPath, DefaultNote: "not encrypted", Example: "/run/secrets/cache_key", For: NeedData,
			Help: "File of the key that kept answers are encrypted with: 32 bytes, raw, in hexadecimal or in base64."},
			parse: cacheKey},
		{Setting: Setting{Name: "ENRICHGATE_CACHE_MEMORY", YAML: "enrichgate.cache_memory", Title: "Cache in memory", Kind: KindSize, Default: "64MiB", For: NeedLookup,
			Help: "How much memory kept answers may take; what does not fit is read from disk."},
			parse: size(1<<20, 1<<40, func(s *Settings) *int64 { return &s.CacheMemory })},
		{Setting: Setting{Name: "ENRICHGATE_LEDGER_RETENTION", YAML: "enrichgate.ledger_retention", Title: "Ledger retention", Kind: KindDuration, Default: "P400D", For: NeedData,
			Help: "How long entries of the ledger are kept, at least P32D; what is older is replaced by a summary."},
			parse: duration(quota.MinRetention, century, func(s *Settings) *time.Duration { return &s.LedgerRetention })},
		{Setting: Setting{Name: "ENRICHGATE_LEDGER_STATE_CHECKPOINT", YAML: "enrichgate.ledger_state_checkpoint", Title: "Copy of the ledger's totals", Kind: KindBool, Default: "true",
			Help: "Whether OpenCTI keeps the totals as the connectors' state, for a daemon whose disk is lost; nothing else is then kept there."},
			parse: boolean(func(s *Settings) *bool { return &s.LedgerStateCheckpoint })},
		{Setting: Setting{Name: "ENRICHGATE_AUDIT_VALUES", YAML: "enrichgate.audit_values", Title: "Values in the ledger", Kind: KindEnum, Default: "plain", Values: []string{"plain", "hashed", "none"}, For: NeedData,
			Help: "How the values that were looked up stand in the ledger; hashed ones can be searched for, not read."},
			parse: oneOf(func(s *Settings) *string { return &s.AuditValues }, "plain", "hashed", "none")},
		{Setting: Setting{Name: "ENRICHGATE_WORKERS", YAML: "enrichgate.workers", Title: "Workers", Kind: KindInt, Default: "64",
			Help: "How many messages are handled at the same time."},
			parse: integer(1, 1024, func(s *Settings) *int { return &s.Workers })},
		{Setting: Setting{Name: "ENRICHGATE_LOOP_LIMIT", YAML: "enrichgate.loop_limit", Title: "Loop limit", Kind: KindInt, Default: "10",
			Help: "How often an entity may come by itself within the loop window; what comes beyond is answered without work, because connectors then set each other off. 0 for no limit."},
			parse: integer(0, 1_000_000, func(s *Settings) *int { return &s.LoopLimit })},
		{Setting: Setting{Name: "ENRICHGATE_LOOP_WINDOW", YAML: "enrichgate.loop_window", Title: "Loop window", Kind: KindDuration, Default: "PT10M",
			Help: "How long what came by itself is counted for the loop limit."},
			parse: duration(time.Minute, 24*time.Hour, func(s *Settings) *time.Duration { return &s.LoopWindow })},
		{Setting: Setting{Name: "ENRICHGATE_SHUTDOWN_TIMEOUT", YAML: "enrichgate.shutdown_timeout", Title: "Shutdown timeout", Kind: KindDuration, Default: "PT30S",
			Help: "How long a stop waits for messages in work before they go back to the queue."},
			parse: duration(0, time.Hour, func(s *Settings) *time.Duration { return &s.ShutdownTimeout })},
	}
}
