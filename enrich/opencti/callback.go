package opencti

import (
	"context"
	"crypto/ed25519"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// CallbackConfig is how the worker reaches us when it posts messages.
type CallbackConfig struct {
	// Listen is the address to listen on. Connectors of one Group may share it
	// if they differ in Path.
	Listen string
	Path   string
	// Cert and Key, paths or PEM text, switch TLS on; Passphrase opens an encrypted Key.
	Cert, Key, Passphrase string
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
	slots := make(chan struct{}, c.cfg.Workers)
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	server, err := c.hub.join(c.cfg.Callback, func(w http.ResponseWriter, r *http.Request) { c.callback(work, slots, w, r) })
	if err != nil {
		return err
	}
	c.setListening(true)
	// Results leave over the broker all the same, unless they go by the API.
	var publishing sync.WaitGroup
	outCtx, stopPublishing := context.WithCancel(context.WithoutCancel(ctx))
	publishing.Go(func() { c.outlets(outCtx) })
	defer publishing.Wait()
	defer stopPublishing()
	// Parked messages are given the same time to end as posted ones.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(c.cfg.ShutdownTimeout, stopWork) })()
	taking, stopTaking := context.WithCancel(ctx)
	var resuming sync.WaitGroup
	resuming.Go(func() { c.resume(taking, work, callbackPublisher{c}) })
	defer resuming.Wait()
	defer stopTaking()
	select {
	case <-server.failed:
		err = fmt.Errorf("listening for messages: %w", server.err)
	case <-ctx.Done():
	}
	c.setListening(false)
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.ShutdownTimeout)
	defer cancel()
	err = errors.Join(err, c.hub.leave(stopCtx, c.cfg.Callback))
	// Others may share the listener, and closing it does not wait for handlers;
	// whoever runs us closes the stores next.
	for range cap(slots) {
		select {
		case slots <- struct{}{}:
		case <-stopCtx.Done():
			stopWork()
			slots <- struct{}{}
		}
	}
	return err
}

// outlets keeps a connection to publish by until ctx ends.
func (c *Connector) outlets(ctx context.Context) {
	for n := 0; ctx.Err() == nil && c.publishes(); n++ {
		changed := c.changed()
		out, err := c.openOutlet(ctx, c.registration())
		if err == nil {
			c.outlet.Store(out)
			n = 0
			select {
			case e := <-out.closed:
				err = reason(e, "the broker closed the publishing connection")
			case <-changed:
				err = errChanged
			case <-ctx.Done():
			}
			c.outlet.Store(nil)
			out.close()
		}
		if ctx.Err() != nil {
			return
		}
		c.log.Error("RabbitMQ connection lost, connecting again", "error", err)
		if sleep(ctx, pauseAfter(n)) != nil {
			return
		}
		_ = c.registerAgain(ctx, reregisterPause, reregisterPatience) // the ping says so if the platform is away
	}
}

// callbackPublisher publishes by whatever connection there is, for those who listen by
// HTTP; with none for now the message comes again.
type callbackPublisher struct{ c *Connector }

// Publish implements publisher.
func (p callbackPublisher) Publish(ctx context.Context, messages []*outgoing) error {
	if out := p.c.outlet.Load(); out != nil {
		return out.Publish(ctx, messages)
	}
	return errors.New("there is no connection to RabbitMQ for now")
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
	if c.publishes() && (c.outlet.Load() == nil || c.blocked()) {
		// Nothing is begun, and so nothing spent, while results could not leave.
		reply(w, http.StatusServiceUnavailable, "error", "RabbitMQ takes no results for now")
		return
	}
	ctx, cancel := context.WithTimeout(work, callbackPatience)
	defer cancel()
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		reply(w, http.StatusServiceUnavailable, "error", "Too many messages in hand")
		return
	}
	free := sync.OnceFunc(func() { <-slots })
	defer free()
	in := delivery{
		body: body, how: redelivered, // the worker does not say that it posts again; the journal knows
		// Whoever ends us need not wait for the platform's word: see crew.
		leave: func() { context.AfterFunc(work, free) },
	}
	if err := c.consumeSafely(ctx, in, callbackPublisher{c}); err != nil {
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
	err := checkJWT(token, reg.JWKS)
	if errors.Is(err, errUnknownKey) {
		// The platform may have changed its keys; a registration tells the new ones.
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), reregisterPatience)
			defer cancel()
			_ = c.registerAgain(ctx, keyPause, reregisterPatience) // the worker posts again
		}()
	}
	return err == nil
}

// keyPause keeps whoever shows invented keys from making us register all the time.
const keyPause = 30 * time.Second

var errUnknownKey = errors.New("no such key")

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
	return nil, fmt.Errorf("%w: %.40q", errUnknownKey, kid)
}
