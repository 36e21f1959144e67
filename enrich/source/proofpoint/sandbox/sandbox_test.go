package sandbox_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/source/proofpoint"
	"github.com/enrichgate/enrichgate/enrich/source/proofpoint/sandbox"
)

const (
	key = "sandbox-key"
	md5 = "0123456789abcdef0123456789abcdef"
)

var today = time.Date(2026, 8, 25, 13, 30, 0, 0, time.UTC)

func now() time.Time { return today }

// start serves a provider and makes a source that asks it.
func start(t *testing.T, opts sandbox.Options, timeout time.Duration) (*sandbox.Provider, *proofpoint.Source) {
	t.Helper()
	opts.Now = now
	p := sandbox.New(opts)
	server, err := p.Serve("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := proofpoint.New(proofpoint.Config{BaseURL: server.URL(), APIKey: key, Now: now, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, s
}

// plan lists the calls for one entity of each kind.
func plan(t *testing.T, s *proofpoint.Source) []enrich.Lookup {
	t.Helper()
	var all []enrich.Lookup
	for _, e := range []enrich.Entity{
		{Type: "IPv4-Addr", Value: "192.0.2.10"},
		{Type: "Domain-Name", Value: "c2.example.com"},
		{Type: "StixFile", Hashes: map[string]string{"MD5": md5}},
	} {
		lookups, err := s.Plan(e)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, lookups...)
	}
	return all
}

// first is a call that always has an answer.
func first() enrich.Lookup { return enrich.Lookup{Endpoint: "ip.reputation", Value: "192.0.2.10"} }

// All that is planned is answered, in shapes that the source reads whole, the
// same each time; and the bill is the number of fetches.
func TestAnswers(t *testing.T) {
	p, s := start(t, sandbox.Options{Key: key}, 0)
	lookups := plan(t, s)
	for _, l := range lookups {
		a, b := s.Fetch(t.Context(), l), s.Fetch(t.Context(), l)
		if a.Class != enrich.Found || !reflect.DeepEqual(a, b) {
			t.Errorf("%s: %+v, then %+v", l.Endpoint, a, b)
		}
		facts, skipped := s.Facts(l, a.Body, today)
		if len(skipped) > 0 || len(facts.References) != 1 {
			t.Errorf("%s: %+v, skipped %v", l.Endpoint, facts, skipped)
		}
		if n := p.Seen(l.Endpoint, l.Value); n != 2 {
			t.Errorf("%s was seen %d times", l.Endpoint, n)
		}
	}
	bill := p.Bill()
	if bill.Total != 2*len(lookups) || bill.Billed != bill.Total || bill.Refused+bill.Failed != 0 || len(bill.Counts) != len(lookups) {
		t.Errorf("%+v", bill)
	}
}

// Over many values: every answer is readable, some rows are old, and the share
// of unknown values is about what was asked for.
func TestManyValues(t *testing.T) {
	_, s := start(t, sandbox.Options{Key: key, NotFoundShare: 0.25}, 0)
	classes := map[enrich.Class]int{}
	for i := range 400 {
		l := enrich.Lookup{Endpoint: "domain.ips", Value: "h" + strconv.Itoa(i) + ".example.com"}
		a := s.Fetch(t.Context(), l)
		classes[a.Class]++
		if _, skipped := s.Facts(l, a.Body, today); len(skipped) > 0 {
			t.Errorf("%s: %v", a.Body, skipped)
		}
	}
	if n := classes[enrich.NotFound]; n < 60 || n > 140 || n+classes[enrich.Found] != 400 {
		t.Errorf("classes %v", classes)
	}
}

func TestNotFound(t *testing.T) {
	_, s := start(t, sandbox.Options{Key: key, NotFoundShare: 1}, 0)
	for _, l := range plan(t, s) {
		if a := s.Fetch(t.Context(), l); a.Class != enrich.NotFound {
			t.Errorf("%s: %+v", l.Endpoint, a)
		}
	}
}

func TestRefusals(t *testing.T) {
	_, s := start(t, sandbox.Options{Key: "another"}, 0)
	if a := s.Fetch(t.Context(), first()); a.Class != enrich.AuthFailed || a.Status != 401 {
		t.Errorf("wrong key: %+v", a)
	}
	var p *sandbox.Provider
	p, s = start(t, sandbox.Options{Key: key, PerMinute: 2}, 0)
	for i, want := range []enrich.Class{enrich.Found, enrich.Found, enrich.RateLimited, enrich.RateLimited} {
		if a := s.Fetch(t.Context(), first()); a.Class != want {
			t.Errorf("request %d: %+v", i+1, a)
		}
	}
	if b := p.Bill(); b.Total != 4 || b.Billed != 2 || b.Refused != 2 || p.Seen("ip.reputation", "192.0.2.10") != 4 {
		t.Errorf("%+v", b)
	}
}

// get asks without the source, for what it would not ask.
func get(t *testing.T, method, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestUnknownRoutes(t *testing.T) {
	p := sandbox.New(sandbox.Options{})
	server, err := p.Serve(":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	base := strings.TrimSuffix(server.URL(), "/v1/")
	paths := []string{"/", "/v1/", "/v1/ips/192.0.2.1", "/v1/ips/192.0.2.1/nope", "/v1/ips//asn", "/v2/ips/192.0.2.1/asn", "/v1/samples/a%0Ab", "/v1/ips/192.0.2.1/asn/more", "/v1/domains/a.example/asn"}
	for _, path := range paths {
		if status, body := get(t, http.MethodGet, base+path); status != 404 || !strings.Contains(body, `"success":false`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _ := get(t, http.MethodPost, base+"/v1/ips/192.0.2.1/asn"); status != 405 {
		t.Errorf("POST: %d", status)
	}
	b := p.Bill()
	if b.Counts["unknown"] != len(paths) || b.Total != len(paths)+1 || b.Failed != 1 || b.Billed != len(paths) {
		t.Errorf("%+v", b)
	}
}

// Hooks make the provider fail in every way; what fails is on the bill.
func TestHooks(t *testing.T) {
	p, s := start(t, sandbox.Options{Key: key}, 200*time.Millisecond)
	gate := make(chan struct{})
	close(gate)
	for name, c := range map[string]struct {
		reply sandbox.Reply
		want  enrich.Class
		sent  bool
	}{
		"status":         {sandbox.Reply{Status: 503, Header: http.Header{"Retry-After": {"30"}}}, enrich.ServerError, true},
		"html":           {sandbox.Reply{Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte("<html>")}, enrich.ServerError, true},
		"empty":          {sandbox.Reply{}, enrich.ServerError, true},
		"hang":           {sandbox.Reply{Hang: true}, enrich.TimedOut, true},
		"hang in body":   {sandbox.Reply{Status: 200, Body: []byte("{"), Hang: true}, enrich.TimedOut, true},
		"drop":           {sandbox.Reply{Drop: true}, enrich.NetworkError, true},
		"drop in body":   {sandbox.Reply{Status: 200, Body: []byte("{"), Drop: true}, enrich.NetworkError, true},
		"never":          {sandbox.Reply{Wait: make(chan struct{})}, enrich.TimedOut, true},
		"when it is let": {sandbox.Reply{Wait: gate, Body: []byte(`{"success":true,"response":[]}`)}, enrich.NotFound, true},
	} {
		before := p.Bill()
		p.Handle(func(_ *http.Request, n int) (sandbox.Reply, bool) { return c.reply, n == before.Total+1 })
		a := s.Fetch(t.Context(), first())
		if a.Class != c.want || a.Sent != c.sent {
			t.Errorf("%s: %+v", name, a)
		}
		after := p.Bill()
		if after.Total != before.Total+1 || after.Total != after.Billed+after.Refused+after.Failed {
			t.Errorf("%s: %+v, then %+v", name, before, after)
		}
		p.Handle(nil)
		if a := s.Fetch(t.Context(), first()); a.Class != enrich.Found {
			t.Errorf("after %s: %+v", name, a)
		}
	}
}

// The saved bill has a request before it is answered, and survives the provider.
func TestSaveBill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bill")
	read := func() string {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}
	for i := range 2 {
		p, s := start(t, sandbox.Options{Key: key}, 0)
		if err := p.SaveBill(path); err != nil {
			t.Fatal(err)
		}
		want := strings.Repeat("ip.reputation 192.0.2.10\n", i+1)
		p.Handle(func(*http.Request, int) (sandbox.Reply, bool) {
			if got := read(); got != want {
				t.Errorf("not on the bill before it is answered: %q", got)
			}
			return sandbox.Reply{}, false
		})
		s.Fetch(t.Context(), first())
		if err := p.SaveBill(""); err != nil {
			t.Fatal(err)
		}
		s.Fetch(t.Context(), enrich.Lookup{Endpoint: "ip.asn", Value: "192.0.2.10"})
		if got := read(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if err := sandbox.New(sandbox.Options{}).SaveBill(filepath.Join(path, "below")); err == nil {
		t.Error("an impossible file was taken")
	}
}

func TestServeRefusesOthers(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", "192.0.2.1:0", "[::]:0", "example.com:0", "127.0.0.1", ""} {
		if s, err := sandbox.New(sandbox.Options{}).Serve(addr); err == nil {
			t.Errorf("%q: served at %s", addr, s.URL())
			_ = s.Close()
		}
	}
}

// Closing does not wait for answers that hang.
func TestCloseCutsHanging(t *testing.T) {
	p := sandbox.New(sandbox.Options{})
	server, err := p.Serve(":0")
	if err != nil {
		t.Fatal(err)
	}
	hanging := make(chan struct{})
	p.Handle(func(*http.Request, int) (sandbox.Reply, bool) {
		close(hanging)
		return sandbox.Reply{Hang: true}, true
	})
	s, err := proofpoint.New(proofpoint.Config{BaseURL: server.URL(), APIKey: key})
	if err != nil {
		t.Fatal(err)
	}
	answer := make(chan enrich.Answer)
	go func() { answer <- s.Fetch(context.WithoutCancel(t.Context()), first()) }()
	<-hanging
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if a := <-answer; a.Class != enrich.NetworkError || !a.Sent {
		t.Errorf("%+v", a)
	}
}

func TestConcurrentBill(t *testing.T) {
	p, s := start(t, sandbox.Options{Key: key, Latency: time.Millisecond}, 0)
	lookups := plan(t, s)
	var wg sync.WaitGroup
	for i := range 180 {
		wg.Go(func() { s.Fetch(t.Context(), lookups[i%len(lookups)]) })
	}
	wg.Wait()
	b := p.Bill()
	if b.Total != 180 || b.Billed != 180 {
		t.Errorf("%+v", b)
	}
	for _, l := range lookups {
		if n := p.Seen(l.Endpoint, l.Value); n != 20 {
			t.Errorf("%s: %d", l.Endpoint, n)
		}
	}
}
