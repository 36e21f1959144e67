package httpapi_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich/httpapi"
	"github.com/enrichgate/enrichgate/enrich/httpapi/clients"
	provider "github.com/enrichgate/enrichgate/enrich/source/proofpoint/sandbox"
)

const list = `{"values":["198.51.100.1","198.51.100.2","nonsense"]}`

// A retry is told the same and pays nothing, also where the first took nothing
// from the cache, and also in another life.
func TestARetryIsToldTheSame(t *testing.T) {
	w := newWorld(t, options{})
	for i, form := range []string{"application/json", "application/x-ndjson"} {
		headers := []string{"Idempotency-Key: key-" + form, "Cache-Control: no-cache", "Accept: " + form}
		first, body := w.call("POST", "/api/v1/lookups", adminToken, list, headers...)
		if first.StatusCode != 200 || !strings.Contains(body, `"units":5`) {
			t.Fatalf("%d %s", first.StatusCode, body)
		}
		w.bill(10 * (i + 1))
		for life := range 3 {
			again, said := w.call("POST", "/api/v1/lookups", adminToken, list, headers...)
			if said != body || again.StatusCode != 200 || again.Header.Get("Content-Type") != first.Header.Get("Content-Type") ||
				again.Header.Get("Idempotency-Replayed") != "true" || again.Header.Get("X-Enrichgate-Units") != "0" {
				t.Errorf("%s, life %d: %d %v %s", form, life, again.StatusCode, again.Header, said)
			}
			w.restartRepeats()
		}
		w.bill(10 * (i + 1))
	}
	other := `{"values":["198.51.100.1"]}`
	w.want(422, "idempotency-key-reused", "POST", "/api/v1/lookups", adminToken, other, "Idempotency-Key: key-application/json", "Accept: application/json")
	for _, h := range []string{"Cache-Control: only-if-cached", "Cache-Control: max-age=60", "Prefer: wait=1"} {
		w.want(422, "idempotency-key-reused", "POST", "/api/v1/lookups", adminToken, list, "Idempotency-Key: key-application/json", "Accept: application/json", "Cache-Control: no-cache", h)
	}
	// Another's key of the same name is another key.
	w.want(200, `"units":0`, "POST", "/api/v1/lookups", w.addClient(clients.Client{Name: "soar"}), other, "Idempotency-Key: key-application/json")
	w.want(400, "printable", "POST", "/api/v1/lookups", adminToken, other, "Idempotency-Key: \u00e9")
	w.bill(20)
	w.noSecrets()
}

// A client that is made anew under the name of another, or has other rights, is
// not told what that one was told.
func TestAKeyIsItsClients(t *testing.T) {
	w := newWorld(t, options{})
	one, key := `{"values":["198.51.100.1"]}`, "Idempotency-Key: k"
	first := w.addClient(clients.Client{Name: "soar"})
	w.want(200, `"units":5`, "POST", "/api/v1/lookups", first, one, key)
	if resp := w.want(200, `"units":5`, "POST", "/api/v1/lookups", first, one, key); resp.Header.Get("Idempotency-Replayed") != "true" {
		t.Error("not remembered")
	}
	w.must(w.clients.Revoke("soar"))
	second := w.addClient(clients.Client{Name: "soar", Sources: []string{"another"}})
	if resp := w.want(200, "no source that this token may ask", "POST", "/api/v1/lookups", second, one, key); resp.Header.Get("Idempotency-Replayed") != "" {
		t.Error("told what another was told")
	}
	w.bill(5)
}

// restartRepeats is another life of the process, as far as keys go.
func (w *world) restartRepeats() {
	w.t.Helper()
	w.front.Close()
	w.must(w.repeats.Close())
	var err error
	w.repeats, err = httpapi.OpenRepeats(filepath.Join(w.dir, "repeats.db"), nil)
	w.must(err)
	w.config.Repeats = w.repeats
	w.serve()
}

// Of many with one key at once, one is answered by looking up; the others wait
// or are told the same.
func TestManyRetriesAtOnce(t *testing.T) {
	w := newWorld(t, options{})
	var all sync.WaitGroup
	var mu sync.Mutex
	seen := map[int]int{}
	for range 20 {
		all.Go(func() {
			resp, _ := w.call("POST", "/api/v1/lookups", adminToken, list, "Idempotency-Key: k", "Cache-Control: no-cache")
			mu.Lock()
			seen[resp.StatusCode]++
			mu.Unlock()
		})
	}
	all.Wait()
	if seen[200] < 1 || seen[200]+seen[409] != 20 {
		t.Errorf("%v", seen)
	}
	w.bill(10)
}

// Who goes away in the middle and asks again gets the answer that was on its way.
func TestAClientThatGoesAwayIsAnsweredLater(t *testing.T) {
	w := newWorld(t, options{})
	arrived, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.provider.Handle(func(*http.Request, int) (provider.Reply, bool) {
		once.Do(func() { close(arrived) })
		<-held
		return provider.Reply{}, false
	})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", w.front.URL+"/api/v1/lookups", strings.NewReader(list))
	w.must(err)
	req.Header.Set("Authorization", "Bearer "+adminToken)
	req.Header.Set("Idempotency-Key", "k")
	req.Header.Set("Content-Type", "application/json")
	gone := make(chan error)
	go func() {
		_, err := http.DefaultClient.Do(req)
		gone <- err
	}()
	<-arrived
	cancel()
	if err := <-gone; err == nil {
		t.Fatal("it was not gone")
	}
	w.want(409, "idempotency-key-in-use", "POST", "/api/v1/lookups", adminToken, list, "Idempotency-Key: k")
	close(held)
	for status := 409; status == 409; {
		resp, _ := w.call("POST", "/api/v1/lookups", adminToken, list, "Idempotency-Key: k")
		status = resp.StatusCode
	}
	w.want(200, `"units":10`, "POST", "/api/v1/lookups", adminToken, list, "Idempotency-Key: k")
	w.bill(10)
}

// A request that a crash cut off goes on where it was: what it paid for is not
// paid for again, even by one that wants nothing from the cache.
func TestARequestCutOffByACrashGoesOn(t *testing.T) {
	w := newWorld(t, options{})
	held := make(chan struct{})
	arrived := make(chan struct{}, 100)
	w.provider.Handle(func(r *http.Request, _ int) (provider.Reply, bool) {
		if strings.Contains(r.URL.Path, "198.51.100.2") {
			arrived <- struct{}{}
			<-held
		}
		return provider.Reply{}, false
	})
	crashed := make(chan struct{})
	go func() {
		defer close(crashed)
		req, _ := http.NewRequest("POST", w.front.URL+"/api/v1/lookups", strings.NewReader(`{"values":["198.51.100.1","198.51.100.2"]}`))
		req.Header.Set("Authorization", "Bearer "+adminToken)
		req.Header.Set("Idempotency-Key", "k")
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Cache-Control", "no-cache")
		_, _ = http.DefaultClient.Do(req)
	}()
	for range 5 {
		<-arrived
	}
	for w.provider.Bill().Total < 10 {
		// until the first address is paid for too
		w.call("GET", "/api/v1/quota", adminToken, "")
	}
	// The process dies here: what it knew of keys is what is on disk now.
	w.copyRepeats()
	close(held)
	<-crashed
	w.want(200, `"units":0`, "POST", "/api/v1/lookups", adminToken, `{"values":["198.51.100.1","198.51.100.2"]}`, "Idempotency-Key: k", "Cache-Control: no-cache")
	w.bill(10)
}

func TestKeysAreForgottenInTime(t *testing.T) {
	now := time.Now()
	repeats, err := httpapi.OpenRepeats(filepath.Join(t.TempDir(), "repeats.db"), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = repeats.Close() })
	w := newWorld(t, options{change: func(c *httpapi.Config) { c.Repeats = repeats }})
	for i := range 3 {
		w.want(200, "", "POST", "/api/v1/lookups", adminToken, list, fmt.Sprintf("Idempotency-Key: %d", i))
	}
	now = now.Add(25 * time.Hour)
	if resp, _ := w.call("POST", "/api/v1/lookups", adminToken, list, "Idempotency-Key: 0"); resp.Header.Get("Idempotency-Replayed") != "" {
		t.Error("remembered for more than a day")
	}
	if n := httpapi.Known(repeats); n != 1 {
		t.Errorf("%d keys are known", n)
	}
}

// An answer of any length is given; one that is too long to keep is not kept,
// and its retry is told so instead of spending again.
func TestTooLongAnAnswerIsNotKept(t *testing.T) {
	noise := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(noise)
	pieces := slices.Repeat([][]byte{noise}, 3)
	if got := httpapi.StateOfAnswer(pieces...); got != "done" {
		t.Errorf("3 MiB: %s", got)
	}
	source := rand.NewChaCha8([32]byte{1})
	pieces = nil
	for range httpapi.MostAnswer>>20 + 2 {
		piece := make([]byte, 1<<20)
		source.Read(piece)
		pieces = append(pieces, piece)
	}
	if got := httpapi.StateOfAnswer(pieces...); got != "lost" {
		t.Errorf("%d MiB: %s", len(pieces), got)
	}
}

func FuzzDecodeRepeat(f *testing.F) {
	for _, seed := range httpapi.RepeatSeeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		if err := httpapi.CheckRepeat(record); err != nil {
			t.Error(err)
		}
	})
}

// copyRepeats goes on with a copy of the file as it is on disk now, as a new
// process would after a crash.
func (w *world) copyRepeats() {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join(w.dir, "repeats.db"))
	w.must(err)
	path := filepath.Join(w.t.TempDir(), "repeats.db")
	w.must(os.WriteFile(path, content, 0o600))
	repeats, err := httpapi.OpenRepeats(path, nil)
	w.must(err)
	w.t.Cleanup(func() { _ = repeats.Close() })
	w.config.Repeats = repeats
	w.serve()
}
