package opencti

import (
	"context"
	"sync"
)

// hands hold the messages that are being worked on, by their keys. The same
// message may be delivered again meanwhile: by a broker that we lost, or by a
// worker whose request was broken off. Safe for concurrent use.
type hands struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// take waits until nobody else has the message in hand, so that what the journal
// then says of it is the last word. A message without a key is nobody else's.
func (h *hands) take(ctx context.Context, key string) (letGo func(), err error) {
	if key == "" {
		return func() {}, nil
	}
	for {
		h.mu.Lock()
		done, busy := h.held[key]
		if !busy {
			done = make(chan struct{})
			if h.held == nil {
				h.held = map[string]chan struct{}{}
			}
			h.held[key] = done
		}
		h.mu.Unlock()
		if !busy {
			return func() { h.letGo(key, done) }, nil
		}
		select {
		case <-done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (h *hands) letGo(key string, done chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.held, key)
	close(done)
}

// crew are those who work on messages. One that has left only waits for what the
// platform says to a request that is not to be repeated: the journal has its
// word on it, and whoever ends a session need not wait for that.
type crew struct{ all, near sync.WaitGroup }

// Go runs f; leave may be called, once or not, by f.
func (w *crew) Go(f func(leave func())) {
	w.near.Add(1)
	leave := sync.OnceFunc(w.near.Done)
	w.all.Go(func() {
		defer leave()
		f(leave)
	})
}
