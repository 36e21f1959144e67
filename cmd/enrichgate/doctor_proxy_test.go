package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
)

// Behind a proxy the doctor goes as the daemon does: the proxy's name is
// resolved, and the provider is shaken hands with through it, without a request.
func TestDoctorBehindAProxy(t *testing.T) {
	var requests, tunnels atomic.Int64
	provider := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer provider.Close()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") == "" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		there, err := net.Dial("tcp", provider.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		tunnels.Add(1)
		w.WriteHeader(http.StatusOK)
		here, read, err := http.NewResponseController(w).Hijack() // the server may have read ahead
		if err != nil {
			t.Error(err)
			return
		}
		go func() { _, _ = io.Copy(there, read); _ = there.Close() }()
		_, _ = io.Copy(here, there)
		_ = here.Close()
	}))
	defer proxy.Close()
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	source := &settings.Source{BaseURL: "https://api.provider.test/v1"}
	at.User = url.UserPassword("me", "secret")
	t.Setenv("HTTPS_PROXY", at.String())
	t.Setenv("NO_PROXY", "")
	if f := checkName(t.Context(), source.BaseURL, "x"); f.state != "ok" || !strings.Contains(f.detail, "the proxy for api.provider.test") {
		t.Errorf("name: %+v", f)
	}
	// The certificate is the test's own: that it is seen shows who was reached.
	if f := checkProvider(t.Context(), source); f.state != "failed" || !strings.Contains(f.detail, "certificate") {
		t.Errorf("provider: %+v", f)
	}
	at.User = nil
	t.Setenv("HTTPS_PROXY", at.String())
	if f := checkProvider(t.Context(), source); f.state != "failed" || !strings.Contains(f.detail, "407") || strings.Contains(f.detail, "secret") {
		t.Errorf("a proxy that refuses: %+v", f)
	}
	socks := fakeSOCKS(t, provider.Listener.Addr().String(), &tunnels)
	t.Setenv("HTTPS_PROXY", "socks5://"+socks)
	if f := checkProvider(t.Context(), source); f.state != "failed" || !strings.Contains(f.detail, "certificate") {
		t.Errorf("by SOCKS: %+v", f)
	}
	t.Setenv("NO_PROXY", "127.0.0.1")
	if f := checkProvider(t.Context(), &settings.Source{BaseURL: provider.URL}); f.state != "failed" || !strings.Contains(f.detail, "certificate") {
		t.Errorf("past the proxy: %+v", f)
	}
	if requests.Load() != 0 || tunnels.Load() != 2 {
		t.Errorf("%d requests, %d tunnels", requests.Load(), tunnels.Load())
	}
}

// fakeSOCKS is a SOCKS5 proxy (RFC 1928) without authentication that takes every
// connection to one place.
func fakeSOCKS(t *testing.T, to string, tunnels *atomic.Int64) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		here, err := l.Accept()
		if err != nil {
			return
		}
		defer here.Close()
		greeting, request := make([]byte, 3), make([]byte, 4+1+len("api.provider.test")+2)
		if _, err := io.ReadFull(here, greeting); err != nil {
			t.Error(err)
		}
		_, _ = here.Write([]byte{5, 0})
		if _, err := io.ReadFull(here, request); err != nil || !strings.Contains(string(request), "api.provider.test") {
			t.Errorf("%q, %v", request, err)
		}
		_, _ = here.Write([]byte{5, 0, 0, 1, 127, 0, 0, 1, 0, 0})
		there, err := net.Dial("tcp", to)
		if err != nil {
			t.Error(err)
			return
		}
		tunnels.Add(1)
		go func() { _, _ = io.Copy(there, here); _ = there.Close() }()
		_, _ = io.Copy(here, there)
	}()
	return l.Addr().String()
}
