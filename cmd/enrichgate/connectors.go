package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich/opencti"
)

// stateFunc is how the connectors are; nil where there are none.
type stateFunc func() []opencti.State

// checks say, per connector, what keeps it from its work.
func (f stateFunc) checks() map[string]error {
	checks := map[string]error{}
	for _, s := range f.states() {
		checks["connector "+s.Name] = s.Err()
	}
	return checks
}

func (f stateFunc) states() []opencti.State {
	if f == nil {
		return nil
	}
	return f()
}

// connectors makes the platform's side.
func (a *app) connectors(journal *opencti.Journal) (*opencti.Group, error) {
	client, err := platformClient(*a.settings(), opencti.ObserveRequests(a.registry))
	if err != nil {
		return nil, err
	}
	var all []opencti.Config
	for _, c := range a.settings().Connectors {
		config, err := a.connector(c, client, journal)
		if err != nil {
			return nil, err
		}
		all = append(all, config)
	}
	return opencti.NewGroup(a.log, all...)
}

// connector makes one registration, bound to the gateway of its source.
func (a *app) connector(c settings.Connector, client *opencti.Client, journal *opencti.Journal) (opencti.Config, error) {
	s := a.settings()
	policy, err := connectorPolicy(s.Sources[c.Source], c)
	if err != nil {
		return opencti.Config{}, err
	}
	log := a.log
	if len(s.Connectors) > 1 {
		log = log.With("connector", c.Name)
	}
	listen := opencti.ProtocolAMQP
	if s.ListenProtocol == "API" {
		listen = opencti.ProtocolAPI
	}
	config := opencti.Config{
		ID: c.ID, Name: c.Name, Scope: c.Scope, Version: version(),
		Auto: c.Auto, AutoUpdate: c.AutoUpdate, OnlyContextual: c.OnlyContextual,
		EnrichmentResolution: c.EnrichmentResolution,
		ListenProtocol:       listen, CallbackURI: c.ListenAPIURI + c.ListenAPIPath,
		Callback: opencti.CallbackConfig{
			Listen: callbackAddress(c), Path: c.ListenAPIPath,
			Cert: s.ListenAPISSLCert, Key: s.ListenAPISSLKey.Reveal(), Passphrase: s.ListenAPISSLPassphrase.Reveal(), Token: s.OpenCTIToken.Reveal(),
		},
		QueueProtocol: s.QueueProtocol, Output: outputOf(s.Output),
		Broker: opencti.BrokerConfig{
			Host: s.MQHost, Port: s.MQPort, Vhost: s.MQVHost, User: s.MQUser, Pass: s.MQPass.Reveal(), UseSSL: s.MQUseSSL,
			CA: s.MQUseSSLCA, Cert: s.MQUseSSLCert, Key: s.MQUseSSLKey.Reveal(), Passphrase: s.MQUseSSLPassphrase.Reveal(), Insecure: !s.MQUseSSLRejectUnauthorized,
			Heartbeat: s.MQHeartbeat,
		},
		Workers: s.Workers, ShutdownTimeout: s.ShutdownTimeout,
		LoopLimit: cmp.Or(s.LoopLimit, -1), LoopWindow: s.LoopWindow,
		Client: client, Journal: journal, Handle: a.gateways[c.Source].Under(policy).Handle, Log: log,
		Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"connector": c.Name}, a.registry),
	}
	if s.LedgerStateCheckpoint {
		config.State, config.OnState = a.state, a.restore
	}
	return config, nil
}

// outputOf is where bundles go.
func outputOf(o settings.Output) opencti.OutputConfig {
	config := opencti.OutputConfig{
		NoQueue: !o.ToQueue, Directory: o.Directory, DirectoryRetention: settings.Kept(o.DirectoryDays), ValidateBeforeImport: o.Validate,
	}
	if o.ToS3 {
		config.S3 = &opencti.S3Config{
			Endpoint: o.S3.Endpoint, Port: o.S3.Port, Bucket: o.S3.Bucket, Region: o.S3.Region, AccessKey: o.S3.AccessKey,
			SecretKey: o.S3.SecretKey.Reveal(), UseSSL: o.S3.UseSSL, Folder: o.S3.Folder, Retention: settings.Kept(o.S3.Days),
		}
	}
	return config
}

// callbackAddress is where messages are listened for: on this host alone if the
// platform is told of an address that nobody else can reach.
func callbackAddress(c settings.Connector) string {
	host := ""
	if u, err := url.Parse(c.ListenAPIURI); err == nil {
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsLoopback() {
			host = ip.String()
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(c.ListenAPIPort))
}

// platformClient is the GraphQL client, with the operator's idea of TLS.
// observe may be nil.
func platformClient(s settings.Settings, observe func(operation string, took time.Duration, err error)) (*opencti.Client, error) {
	client, headers, err := platformHTTP(s)
	if err != nil {
		return nil, err
	}
	return opencti.NewClient(opencti.ClientConfig{URL: s.OpenCTIURL, Token: s.OpenCTIToken.Reveal(), Headers: headers, HTTP: client, Observe: observe}), nil
}

// platformHTTP is how the platform is spoken to: which certificates are
// believed, and what goes with every request.
func platformHTTP(s settings.Settings) (*http.Client, http.Header, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = s.Workers // one kept connection a message in hand
	transport.DialContext = dialPlatform
	// Node ends connections that were idle for 5 s: a request that leaves in that
	// moment is lost, and nobody knows whether it was.
	transport.IdleConnTimeout = 4 * time.Second
	transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: unheardFor}                                // where something in between acknowledges
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !s.OpenCTISSLVerify} //nolint:gosec // the operator's explicit choice, warned about
	if s.OpenCTICA != "" {
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM([]byte(s.OpenCTICA)) {
			return nil, nil, errors.New("OPENCTI_SSL_VERIFY holds no certificate")
		}
	}
	transport.TLSClientConfig = tlsConfig
	headers := http.Header{}
	for _, h := range s.OpenCTICustomHeaders {
		headers.Set(h.Name, h.Value.Reveal())
	}
	return &http.Client{Transport: transport}, headers, nil
}
