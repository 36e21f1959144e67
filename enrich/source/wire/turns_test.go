package wire

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

// Of many calls at once only so many are under way; when their callers give up,
// those that had left are uncertain, and not one of the others leaves.
func TestWhoWaitsDoesNotLeave(t *testing.T) {
	var seen atomic.Int32
	full, gate := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if seen.Add(1) == maxCalls {
			close(full)
		}
		<-gate
	}))
	defer server.Close()
	defer close(gate)
	c := New(nil, time.Minute, 1<<10)
	ctx, giveUp := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var left, stayed atomic.Int32
	for range 3 * maxCalls {
		all.Go(func() {
			req, err := http.NewRequest(http.MethodGet, server.URL, nil)
			if err != nil {
				t.Error(err)
				return
			}
			switch r := c.Do(ctx, req); {
			case r.Sent && r.Class == enrich.TimedOut:
				left.Add(1)
			case !r.Sent && r.Class == enrich.NetworkError:
				stayed.Add(1)
			default:
				t.Errorf("%+v", r)
			}
		})
	}
	<-full
	giveUp()
	all.Wait()
	if left.Load() != maxCalls || stayed.Load() != 2*maxCalls || seen.Load() != maxCalls {
		t.Errorf("%d left and %d stayed; the server saw %d, want %d", left.Load(), stayed.Load(), seen.Load(), maxCalls)
	}
}
