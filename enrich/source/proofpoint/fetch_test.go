package proofpoint

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

// serve starts a provider that is one handler, and a source that asks it.
func serve(t *testing.T, c Config, handler http.HandlerFunc) *Source {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c.BaseURL = server.URL + "/v1"
	return newSource(t, c)
}

// ask fetches the reputation of an address.
func ask(t *testing.T, s *Source) enrich.Answer {
	t.Helper()
	return s.Fetch(t.Context(), lookup(ipReputation, "192.0.2.10"))
}

func TestFetchRequest(t *testing.T) {
	var got *http.Request
	s := serve(t, Config{}, func(w http.ResponseWriter, req *http.Request) {
		got = req.Clone(context.Background())
		_, _ = w.Write(fixture(t, "ip_reputation_found.json"))
	})
	for _, c := range []struct{ endpoint, value, want string }{
		{ipReputation, "192.0.2.10", "/v1/ips/192.0.2.10/reputation"},
		{ipASN, "192.0.2.10", "/v1/ips/192.0.2.10/asn"},
		{ipGeoloc, "192.0.2.10", "/v1/ips/192.0.2.10/geoloc"},
		{domainIPs, "c2.example.com", "/v1/domains/c2.example.com/ips"},
		{sample, testMD5, "/v1/samples/" + testMD5},
		{domainIPs, "../a/b?c#d e", "/v1/domains/..%2Fa%2Fb%3Fc%23d%20e/ips"},
	} {
		a := s.Fetch(t.Context(), lookup(c.endpoint, c.value))
		checkAnswer(t, a)
		if got.RequestURI != c.want || got.Method != http.MethodGet || !a.Sent || a.Status != 200 {
			t.Errorf("%s %s: %s %s, %+v", c.endpoint, c.value, got.Method, got.RequestURI, a)
		}
	}
	want := http.Header{
		"Authorization": {testKey}, "Accept": {"application/json"}, "Accept-Encoding": {"gzip"}, "User-Agent": {"enrichgate/devel"},
	}
	if fmt.Sprint(got.Header) != fmt.Sprint(want) {
		t.Errorf("header %v, want %v", got.Header, want)
	}
	if got.ContentLength != 0 || got.TransferEncoding != nil {
		t.Errorf("the request has a body: %d, %v", got.ContentLength, got.TransferEncoding)
	}
}

func TestFetchFixtures(t *testing.T) {
	for _, c := range fixtureCases(t) {
		e, value := c.split(t)
		if e.name == "other" {
			e = endpoints(0, 0)[ipReputation]
			if c.Status == http.StatusOK {
				continue
			}
		}
		s := serve(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(c.Status)
			_, _ = w.Write(fixture(t, c.File))
		})
		a := s.Fetch(t.Context(), lookup(e.name, value))
		checkAnswer(t, a)
		if classNames[a.Class] != c.Class || a.Status != c.Status || !a.Sent {
			t.Errorf("%s: %s, %+v", c.File, classNames[a.Class], a)
		}
		if a.Class == enrich.Found && !bytes.Equal(a.Body, fixture(t, c.File)) {
			t.Errorf("%s: the body changed", c.File)
		}
	}
}

func TestFetchRetryAfter(t *testing.T) {
	for status, want := range map[int]bool{429: true, 503: true, 401: false, 402: false, 200: false} {
		s := serve(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(status)
			_, _ = w.Write(fixture(t, "not_found_list.json"))
		})
		a := ask(t, s)
		checkAnswer(t, a)
		if a.RetryAfter.Equal(today.Add(time.Minute)) != want || a.RetryAfter.IsZero() == want {
			t.Errorf("%d: retry after %s", status, a.RetryAfter)
		}
	}
}

// A provider that repeats the key, or says anything else, in all that it can
// say does not get it into an error.
func TestErrorsShowNoKey(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"message": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `{"success":false,"message":"bad key\n%s\u0000 %s"}`, testKey, strings.Repeat("x", 1000))
		},
		"failure": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"success":false,"message":"%s"}`, testKey)
		},
		"location": func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Location", "https://"+testKey+".example/login?key="+testKey)
			w.WriteHeader(http.StatusFound)
		},
		"echo": func(w http.ResponseWriter, req *http.Request) {
			fmt.Fprintf(w, `{"success":true,"response":[{"country_code":"US","ip":"%s"}]}`, testKey)
		},
		"head": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprintf(conn, "HTTP/1.1 %s?key=%s\r\n\r\n", testKey, testKey)
			_ = conn.Close()
		},
	} {
		s := serve(t, Config{}, handler)
		a := s.Fetch(t.Context(), lookup(ipGeoloc, "192.0.2.10"))
		if a.Err == nil || strings.Contains(a.Err.Error(), testKey) || len([]rune(a.Err.Error())) > 240 || strings.ContainsAny(a.Err.Error(), "\n\x00") {
			t.Errorf("%s: %s, %v", name, classNames[a.Class], a.Err)
		}
		t.Logf("%s: %v", name, a.Err)
	}
}

func TestFetchFollowsNoRedirect(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{other.URL + "/v1/ips/192.0.2.10/reputation?key=1", "/v1/elsewhere", ""} {
			var here atomic.Int32
			s := serve(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
				here.Add(1)
				w.Header().Set("Location", to)
				w.WriteHeader(status)
				_, _ = w.Write(fixture(t, "not_found_list.json"))
			})
			a := ask(t, s)
			want(t, a, enrich.ServerError, true)
			if here.Load() != 1 || elsewhere.Load() != 0 {
				t.Errorf("%d to %q: %d requests here, %d there", status, to, here.Load(), elsewhere.Load())
			}
		}
	}
}

func TestFetchTimeouts(t *testing.T) {
	body := fixture(t, "ip_reputation_found.json")
	flush := func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }
	for name, c := range map[string]struct {
		class   enrich.Class
		handler http.HandlerFunc
	}{
		"before the head": {enrich.TimedOut, func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }},
		"after the head": {enrich.TimedOut, func(w http.ResponseWriter, req *http.Request) {
			flush(w)
			<-req.Context().Done()
		}},
		"within the body": {enrich.TimedOut, func(w http.ResponseWriter, req *http.Request) {
			_, _ = w.Write(body[:20])
			flush(w)
			<-req.Context().Done()
		}},
		"a byte at a time": {enrich.TimedOut, func(w http.ResponseWriter, req *http.Request) {
			for {
				select {
				case <-req.Context().Done():
					return
				case <-time.After(10 * time.Millisecond):
					_, _ = w.Write([]byte(" "))
					flush(w)
				}
			}
		}},
		"a refusal without an end": {enrich.RateLimited, func(w http.ResponseWriter, req *http.Request) {
			w.WriteHeader(http.StatusTooManyRequests)
			flush(w)
			<-req.Context().Done()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			a := ask(t, serve(t, Config{Timeout: 150 * time.Millisecond}, c.handler))
			want(t, a, c.class, true)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// The caller's end is one, too.
func TestFetchCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, Config{}, func(_ http.ResponseWriter, req *http.Request) {
		cancel()
		<-req.Context().Done()
	})
	want(t, s.Fetch(ctx, lookup(ipReputation, "192.0.2.10")), enrich.TimedOut, true)
	want(t, s.Fetch(ctx, lookup(ipReputation, "192.0.2.10")), enrich.NetworkError, false)
}

func TestFetchLargeBody(t *testing.T) {
	var written atomic.Int64
	chunk := bytes.Repeat([]byte(" "), 1<<20)
	s := serve(t, Config{MaxBody: 1 << 20}, func(w http.ResponseWriter, _ *http.Request) {
		for range 100 {
			n, err := w.Write(chunk)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	a := ask(t, s)
	want(t, a, enrich.ServerError, true)
	if !strings.Contains(a.Err.Error(), "too large") || !strings.Contains(a.Err.Error(), "1048576 bytes") {
		t.Errorf("unclear: %v", a.Err)
	}
	if written.Load() >= 50<<20 {
		t.Errorf("%d bytes were taken", written.Load())
	}

	// Up to the limit is fine.
	exact := fixture(t, "ip_reputation_found.json")
	s = serve(t, Config{MaxBody: int64(len(exact))}, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(exact) })
	want(t, ask(t, s), enrich.Found, true)
}

// packed compresses a body.
func packed(t *testing.T, body []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, err := w.Write(body)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestFetchGzip(t *testing.T) {
	good := fixture(t, "ip_reputation_found.json")
	member := packed(t, nil)
	for name, c := range map[string]struct {
		encoding string
		body     []byte
		want     enrich.Class
	}{
		"good":            {"gzip", packed(t, good), enrich.Found},
		"old name":        {"X-GZIP", packed(t, good), enrich.Found},
		"bomb":            {"gzip", bytes.Repeat(packed(t, make([]byte, 1<<20)), 100), enrich.ServerError},
		"bomb of nothing": {"gzip", bytes.Repeat(member, 9<<20/len(member)), enrich.ServerError},
		"twice":           {"gzip", packed(t, packed(t, good)), enrich.ServerError},
		"cut":             {"gzip", packed(t, good)[:40], enrich.ServerError},
		"not packed":      {"gzip", good, enrich.ServerError},
		"empty":           {"gzip", nil, enrich.ServerError},
		"undeclared":      {"", packed(t, good), enrich.ServerError},
		"not asked for":   {"br", packed(t, good), enrich.ServerError},
	} {
		s := serve(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
			if c.encoding != "" {
				w.Header().Set("Content-Encoding", c.encoding)
			}
			_, _ = w.Write(c.body)
		})
		a := ask(t, s)
		want(t, a, c.want, true)
		if a.Class == enrich.Found && !bytes.Equal(a.Body, good) {
			t.Errorf("%s: got %q", name, a.Body)
		}
		t.Logf("%s, %d bytes: %v", name, len(c.body), a.Err)
	}
}

func TestFetchNothingSent(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	defer untrusted.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections into its backlog and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	for name, c := range map[string]Config{
		"refused":       {BaseURL: "http://" + closed.Addr().String()},
		"no such host":  {BaseURL: "http://none.example", Transport: &http.Transport{DialContext: noSuchHost}},
		"untrusted":     {BaseURL: untrusted.URL},
		"TLS hangs":     {BaseURL: "https://" + silent.Addr().String(), Timeout: 100 * time.Millisecond},
		"proxy refuses": {BaseURL: "https://none.example", Transport: &http.Transport{Proxy: http.ProxyURL(mustURL(t, "http://u:"+testKey+"@"+closed.Addr().String()))}},
	} {
		a := ask(t, newSource(t, c))
		want(t, a, enrich.NetworkError, false)
		if a.Status != 0 || !strings.Contains(fmt.Sprint(a.Err), "nothing was sent") {
			t.Errorf("%s: %+v", name, a)
		}
		t.Logf("%s: %v", name, a.Err)
	}
	s := newSource(t, Config{})
	for _, l := range []enrich.Lookup{lookup("ip.other", "192.0.2.1"), lookup(ipASN, ""), lookup(ipASN, "..")} {
		want(t, s.Fetch(t.Context(), l), enrich.ServerError, false)
	}
}

// noSuchHost is the dialer of a network without names.
func noSuchHost(_ context.Context, _, addr string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: addr, IsNotFound: true}}
}

// The silence of a transport that reports nothing proves nothing.
func TestFetchForeignTransport(t *testing.T) {
	mute := roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("it broke") })
	want(t, ask(t, newSource(t, Config{Transport: mute})), enrich.NetworkError, true)

	// One that wraps net/http's reports, once there is a connection.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }))
	defer server.Close()
	wrapped := roundTripper(func(req *http.Request) (*http.Response, error) { return http.DefaultTransport.RoundTrip(req) })
	want(t, ask(t, newSource(t, Config{Transport: wrapped, BaseURL: server.URL})), enrich.NetworkError, true)
}
