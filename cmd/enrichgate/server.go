package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/net/netutil"

	"github.com/enrichgate/enrichgate/dashboards"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
)

// front is what the daemon answers over HTTP: on the operator's address, and
// without a token on a socket in the data directory, for the command line.
type front struct {
	servers []*http.Server
	page    *dashboards.Page
	socket  string // a temporary directory to remove; "" when the socket is in the data directory
	tcp     net.Addr
}

// maxSocketPath is what a unix socket's address holds on Linux, less the zero.
const maxSocketPath = 107

// maxConnections bounds what strangers may hold open at a time.
const maxConnections = 1024

// listen starts the listeners.
func (a *app) listen(address string, connectors stateFunc) (f *front, err error) {
	f = &front{}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	path := a.dir.file(fileSocket)
	if len(path) > maxSocketPath {
		if f.socket, err = os.MkdirTemp("", "enrichgate"); err != nil {
			return f, fmt.Errorf("local socket: %w", err)
		}
		path = filepath.Join(f.socket, fileSocket)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return f, fmt.Errorf("local socket: %w", err)
	}
	local, err := net.Listen("unix", path)
	if err != nil {
		return f, fmt.Errorf("local socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return f, errors.Join(fmt.Errorf("local socket: %w", err), local.Close())
	}
	if a.repeats, err = httpapi.OpenRepeats(a.dir.file(fileRepeats), time.Now); err != nil {
		return f, errors.Join(err, local.Close())
	}
	f.serve(local, a.handler(true, connectors))
	if address != "" {
		ln, err := a.listenTCP(address)
		if err != nil {
			return f, err
		}
		f.tcp = ln.Addr()
		f.page = a.page(connectors)
		f.serve(ln, site(f.page, a.handler(false, connectors)))
	}
	if a.settings().ExposeMetrics {
		if err := f.exposePycti(*a.settings(), a.registry); err != nil {
			return f, err
		}
	}
	// Only now: whoever reads this may come at once.
	return f, a.dir.listensAt(path)
}

// listenTCP listens on the operator's address, with TLS when there is a
// certificate. TLS comes last, so that the server sees its connections and
// requests say that they came over it.
func (a *app) listenTCP(address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("ENRICHGATE_HTTP_LISTEN: %w", err)
	}
	ln = netutil.LimitListener(ln, maxConnections)
	if a.settings().HTTPTLSCert == "" {
		return ln, nil
	}
	pair, err := tls.X509KeyPair([]byte(a.settings().HTTPTLSCert), []byte(a.settings().HTTPTLSKey.Reveal()))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ENRICHGATE_HTTP_TLS_CERT and _KEY: %w", err), ln.Close())
	}
	return tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}), nil
}

func (f *front) serve(ln net.Listener, h http.Handler) {
	srv := &http.Server{
		Handler: httpapi.Patient(h), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	f.servers = append(f.servers, srv)
	go func() { _ = srv.Serve(ln) }() // ends with ErrServerClosed, or with the listener
}

func (f *front) address() string {
	if f.tcp == nil {
		return "off"
	}
	return f.tcp.String()
}

// close lets running answers end for a moment.
func (f *front) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var errs []error
	if f.page != nil {
		f.page.Close() // its live streams end, so that nobody waits for them
	}
	for _, s := range f.servers {
		if s.Shutdown(ctx) != nil {
			errs = append(errs, s.Close())
		}
	}
	if f.socket != "" {
		errs = append(errs, os.RemoveAll(f.socket))
	}
	return errors.Join(errs...)
}

// handler is what both listeners answer.
func (a *app) handler(local bool, connectors stateFunc) http.Handler {
	mux := http.NewServeMux()
	// Alive: the process answers. No dependency, or its outage would become a restart.
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { health(w, nil) })
	// Healthy: it can do its job of not losing money, whoever else is away.
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		health(w, map[string]error{"ledger": a.ledger.Healthy()})
	})
	// Ready: it takes messages.
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		checks := connectors.checks()
		checks["ledger"], checks["cache"] = a.ledger.Healthy(), a.cache.Healthy()
		health(w, checks)
	})
	api := httpapi.New(httpapi.Config{
		Sources: a.apiSources(), Ledger: a.ledger, Cache: a.cache, Clients: a.clients, ClientsChanged: a.clientsChanged, Reload: a.reload.run, Recent: a.recent, Repeats: a.repeats, Now: a.now,
		AdminToken: a.settings().AdminToken.Reveal(), ReadToken: a.settings().ReadToken.Reveal(), Local: local, Metrics: a.requests, Log: a.log,
	})
	mux.Handle("/api/v1/", api)
	// Their labels name clients and playbooks: for whoever may read, as the API is.
	mux.Handle("GET /metrics", api.Readers(a.metrics))
	if local {
		mux.Handle("/local/v1/", a.local())
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !local { // an export that is read back has long lines
			r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		}
		if api.Proxies(r) {
			api.ServeHTTP(w, r) // past the mux, which would answer "//" with a redirect
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// apiSources are the sources as the API sees them.
func (a *app) apiSources() []httpapi.Source {
	var all []httpapi.Source
	for _, s := range a.sources {
		one := httpapi.Source{Name: s.Name(), Gateway: a.gateways[s.Name()], Policy: s.policy}
		if p, ok := s.Source.(httpapi.Proxied); ok && a.settings().Proxy != "off" {
			one.Proxy = tunedProxy{Proxied: p, source: s}
		}
		all = append(all, one)
	}
	return all
}

// health answers 200 when nothing is wrong, else 503 with what is.
func health(w http.ResponseWriter, checks map[string]error) {
	status := http.StatusOK
	body := map[string]string{"status": "ok"}
	for name, err := range checks {
		body[name] = "ok"
		if err != nil {
			status, body[name], body["status"] = http.StatusServiceUnavailable, err.Error(), "unavailable"
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}
