package opencti

import (
	"context"
	"crypto/ed25519"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// CallbackConfig is how the worker reaches us when it posts messages.
type CallbackConfig struct {
	Listen string // address to listen on
	Path   string
	// Cert and Key, paths or PEM text, switch TLS on.
	Cert, Key string
	// Token is what platforms before 7.260224 present: our own.
	Token string
}

// callbackPatience ends a request before the worker gives up on it after 300 s
// and posts the message again while we still work on it.
const callbackPatience = 280 * time.Second

// serveCallback takes messages by HTTP. The worker acknowledges its delivery
// when we answer 202, so we answer when the message is done with, and not at
// all well when it has to come again: the queue stays the broker's.
func (c *Connector) serveCallback(ctx context.Context) error {
	mux := http.NewServeMux()
	slots := make(chan struct{}, c.cfg.Workers)
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	mux.HandleFunc("POST "+c.cfg.Callback.Path, func(w http.ResponseWriter, r *http.Request) {
		c.callback(work, slots, w, r)
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	ln, err := net.Listen("tcp", c.cfg.Callback.Listen)
	if err != nil {
		return fmt.Errorf("listening for messages: %w", err)
	}
	if c.cfg.Callback.Cert != "" {
		pair, err := c.callbackCertificate()
		if err != nil {
			return errors.Join(err, ln.Close())
		}
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	}
	c.listening.Store(true)
	// Parked messages are given the same time to end as posted ones.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(c.cfg.ShutdownTimeout, stopWork) })()
	taking, stopTaking := context.WithCancel(ctx)
	var resuming sync.WaitGroup
	resuming.Go(func() { c.resume(taking, work, noBroker{}) })
	defer resuming.Wait()
	defer stopTaking()
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		return fmt.Errorf("listening for messages: %w", err)
	case <-ctx.Done():
	}
	c.listening.Store(false)
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.ShutdownTimeout)
	defer cancel()
	if srv.Shutdown(stopCtx) == nil {
		return nil
	}
	stopWork()
	err = srv.Close()
	// Close does not wait for handlers, and whoever runs us closes the stores next.
	for range cap(slots) {
		slots <- struct{}{}
	}
	return err
}

func (c *Connector) callbackCertificate() (tls.Certificate, error) {
	cert, err := pemOf(c.cfg.Callback.Cert)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("LISTEN_PROTOCOL_API_SSL_CERT: %w", err)
	}
	key, err := pemOf(c.cfg.Callback.Key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("LISTEN_PROTOCOL_API_SSL_KEY: %w", err)
	}
	return tls.X509KeyPair(cert, key)
}

// callback handles one posted message.
func (c *Connector) callback(work context.Context, slots chan struct{}, w http.ResponseWriter, r *http.Request) {
	if !c.mayPost(r.Header.Get("Authorization")) {
		reply(w, http.StatusUnauthorized, "error", "Invalid credentials")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 8*MaxMessage))
	if err != nil {
		// Nothing that size can be handled the next time either; without a
		// work id there is nobody to tell but the operator.
		c.metrics.message(messageUnreadable)
		c.log.Error("Error in message processing, nothing to report it to", "error", err)
		reply(w, http.StatusAccepted, "message", "Message successfully received")
		return
	}
	if !json.Valid(body) {
		// As the Python client answers; the worker would post it again for ever.
		c.metrics.message(messageUnreadable)
		c.log.Error("Error in message processing, nothing to report it to", "error", "the message is not JSON", "bytes", len(body))
		reply(w, http.StatusAccepted, "message", "Message successfully received")
		return
	}
	ctx, cancel := context.WithTimeout(work, callbackPatience)
	defer cancel()
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		reply(w, http.StatusServiceUnavailable, "error", "Too many messages in hand")
		return
	}
	// The worker does not say that it posts again; the journal knows.
	if err := c.consumeSafely(ctx, body, redelivered, noBroker{}); err != nil {
		c.metrics.message(messageReturned)
		c.log.Warn("a message is given back and will come again", "error", err)
		reply(w, http.StatusServiceUnavailable, "error", "Error processing message")
		return
	}
	reply(w, http.StatusAccepted, "message", "Message successfully received")
}

func reply(w http.ResponseWriter, status int, key, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{key: text}) // the worker may be gone
}

// noBroker publishes for those who listen by HTTP but hand over by AMQP.
type noBroker struct{}

func (noBroker) Publish(context.Context, [][]byte) error {
	return errors.New("listening by API needs CONNECTOR_QUEUE_PROTOCOL=api")
}

// mayPost checks the worker's bearer: a JWT signed by the platform from
// 7.260224 on, our own token before.
func (c *Connector) mayPost(header string) bool {
	scheme, token, ok := strings.Cut(strings.TrimSpace(header), " ")
	if !ok || !strings.EqualFold(scheme, "bearer") || strings.ContainsAny(strings.TrimSpace(token), " \t") {
		return false
	}
	token = strings.TrimSpace(token)
	reg := c.registration()
	if reg.JWKS == "" {
		return c.cfg.Callback.Token != "" && subtle.ConstantTimeCompare([]byte(token), []byte(c.cfg.Callback.Token)) == 1
	}
	return checkJWT(token, reg.JWKS) == nil
}

// checkJWT verifies a token of the platform.
func checkJWT(token, jwks string) error {
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"EdDSA"}), jwt.WithIssuer("opencti"), jwt.WithSubject("connector"), jwt.WithExpirationRequired())
	_, err := parser.Parse(token, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		return publicKey(jwks, kid)
	})
	return err
}

// publicKey finds an Ed25519 key in a JWKS document (RFC 8037).
func publicKey(jwks, kid string) (ed25519.PublicKey, error) {
	var set struct {
		Keys []struct{ Kid, Kty, Crv, Alg, X string } `json:"keys"`
	}
	if err := json.Unmarshal([]byte(jwks), &set); err != nil {
		return nil, fmt.Errorf("the platform's keys are not understood: %w", err)
	}
	for _, k := range set.Keys {
		if k.Kid != kid || k.Kty != "OKP" || k.Crv != "Ed25519" {
			continue
		}
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if err != nil || len(x) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("key %.40q is damaged", kid)
		}
		return x, nil
	}
	return nil, fmt.Errorf("no key %.40q", kid)
}
