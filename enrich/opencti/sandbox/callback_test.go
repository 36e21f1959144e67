package sandbox_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

// receiver is a connector's callback address that keeps what it is sent.
type receiver struct {
	*httptest.Server
	got chan *http.Request // with Body replaced by what was read
}

func newReceiver(tb testing.TB, status ...int) *receiver {
	r := &receiver{got: make(chan *http.Request, 16)}
	answers := make(chan int, 16)
	for _, s := range status {
		answers <- s
	}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(body))
		status := http.StatusAccepted
		select {
		case status = <-answers:
		default:
		}
		w.WriteHeader(status)
		r.got <- req
	}))
	tb.Cleanup(r.Close)
	return r
}

func (r *receiver) next(tb testing.TB) (*http.Request, []byte) {
	tb.Helper()
	select {
	case req := <-r.got:
		body, _ := io.ReadAll(req.Body)
		return req, body
	case <-openctitest.Context(tb).Done():
		tb.Fatal("no callback came")
	}
	return nil, nil
}

// key is the platform's key as a connector reads it from jwks.
func key(t *testing.T, registration map[string]any) (kid string, public ed25519.PublicKey) {
	t.Helper()
	var set struct {
		Keys []struct{ Kid, Use, Alg, Crv, Kty, X string }
	}
	if err := json.Unmarshal([]byte(registration["jwks"].(string)), &set); err != nil {
		t.Fatal(err)
	}
	k := set.Keys[0]
	if k.Use != "sig" || k.Alg != "EdDSA" || k.Crv != "Ed25519" || k.Kty != "OKP" || len(k.Kid) != 16 {
		t.Errorf("key is %+v", k)
	}
	x, err := base64.RawURLEncoding.DecodeString(k.X)
	if err != nil {
		t.Fatal(err)
	}
	return k.Kid, x
}

// bearer is the token of a callback.
func bearer(req *http.Request) string {
	return strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
}

// verify checks a token as a connector does.
func verify(token, kid string, public ed25519.PublicKey) error {
	_, err := jwt.Parse(token, func(t *jwt.Token) (any, error) {
		if t.Header["kid"] != kid {
			return nil, jwt.ErrTokenUnverifiable
		}
		return public, nil
	}, jwt.WithValidMethods([]string{"EdDSA"}), jwt.WithIssuer("opencti"), jwt.WithSubject("connector"), jwt.WithExpirationRequired())
	return err
}

func TestCallback(t *testing.T) {
	c := newClient(t, sandbox.Options{CallbackDelay: time.Millisecond})
	r := newReceiver(t, http.StatusInternalServerError, http.StatusUnauthorized, http.StatusOK)
	e := sandbox.NewEntity("IPv4-Addr", "198.51.100.7")
	c.p.AddEntity(e)
	kid, public := key(t, c.register("", map[string]any{"listen_callback_uri": r.URL + "/api/callback"}))
	id, err := c.p.Enrich(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	// Refused twice, taken the third time.
	for range 3 {
		req, body := r.next(t)
		if req.URL.Path != "/api/callback" || req.Method != http.MethodPost ||
			req.Header.Get("Content-Type") != "application/json" || req.Header.Get("User-Agent") != "pycti/7.260817.0" {
			t.Errorf("%s %s %v", req.Method, req.URL, req.Header)
		}
		if err := verify(bearer(req), kid, public); err != nil {
			t.Error(err)
		}
		if !strings.Contains(string(body), id) {
			t.Errorf("body is %s", body)
		}
	}
	if err := c.p.Wait(openctitest.Context(t), func() bool { return len(c.p.Callbacks()) == 3 }); err != nil {
		t.Fatal(err)
	}
	if n, _, _ := c.p.QueueDepth(t.Context()); n != 0 {
		t.Errorf("%d messages are left", n)
	}

	// A new key: old registrations cannot verify, new ones can.
	if err := c.p.RotateKeys(); err != nil {
		t.Fatal(err)
	}
	token, err := c.p.CallbackToken()
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(token, kid, public); err == nil {
		t.Error("the old key verifies new tokens")
	}
	kid, public = key(t, c.register("", nil))
	if err := verify(token, kid, public); err != nil {
		t.Error(err)
	}
	openctitest.NoProblems(t, c.p)
}

// Before 7.260224.0 the worker shows the connector's own token.
func TestCallbackTokenOf6x(t *testing.T) {
	const version = "6.9.28"
	c := newClient(t, sandbox.Options{Version: version, Token: "00000000-0000-4000-8000-0000000000aa"})
	r := newReceiver(t)
	c.register(version, map[string]any{"listen_callback_uri": r.URL})
	if err := c.p.Publish(t.Context(), []byte("not JSON")); err != nil {
		t.Fatal(err)
	}
	if req, body := r.next(t); bearer(req) != c.token || string(body) != "not JSON" {
		t.Errorf("got %q with bearer %q", body, bearer(req))
	}
}

// A message waits for a connector that has no address, and ends with the platform.
func TestCallbackLater(t *testing.T) {
	c := newClient(t, sandbox.Options{})
	c.register("", nil)
	if err := c.p.Publish(t.Context(), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if n, _, _ := c.p.QueueDepth(t.Context()); n != 1 {
		t.Errorf("%d messages wait", n)
	}
	r := newReceiver(t)
	c.register("", map[string]any{"listen_callback_uri": r.URL})
	if _, body := r.next(t); string(body) != "{}" {
		t.Errorf("got %s", body)
	}
	r.Close()
	if err := c.p.Publish(t.Context(), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := c.p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.p.Wait(t.Context(), func() bool { return false }); err == nil {
		t.Error("Wait outlives Close")
	}
}
