package settings

import (
	"crypto/sha256"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// Settings is everything that can be set, checked and with defaults filled in.
// Printing it shows no secret.
type Settings struct {
	// OpenCTIURL is the platform's address, without a slash at its end.
	OpenCTIURL string
	// OpenCTIToken is the connector user's token.
	OpenCTIToken Secret
	// OpenCTISSLVerify says whether the platform's certificate is checked.
	OpenCTISSLVerify bool
	// OpenCTICA is PEM text of the authorities to trust; empty means the system's.
	OpenCTICA string
	// OpenCTIJSONLogging chooses JSON log lines over text.
	OpenCTIJSONLogging bool
	// OpenCTICustomHeaders go with every request to the platform.
	OpenCTICustomHeaders []Header

	// Connectors are the registrations: one from the section connector, or all of
	// the list connectors.
	Connectors []Connector
	// Sources are all that are known, by name, those that are not enabled included.
	Sources map[string]*Source

	// ConnectorType is always "INTERNAL_ENRICHMENT".
	ConnectorType string
	// LogLevel is the least level that is logged.
	LogLevel slog.Level

	// ListenProtocol is "AMQP" or "API".
	ListenProtocol string
	// ListenAPISSL makes the callback server speak TLS; key and certificate are then set.
	ListenAPISSL bool
	// ListenAPISSLKey is PEM text.
	ListenAPISSLKey Secret
	// ListenAPISSLCert is PEM text.
	ListenAPISSLCert string
	// ListenAPISSLPassphrase opens ListenAPISSLKey.
	ListenAPISSLPassphrase Secret
	// QueueProtocol is "amqp" or "api": how bundles are handed to the platform.
	QueueProtocol string

	// Output is where bundles go.
	Output Output

	// ExposeMetrics serves the Python client's metrics at MetricsPort, their names
	// after MetricsNamespace and MetricsSubsystem where those are not empty.
	ExposeMetrics                      bool
	MetricsPort                        int
	MetricsNamespace, MetricsSubsystem string

	// MQHost overrides the broker's host of the registration; empty leaves it.
	MQHost string
	// MQPort overrides the port; 0 leaves it.
	MQPort int
	// MQVHost overrides the virtual host; empty leaves it.
	MQVHost string
	// MQUser overrides the user; empty leaves it.
	MQUser string
	// MQPass overrides the password; empty leaves it.
	MQPass Secret
	// MQUseSSL overrides whether the broker is spoken to by TLS; nil leaves it.
	MQUseSSL *bool
	// MQUseSSLCA is PEM text of the authorities to trust; empty means the system's.
	MQUseSSLCA string
	// MQUseSSLCert is PEM text of a client certificate; empty means none.
	MQUseSSLCert string
	// MQUseSSLKey is PEM text of the client certificate's key.
	MQUseSSLKey Secret
	// MQUseSSLPassphrase opens MQUseSSLKey.
	MQUseSSLPassphrase Secret
	// MQUseSSLRejectUnauthorized says whether the broker's certificate is checked.
	MQUseSSLRejectUnauthorized bool
	// MQHeartbeat is how often both sides of a connection to the broker say that
	// they are there.
	MQHeartbeat time.Duration

	// DataDir holds the ledger and the cache.
	DataDir string
	// SourcesDir holds the operator's own sources; empty means that there are none.
	SourcesDir string
	// HTTPListen is host:port of the page, the API and the metrics; empty means off.
	HTTPListen string
	// AdminToken is for those who may spend and change things over HTTP.
	AdminToken Secret
	// ReadToken is for those who may look. It is set whenever HTTPListen is
	// beyond loopback, if need be to the admin's.
	ReadToken Secret
	// HTTPTLSCert is PEM text; with it, and its key, HTTPListen speaks TLS.
	HTTPTLSCert string
	// HTTPTLSKey is PEM text.
	HTTPTLSKey Secret
	// Proxy is "off" or "reverse".
	Proxy string
	// ClientsFile holds the clients; empty means clients.json in DataDir.
	ClientsFile string
	// CacheMaxSize bounds the kept answers on disk in bytes.
	CacheMaxSize int64
	// CacheKey is the key that they are encrypted with, 32 bytes; empty means
	// that they are not.
	CacheKey Secret
	// CacheMemory bounds the cache's memory in bytes.
	CacheMemory int64
	// LedgerRetention is how long the ledger's entries are kept.
	LedgerRetention time.Duration
	// LedgerStateCheckpoint has the platform keep the ledger's totals.
	LedgerStateCheckpoint bool
	// AuditValues is "plain", "hashed" or "none": how values stand in the ledger.
	AuditValues string
	// Workers is how many messages are handled at the same time.
	Workers int
	// LoopLimit is how often an entity may come by itself within LoopWindow; 0
	// for no limit.
	LoopLimit  int
	LoopWindow time.Duration
	// ShutdownTimeout bounds the time for which running work is waited for.
	ShutdownTimeout time.Duration

	// ConfigFile is the file that was read; empty when there was none.
	ConfigFile string
	// Warnings are things that are allowed but should be seen in a log: checks
	// switched off, settings of other connectors that have no effect here.
	Warnings []string
	// Notices are worth a debug line: names that were ignored.
	Notices []string

	values    []Value   // in the order of the table; holds no secret
	connector Connector // the one that is being read
}

// Value is one setting as it came out.
type Value struct {
	// Name and YAML are the setting's two names; an entry of connectors has only
	// the latter: "connectors[0].name".
	Name, YAML string
	// Value is the value in text; "[redacted]" for a secret that is set.
	Value string
	// Origin is "environment", "config.yml:14", "file /run/secrets/token
	// (OPENCTI_TOKEN_FILE)" or "default".
	Origin string

	// live says that a reload takes it up; source is whose it is.
	live   bool
	source string
	// sum tells one secret from another.
	sum [sha256.Size]byte
}

// LogName is the name that stands in each log line.
func (s *Settings) LogName() string {
	if len(s.Connectors) == 1 && s.Connectors[0].Name != "" {
		return s.Connectors[0].Name
	}
	return "enrichgate"
}

// Enabled are the sources to be used, in the order of their names.
func (s *Settings) Enabled() []*Source {
	var all []*Source
	for _, name := range slices.Sorted(maps.Keys(s.Sources)) {
		if s.Sources[name].Enabled {
			all = append(all, s.Sources[name])
		}
	}
	return all
}

// Values lists every setting in the order of the table; of sources that are not
// enabled only what was given.
func (s *Settings) Values() []Value { return append([]Value(nil), s.values...) }

// Origin says where the setting with that environment name came from; empty for
// an unknown name.
func (s *Settings) Origin(name string) string {
	for _, v := range s.values {
		if v.Name == name {
			return v.Origin
		}
	}
	return ""
}

// Secrets returns every secret that is set, for a log handler to look out for.
func (s *Settings) Secrets() []string {
	all := []Secret{
		s.OpenCTIToken, s.AdminToken, s.ReadToken, s.MQPass, s.MQUseSSLPassphrase,
		s.MQUseSSLKey, s.ListenAPISSLKey, s.ListenAPISSLPassphrase, s.HTTPTLSKey, s.Output.S3.SecretKey,
	}
	for _, source := range s.Sources {
		all = slices.AppendSeq(all, maps.Values(source.Secrets))
	}
	for _, h := range s.OpenCTICustomHeaders {
		all = append(all, h.Value)
	}
	var out []string
	for _, one := range all {
		if one != "" {
			out = append(out, one.Reveal())
		}
	}
	return out
}
