package opencti

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// counting tells how much of each request's body has arrived.
type counting struct {
	arrived atomic.Int64
	whole   atomic.Int64 // requests that arrived whole
	answer  func(w http.ResponseWriter, r *http.Request)
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.answer != nil {
		c.answer(w, r)
		return
	}
	c.read(r)
	_, _ = io.WriteString(w, `{"data":{"playbookStepExecution":true}}`)
}

func (c *counting) read(r *http.Request) {
	buffer := make([]byte, 4096)
	for {
		n, err := r.Body.Read(buffer)
		c.arrived.Add(int64(n))
		if err == io.EOF {
			c.whole.Add(1)
		}
		if err != nil {
			return
		}
	}
}

// holding is a client of a platform that counts.
func holding(t *testing.T, c *counting) *Client {
	t.Helper()
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	return NewClient(ClientConfig{URL: s.URL, Token: "t"})
}

// large makes a request that no buffer of net/http holds.
func large() map[string]any { return map[string]any{"bundle": strings.Repeat("x", 1<<20)} }

// When the journal is written the platform has all but a byte, at most.
func TestLastByteIsHeld(t *testing.T) {
	for name, variables := range map[string]map[string]any{"small": {"bundle": "x"}, "large": large()} {
		c := &counting{}
		client := holding(t, c)
		body, err := opStep.body(variables)
		if err != nil {
			t.Fatal(err)
		}
		released, err := client.DoHeld(t.Context(), opStep, variables, func() error {
			if n := c.arrived.Load(); n >= int64(len(body)) || c.whole.Load() > 0 {
				t.Errorf("%s: %d of %d bytes had arrived", name, n, len(body))
			}
			return nil
		})
		if err != nil || !released || c.whole.Load() != 1 || c.arrived.Load() != int64(len(body)) {
			t.Errorf("%s: %v %v, %d requests of %d bytes", name, released, err, c.whole.Load(), c.arrived.Load())
		}
	}
}

// What the journal refuses does not leave, and what does not leave is not
// written down: a platform that hangs up or answers before the end has not
// performed it.
func TestHeldForGood(t *testing.T) {
	full := errors.New("the disk is full")
	c := &counting{}
	released, err := holding(t, c).DoHeld(t.Context(), opStep, large(), func() error { return full })
	if released || !errors.Is(err, full) || c.whole.Load() > 0 {
		t.Errorf("%v %v, %d arrived", released, err, c.whole.Load())
	}
	early := func(answer func(http.ResponseWriter, *http.Request)) {
		t.Helper()
		written := false
		released, err := holding(t, &counting{answer: answer}).DoHeld(t.Context(), opStep, large(), func() error {
			written = true
			return nil
		})
		if err == nil || released != written || !released && !notPerformed(err) {
			t.Errorf("released %v, written %v: %v", released, written, err)
		}
	}
	early(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	early(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) })
	early(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"errors":[{"message":"no","extensions":{"code":"AUTH_REQUIRED"}}]}`)
	})
	// Nobody waits any more, and the journal is written only then.
	ctx, cancel := context.WithCancel(t.Context())
	writing := make(chan struct{})
	held := &heldBody{rest: []byte("{}"), release: func() error {
		close(writing)
		<-ctx.Done()
		return nil
	}}
	go func() {
		<-writing
		cancel()
	}()
	if all, err := io.ReadAll(held); err != nil || string(all) != "{}" {
		t.Errorf("%q, %v", all, err)
	}
	if released, err := held.giveUp(); !released || err != nil {
		t.Errorf("%v %v", released, err)
	}
	held = &heldBody{rest: []byte("{}"), release: func() error { t.Error("written down"); return nil }}
	if released, _ := held.giveUp(); released {
		t.Error("released")
	}
	if all, err := io.ReadAll(held); !errors.Is(err, errGaveUp) || string(all) != "{" {
		t.Errorf("%q, %v", all, err)
	}
}
