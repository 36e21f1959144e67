package opencti

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// callbackHub lets several connectors listen on one address, each at a path of
// its own. Safe for concurrent use.
type callbackHub struct {
	mu      sync.Mutex
	servers map[string]*callbackServer // by address
}

// callbackServer is one listener.
type callbackServer struct {
	http   *http.Server
	failed chan struct{} // closed when it serves no more
	err    error         // set before failed is closed

	mu    sync.RWMutex
	paths map[string]http.HandlerFunc
}

func newCallbackHub() *callbackHub { return &callbackHub{servers: map[string]*callbackServer{}} }

// join serves the path on the address until leave is called. The first to come
// opens the listener, the last to leave closes it.
func (h *callbackHub) join(cfg CallbackConfig, handler http.HandlerFunc) (s *callbackServer, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s = h.servers[cfg.Listen]; s == nil {
		if s, err = openCallback(cfg); err != nil {
			return nil, err
		}
		h.servers[cfg.Listen] = s
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.paths[cfg.Path]; taken {
		return nil, fmt.Errorf("listening for messages: two connectors listen at %s%s", cfg.Listen, cfg.Path)
	}
	s.paths[cfg.Path] = handler
	return s, nil
}

// leave takes no more messages at the path.
func (h *callbackHub) leave(ctx context.Context, cfg CallbackConfig) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.servers[cfg.Listen]
	s.mu.Lock()
	delete(s.paths, cfg.Path)
	left := len(s.paths)
	s.mu.Unlock()
	if left > 0 {
		return nil
	}
	delete(h.servers, cfg.Listen)
	if s.http.Shutdown(ctx) == nil {
		return nil
	}
	return s.http.Close()
}

func openCallback(cfg CallbackConfig) (*callbackServer, error) {
	ln, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening for messages: %w", err)
	}
	if cfg.Cert != "" {
		pair, err := keyPair(cfg.Cert, cfg.Key, cfg.Passphrase)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("LISTEN_PROTOCOL_API_SSL_CERT and _KEY: %w", err), ln.Close())
		}
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	}
	s := &callbackServer{failed: make(chan struct{}), paths: map[string]http.HandlerFunc{}}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	go func() {
		s.err = s.http.Serve(ln)
		close(s.failed)
	}()
	return s, nil
}

// healthPath is where the Python client says that it listens.
const healthPath = "/health"

func (s *callbackServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.RLock()
	handler := s.paths[r.URL.Path]
	s.mu.RUnlock()
	switch {
	case r.URL.Path == healthPath && r.Method == http.MethodGet:
		reply(w, http.StatusOK, "status", "ok")
	case handler == nil:
		reply(w, http.StatusNotFound, "error", "Nobody listens here")
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		reply(w, http.StatusMethodNotAllowed, "error", "Method not allowed")
	default:
		handler(w, r)
	}
}
