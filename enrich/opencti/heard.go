package opencti

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"
)

// heard is a connection that remembers how reading from it went. In TLS 1.3 the
// broker's refusal of a client without a certificate comes after the handshake,
// and of what comes so early the library may say no more than "not open".
type heard struct {
	net.Conn
	words  atomic.Bool
	failed atomic.Pointer[error]
}

// Read implements net.Conn.
func (h *heard) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	if n > 0 {
		h.words.Store(true)
	}
	if err != nil {
		h.failed.CompareAndSwap(nil, &err)
	}
	return n, err
}

// explain says why a connection did not come about. h is nil when there was none
// to read from.
func (h *heard) explain(err error, tlsConfig *tls.Config) error {
	if h == nil {
		return err
	}
	if why := h.failed.Load(); why != nil && errors.Is(err, amqp.ErrClosed) {
		err = *why
	}
	if tlsConfig != nil && tlsConfig.Certificates == nil && !h.words.Load() {
		return fmt.Errorf("the broker hung up before its first word; does it want a client certificate (MQ_USE_SSL_CERT)? %w", err)
	}
	return err
}
