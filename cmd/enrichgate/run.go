package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/logging"
	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/opencti"
)

type runCmd struct{}

// Run is the daemon.
func (runCmd) Run(env *environment, c *cli) error {
	s, err := c.load(env, settings.NeedRun)
	if err != nil {
		return err
	}
	log := newLog(env, s)
	for _, w := range s.Warnings {
		log.Warn(w)
	}
	for _, n := range s.Notices {
		log.Debug(n)
	}
	return serve(env.ctx, s, log, nil)
}

func newLog(env *environment, s settings.Settings) *slog.Logger {
	return logging.New(env.stderr, logging.Options{Name: s.ConnectorName, Level: s.LogLevel, JSON: s.OpenCTIJSONLogging, Secrets: s.Secrets()})
}

// serve builds everything in order, serves until ctx ends, and stops in
// reverse: messages first, then the HTTP listeners, so that the metrics see the
// drain, then the stores.
func serve(ctx context.Context, s settings.Settings, log *slog.Logger, trace func(enrich.Step)) (err error) {
	a, err := openApp(s, log, "run", trace)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	journal, err := opencti.OpenJournal(a.dir.file(fileJournal), time.Now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, journal.Close()) }()
	connector, err := a.connector(journal)
	if err != nil {
		return err
	}
	front, err := a.listen(s.HTTPListen, connector.Healthy)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, front.close()) }()
	log.Info("enrichgate starts", "version", version(), "data_dir", s.DataDir, "http", front.address(), "quota", s.Quota)
	err = connector.Run(ctx)
	log.Info("enrichgate stops")
	return err
}

// connector makes the platform's side.
func (a *app) connector(journal *opencti.Journal) (*opencti.Connector, error) {
	s := a.settings
	client, err := platformClient(s)
	if err != nil {
		return nil, err
	}
	listen := opencti.ProtocolAMQP
	if s.ListenProtocol == "API" {
		listen = opencti.ProtocolAPI
	}
	return opencti.New(opencti.Config{
		ID: s.ConnectorID, Name: s.ConnectorName, Scope: s.ConnectorScope,
		Auto: s.ConnectorAuto, AutoUpdate: s.ConnectorAutoUpdate, OnlyContextual: s.ConnectorOnlyContextual,
		EnrichmentResolution: s.ConnectorEnrichmentResolution,
		ListenProtocol:       listen, CallbackURI: s.ListenAPIURI + s.ListenAPIPath,
		Callback: opencti.CallbackConfig{
			Listen: callbackAddress(s), Path: s.ListenAPIPath,
			Cert: s.ListenAPISSLCert, Key: s.ListenAPISSLKey.Reveal(), Token: s.OpenCTIToken.Reveal(),
		},
		QueueProtocol: s.QueueProtocol,
		Broker: opencti.BrokerConfig{
			Host: s.MQHost, Port: s.MQPort, Vhost: s.MQVHost, User: s.MQUser, Pass: s.MQPass.Reveal(), UseSSL: s.MQUseSSL,
			CA: s.MQUseSSLCA, Cert: s.MQUseSSLCert, Key: s.MQUseSSLKey.Reveal(), Insecure: !s.MQUseSSLRejectUnauthorized,
		},
		Workers: s.Workers, ShutdownTimeout: s.ShutdownTimeout,
		Client: client, Journal: journal, Handle: a.gateway.Handle, Log: a.log, Registerer: a.registry,
	}), nil
}

// callbackAddress is where messages are listened for: on this host alone if the
// platform is told of an address that nobody else can reach.
func callbackAddress(s settings.Settings) string {
	host := ""
	if u, err := url.Parse(s.ListenAPIURI); err == nil {
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsLoopback() {
			host = ip.String()
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(s.ListenAPIPort))
}

// platformClient is the GraphQL client, with the operator's idea of TLS.
func platformClient(s settings.Settings) (*opencti.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = s.Workers                                                       // one kept connection a message in hand
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !s.OpenCTISSLVerify} //nolint:gosec // the operator's explicit choice, warned about
	if s.OpenCTICA != "" {
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM([]byte(s.OpenCTICA)) {
			return nil, errors.New("OPENCTI_SSL_VERIFY holds no certificate")
		}
	}
	transport.TLSClientConfig = tlsConfig
	headers := http.Header{}
	for _, h := range s.OpenCTICustomHeaders {
		headers.Set(h.Name, h.Value.Reveal())
	}
	return opencti.NewClient(opencti.ClientConfig{
		URL: s.OpenCTIURL, Token: s.OpenCTIToken.Reveal(), Headers: headers,
		HTTP: &http.Client{Transport: transport, Timeout: time.Minute},
	}), nil
}
