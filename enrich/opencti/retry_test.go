package opencti

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// silence is a platform that takes everything in and never answers.
type silence struct{}

func (silence) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// How long a platform that does not answer is waited for: as long as the Python
// client does where the rest of a playbook may run, else a minute; the
// end of a session breaks nothing off.
func TestPatienceWithThePlatform(t *testing.T) {
	for name, tt := range map[string]struct {
		held bool
		ends time.Duration // of the session
		want time.Duration
	}{
		"a report":                          {false, time.Hour, time.Minute},
		"a report, the session ends":        {false, 50 * time.Second, time.Minute},
		"a playbook step":                   {true, time.Hour, 5 * time.Minute},
		"a playbook step, the session ends": {true, 30 * time.Second, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &Connector{client: NewClient(ClientConfig{URL: "http://platform.test", HTTP: &http.Client{Transport: silence{}}})}
				session, end := context.WithTimeout(t.Context(), tt.ends)
				defer end()
				began := time.Now()
				var err error
				if tt.held {
					var released bool
					released, err = c.onceHeld(session, opStep, nil, func() error { return nil })
					if !released {
						t.Error("it did not leave")
					}
				} else {
					err = c.once(session, opProcessed, nil, "", nil)
				}
				if took := time.Since(began); took != tt.want || !transient(err) {
					t.Errorf("after %v: %v", took, err)
				}
			})
		})
	}
}
