package settings

import (
	"log/slog"
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

	// ConnectorID is the connector's UUID at the platform, as it was written.
	ConnectorID string
	// ConnectorType is always "INTERNAL_ENRICHMENT".
	ConnectorType string
	// ConnectorName is what analysts see.
	ConnectorName string
	// ConnectorScope is the entity types to enrich, without doubles.
	ConnectorScope []string
	// ConnectorAuto registers for automatic enrichment of new entities.
	ConnectorAuto bool
	// ConnectorAutoUpdate registers for automatic enrichment of changed entities.
	ConnectorAutoUpdate bool
	// ConnectorEnrichmentResolution is "none" or "stix_bundle".
	ConnectorEnrichmentResolution string
	// ConnectorOnlyContextual is registered as it is.
	ConnectorOnlyContextual bool
	// LogLevel is the least level that is logged.
	LogLevel slog.Level

	// ListenProtocol is "AMQP" or "API".
	ListenProtocol string
	// ListenAPIPort is the port of the callback server when ListenProtocol is "API".
	ListenAPIPort int
	// ListenAPIPath is the callback's path and begins with a slash.
	ListenAPIPath string
	// ListenAPIURI is the callback server as the worker reaches it, without path
	// and without a slash at its end. Never empty.
	ListenAPIURI string
	// ListenAPISSL makes the callback server speak TLS; key and certificate are then set.
	ListenAPISSL bool
	// ListenAPISSLKey is PEM text.
	ListenAPISSLKey Secret
	// ListenAPISSLCert is PEM text.
	ListenAPISSLCert string
	// QueueProtocol is "amqp" or "api": how bundles are handed to the platform.
	QueueProtocol string

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

	// APIBaseURL is the provider's address and ends in a slash.
	APIBaseURL string
	// APIKey is the provider's key.
	APIKey Secret
	// MaxTLP is the highest marking that may be looked up, such as "TLP:AMBER+STRICT".
	MaxTLP string
	// UnmarkedTLP is what an entity without a marking counts as.
	UnmarkedTLP string
	// ImportLastSeenTimeWindow is how long ago a related object may have been seen last.
	ImportLastSeenTimeWindow time.Duration
	// Quota is the limits as written, such as "200/minute,1000/day", or "none".
	Quota string
	// CacheTTL is how long an answer stays fresh; 0 means each endpoint's own.
	CacheTTL time.Duration
	// CacheStale is how long an expired answer may still be served when the quota
	// or the provider refuses; 0 means never.
	CacheStale time.Duration
	// Timeout bounds one call to the provider.
	Timeout time.Duration
	// SkipPrivate answers private and reserved addresses without a call.
	SkipPrivate bool

	// DataDir holds the ledger and the cache.
	DataDir string
	// HTTPListen is host:port of the page, the API and the metrics; empty means off.
	HTTPListen string
	// HTTPToken is asked of HTTP clients; it is set whenever HTTPListen is beyond loopback.
	HTTPToken Secret
	// Workers is how many messages are handled at the same time.
	Workers int
	// ShutdownTimeout bounds the time for which running work is waited for.
	ShutdownTimeout time.Duration

	// ConfigFile is the file that was read; empty when there was none.
	ConfigFile string
	// Warnings are things that are allowed but should be seen in a log: checks
	// switched off, settings of other connectors that have no effect here.
	Warnings []string
	// Notices are worth a debug line: names that were ignored.
	Notices []string

	values []Value // in the order of the table; holds no secret
}

// Value is one setting as it came out.
type Value struct {
	// Name and YAML are the setting's two names.
	Name, YAML string
	// Value is the value in text; "[redacted]" for a secret that is set.
	Value string
	// Origin is "environment", "config.yml:14", "file /run/secrets/token
	// (OPENCTI_TOKEN_FILE)" or "default".
	Origin string
}

// Values lists every setting in the order of the table.
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
		s.OpenCTIToken, s.APIKey, s.HTTPToken, s.MQPass, s.MQUseSSLPassphrase,
		s.MQUseSSLKey, s.ListenAPISSLKey,
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
