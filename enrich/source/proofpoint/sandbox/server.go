package sandbox

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Server is a provider that listens on this machine.
type Server struct {
	listener net.Listener
	server   *http.Server
	done     chan struct{} // closed when the serving goroutine has ended
}

// Serve listens on the address and serves until Close. The address is a
// loopback one with a port, such as "127.0.0.1:8081"; ":0" takes any free port
// of 127.0.0.1. Others are refused: invented intelligence is nobody else's.
func (p *Provider) Serve(addr string) (*Server, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	if host == "" || host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("sandbox: %q is not an address of this machine only", host)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s := &Server{
		listener: listener,
		server:   &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second},
		done:     make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(listener) // ends by Close
	}()
	return s, nil
}

// URL is the base URL of the API, for the source's configuration.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() + "/v1/" }

// Close stops listening and cuts all connections, also of answers that hang.
func (s *Server) Close() error {
	err := s.server.Close()
	<-s.done
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
