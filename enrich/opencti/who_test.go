package opencti

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

// secretive is a platform that never answers when it is asked who asked.
type secretive struct{ *paper }

// RoundTrip implements http.RoundTripper.
func (s secretive) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	if strings.Contains(string(text), opPerson.name) || strings.Contains(string(text), opPlaybook.name) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return s.paper.RoundTrip(r)
}

// Whoever wants to know who asked waits for a while and no longer; messages,
// those of the same work and playbook too, do not wait at all.
func TestNobodyWaitsForWhoAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handled := 0
		p := newPaper()
		p.answers["PlaybookStepExecution"] = `{"playbookStepExecution":true}`
		c := p.connector(t, func(c *Config) {
			c.Client = NewClient(ClientConfig{URL: "http://opencti.example.com", HTTP: &http.Client{Transport: secretive{p}}})
			c.Handle = func(ctx context.Context, m enrich.Message, to enrich.Reporter) error {
				handled++
				if m.Person+m.PlaybookName != "" {
					t.Errorf("asked by %q of %q", m.Person, m.PlaybookName)
				}
				return to.Processed(ctx, "done", false)
			}
		})
		if err := c.register(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		questions := make(chan error, 2)
		go func() {
			_, err := c.who.Person(t.Context(), "work_b5d1e2f0-6c1a-4a0b-9d3e-7f2a1c0e9b11_2026-08-22T10:00:00.123Z")
			questions <- err
		}()
		go func() {
			_, err := c.who.Playbook(t.Context(), "4b6f0e2d-1a2b-4c3d-8e4f-5a6b7c8d9e0f")
			questions <- err
		}()
		synctest.Wait() // both have been asked
		for _, file := range []string{"05-msg-manual-7x.json", "10-msg-playbook-7x.json"} {
			if err := c.consume(t.Context(), delivery{body: vector(t, file)}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > 0 || handled != 2 {
			t.Errorf("%d handled within %v", handled, took)
		}
		for range 2 {
			if err := <-questions; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the question ended with %v", err)
			}
		}
		if took := time.Since(began); took != whoPatience {
			t.Errorf("the questions took %v", took)
		}
	})
}
