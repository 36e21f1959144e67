package settings

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"
)

// minToken is the least length of a token that a person chose.
const minToken = 32

// check holds the rules about more than one setting. They are rules for the
// daemon; a command that neither listens nor connects is not kept from working.
func (l *loader) check() {
	if l.o.Need != NeedRun {
		return
	}
	s := l.target.Settings
	beyond := s.HTTPListen != "" && !isLoopback(s.HTTPListen)
	l.rule("ENRICHGATE_HTTP_LISTEN", !beyond || s.AdminToken != "" || s.ReadToken != "",
		"listening beyond this host needs ENRICHGATE_ADMIN_TOKEN or ENRICHGATE_READ_TOKEN", "ENRICHGATE_ADMIN_TOKEN", "ENRICHGATE_READ_TOKEN")
	const short = "has fewer than 32 characters, which can be guessed; make one with: openssl rand -hex 32"
	l.rule("ENRICHGATE_ADMIN_TOKEN", s.AdminToken == "" || len(s.AdminToken) >= minToken, short)
	l.rule("ENRICHGATE_READ_TOKEN", s.ReadToken == "" || len(s.ReadToken) >= minToken, short)
	l.rule("ENRICHGATE_READ_TOKEN", s.ReadToken == "" || s.ReadToken != s.AdminToken,
		"is the admin token: whoever may look could change everything", "ENRICHGATE_ADMIN_TOKEN")
	if beyond && s.ReadToken == "" {
		s.ReadToken = s.AdminToken
	}
	const httpCert, httpKey = "ENRICHGATE_HTTP_TLS_CERT", "ENRICHGATE_HTTP_TLS_KEY"
	l.rule(httpCert, s.HTTPTLSCert == "" || s.HTTPTLSKey != "", "needs "+httpKey, httpKey)
	l.rule(httpKey, s.HTTPTLSKey == "" || s.HTTPTLSCert != "", "needs "+httpCert, httpCert)
	l.rule(httpKey, !isEncrypted(s.HTTPTLSKey), "the key is encrypted; one without a passphrase is needed")
	const key, cert = "LISTEN_PROTOCOL_API_SSL_KEY", "LISTEN_PROTOCOL_API_SSL_CERT"
	l.rule("CONNECTOR_LISTEN_PROTOCOL_API_SSL", !s.ListenAPISSL || s.ListenAPISSLKey != "" && s.ListenAPISSLCert != "",
		"needs "+key+" and "+cert, key, cert)
	l.rule(key, !isEncrypted(s.ListenAPISSLKey) || s.ListenAPISSLPassphrase != "",
		"the key is encrypted and needs LISTEN_PROTOCOL_API_SSL_PASSPHRASE", "LISTEN_PROTOCOL_API_SSL_PASSPHRASE")
	l.rule("CONNECTOR_SEND_TO_DIRECTORY", !s.Output.toDirectory || s.Output.Directory != "", "needs CONNECTOR_SEND_TO_DIRECTORY_PATH", "CONNECTOR_SEND_TO_DIRECTORY_PATH")
	if !s.Output.toDirectory {
		s.Output.Directory = ""
	}
	l.rule("MQ_USE_SSL_CERT", s.MQUseSSLCert == "" || s.MQUseSSLKey != "", "needs MQ_USE_SSL_KEY", "MQ_USE_SSL_KEY")
	l.rule("MQ_USE_SSL_KEY", s.MQUseSSLKey == "" || s.MQUseSSLCert != "", "needs MQ_USE_SSL_CERT", "MQ_USE_SSL_CERT")
	l.rule("MQ_USE_SSL_KEY", !isEncrypted(s.MQUseSSLKey) || s.MQUseSSLPassphrase != "",
		"the key is encrypted and needs MQ_USE_SSL_PASSPHRASE", "MQ_USE_SSL_PASSPHRASE")
}

// rule reports text against a setting unless ok. It is silent when the setting,
// or one of those that the rule also looks at, has a problem of its own.
func (l *loader) rule(name string, ok bool, text string, others ...string) {
	if ok || l.bad[name] || slices.ContainsFunc(others, func(o string) bool { return l.bad[o] }) {
		return
	}
	rank := slices.IndexFunc(l.rows, func(r row) bool { return r.Name == name })
	g, given := l.given[name]
	if !given {
		g.name = name
	}
	l.fail(rank, l.rows[rank], g, errors.New(text))
}

// isEncrypted says whether PEM text of a key wants a passphrase.
func isEncrypted(key Secret) bool {
	return strings.Contains(string(key), "ENCRYPTED")
}

// warn collects what is allowed but should be seen.
func (l *loader) warn() {
	s := l.target.Settings
	add := func(when bool, text string) {
		if when {
			s.Warnings = append(s.Warnings, text)
		}
	}
	add(!s.OpenCTISSLVerify, "OPENCTI_SSL_VERIFY=false: the platform's certificate is not checked")
	add(s.HTTPListen != "" && !isLoopback(s.HTTPListen) && s.HTTPTLSCert == "",
		"ENRICHGATE_HTTP_LISTEN is beyond this host without ENRICHGATE_HTTP_TLS_CERT: tokens travel in clear, unless a proxy in front speaks TLS")
	add(!s.MQUseSSLRejectUnauthorized, "MQ_USE_SSL_REJECT_UNAUTHORIZED=false: RabbitMQ's certificate is not checked")
	add(!s.Output.ToQueue, "CONNECTOR_SEND_TO_QUEUE=false: nothing is imported into OpenCTI")
	for i, c := range s.Connectors {
		add(c.Auto, l.nameIn(i, "auto")+"=true: every new entity in scope spends quota")
		u, err := url.Parse(c.ListenAPIURI)
		add(err == nil && s.ListenProtocol == "API" && isLoopbackHost(u.Hostname()),
			l.nameIn(i, "listen_protocol_api_uri")+" is on loopback: only a worker on this host reaches it")
	}
	for _, source := range s.Enabled() {
		prefix := source.Spec.prefix()
		add(source.CacheTTL > 0 && source.CacheTTL < time.Minute, prefix+"CACHE_TTL is under a minute: answers are paid for again and again")
		u, err := url.Parse(source.BaseURL)
		add(err == nil && len(source.Secrets) > 0 && u.Scheme == "http" && !isLoopbackHost(u.Hostname()),
			prefix+"API_BASE_URL is http: the key travels in clear")
	}
}
