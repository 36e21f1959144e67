package sandbox

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Callback is one attempt to post a message to the connector.
type Callback struct {
	URI  string
	Body []byte
	// Status and Answer are what came back; Err says why nothing did.
	Status int
	Answer string
	Err    error
	At     time.Time
}

// callbackClient is the worker's HTTP client: 300 s of patience, no check of certificates.
func callbackClient() *http.Client {
	return &http.Client{
		Timeout: 300 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the worker's default
		},
	}
}

// CallbackToken is the bearer that the worker shows to a connector: a token
// signed by the platform since 7.260224.0, before that the connector's own.
func (p *Platform) CallbackToken() (string, error) {
	if !p.played.atLeast("7.260224.0") {
		return p.opt.Token, nil
	}
	now := p.opt.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
		"iss": "opencti", "sub": "connector", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	p.mu.Lock()
	kid, key := p.kid, p.key
	p.mu.Unlock()
	token.Header["kid"] = kid
	return token.SignedString(key)
}

// post delivers a message. It says whether the connector took it.
func (p *Platform) post(ctx context.Context, uri string, body []byte) bool {
	c := Callback{URI: uri, Body: body, At: p.opt.Now()}
	c.Status, c.Answer, c.Err = p.postOnce(ctx, uri, body)
	p.update(func() { p.callbacks = append(p.callbacks, c) })
	return c.Status == http.StatusOK || c.Status == http.StatusAccepted
}

func (p *Platform) postOnce(ctx context.Context, uri string, body []byte) (int, string, error) {
	token, err := p.CallbackToken()
	if err != nil {
		return 0, "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, uri, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("User-Agent", "pycti/"+p.opt.Version)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	return resp.StatusCode, string(text), nil
}

// Callbacks returns all attempts to post a message, oldest first.
func (p *Platform) Callbacks() []Callback {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.callbacks)
}

// startPosters starts the goroutines that post the connector's messages when there is no broker.
func (p *Platform) startPosters(c *connector) {
	for range p.opt.CallbackWorkers {
		p.wg.Go(func() {
			for p.ctx.Err() == nil {
				body, uri, ok := p.take(c)
				if !ok {
					return
				}
				if !p.post(p.ctx, uri, body) {
					p.pause(p.opt.CallbackDelay)
					p.update(func() { c.queue = slices.Insert(c.queue, 0, body) })
				}
			}
		})
	}
}

// take waits for a message and an address to post it to.
func (p *Platform) take(c *connector) (body []byte, uri string, ok bool) {
	err := p.Wait(p.ctx, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		uri = c.ListenCallbackURI
		if ok = len(c.queue) > 0 && uri != ""; ok {
			body, c.queue = c.queue[0], slices.Clone(c.queue[1:])
		}
		return ok
	})
	return body, uri, err == nil
}

func (p *Platform) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-p.ctx.Done():
	}
}

// postDeliveries posts what the broker delivers. A refused message goes back to the queue.
func (p *Platform) postDeliveries(c *connector, deliveries <-chan amqp.Delivery) {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	for d := range deliveries {
		wg.Go(func() {
			p.mu.Lock()
			uri := c.ListenCallbackURI
			p.mu.Unlock()
			if uri != "" && p.post(ctx, uri, d.Body) {
				_ = d.Ack(false)
				return
			}
			p.pause(p.opt.CallbackDelay)
			_ = d.Nack(false, true)
		})
	}
}
